//! What was measured, in words and in Markdown.

use crate::bench::{Judged, Measured, Measurement, Spread};
use crate::printer::Printer;

/// How and where something was measured.
pub(super) fn circumstances(measurement: &Measurement, printer: &Printer) {
    printer.result(format_args!(
        "{} runs by turns; {} processors; load {} before, {} after\n",
        measurement.runs, measurement.processors, measurement.load[0], measurement.load[1]
    ));
}

pub(super) fn numbers(measurement: &Measurement, printer: &Printer) {
    judged(&measurement.judged, printer);
    printer.result("");
    stages(&measurement.stages, printer);
}

/// What was measured, in Markdown.
pub(super) fn stages(stages: &[Measured], printer: &Printer) {
    printer.result(
        "| stage | wall, s (min - max) | processors, s | MB/s | peak, MiB (max) | output, MB | against |",
    );
    printer.result("|---|---|---|---|---|---|---|");
    for stage in stages {
        let Spread { median, least, most } = stage.wall;
        let speed = stage.speed.map_or_else(String::new, |speed| format!("{speed:.0}"));
        let against =
            stage.against.map_or_else(String::new, |(name, r)| format!("{r:.1} x {name}"));
        let mib = |bytes: f64| bytes / 1_048_576.0;
        printer.result(format_args!(
            "| {} | {median:.2} ({least:.2} - {most:.2}) | {:.2} | {speed} | {:.0} ({:.0}) | {:.0} | {against} |",
            stage.name,
            stage.cpu.median,
            mib(stage.peak.median),
            mib(stage.peak.most),
            stage.output as f64 / 1e6,
        ));
    }
    printer.result("");
    for stage in stages {
        if let Some(command) = stage.command {
            printer.result(format_args!("{}: {command}", stage.name));
        }
    }
}

/// Numbers and what they should be, in Markdown.
pub(super) fn judged(judged: &[Judged], printer: &Printer) {
    printer.result("| what | wanted | median (min - max) | met |");
    printer.result("|---|---|---|---|");
    for judged in judged {
        let Spread { median, least, most } = judged.measured;
        let digits = match judged.unit {
            "x" => 3,
            "s" => 2,
            _ => 0,
        };
        printer.result(format_args!(
            "| {} | {} | {median:.digits$} ({least:.digits$} - {most:.digits$}) | {} |",
            judged.what,
            judged.wanted,
            if judged.met { "yes" } else { "no" }
        ));
    }
}
