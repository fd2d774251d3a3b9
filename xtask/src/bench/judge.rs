//! Groups of stages that take turns, and what their numbers should be.

use std::collections::BTreeMap;
use std::path::Path;

use jobs::Stop;
use serde::Serialize;

use super::stage::Done;
use super::{Cost, Measured, Spread, Stage, by_turns, load, summarize};
use crate::failure::Failure;
use crate::printer::Printer;

/// What is measured together, and what `--only` names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) stages: &'static [Stage],
    /// Whether one run is enough: sizes are the same each time.
    pub(super) once: bool,
    pub(super) targets: &'static [Target],
}

/// What a number should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) wanted: Wanted,
    pub(super) unit: &'static str,
    /// The number, from one run of each stage by name.
    pub(super) number: fn(&Runs<'_>) -> f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

/// One run of each stage.
pub(super) type Runs<'a> = BTreeMap<&'static str, &'a (Cost, Done)>;

pub(super) const MIB: f64 = 1_048_576.0;

pub(super) fn wall(runs: &Runs<'_>, name: &str) -> f64 {
    runs[name].0.wall.as_secs_f64()
}

pub(super) fn cpu(runs: &Runs<'_>, name: &str) -> f64 {
    runs[name].0.cpu.as_secs_f64()
}

pub(super) fn peak(runs: &Runs<'_>, name: &str) -> f64 {
    runs[name].1.peak as f64
}

pub(super) fn output(runs: &Runs<'_>, name: &str) -> f64 {
    runs[name].1.output as f64
}

pub(super) fn speed(runs: &Runs<'_>, name: &str) -> f64 {
    runs[name].1.input as f64 / wall(runs, name)
}

/// A number and what it should be.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    pub(crate) what: &'static str,
    /// In words, e.g. `at least 0.6 x`.
    pub(crate) wanted: String,
    pub(crate) unit: &'static str,
    /// Over the runs: each is compared with that of the same turn.
    pub(crate) measured: Spread,
    /// Whether the median is as wanted.
    pub(crate) met: bool,
}

impl Wanted {
    fn is_met(self, number: f64) -> bool {
        match self {
            Self::AtLeast(limit) => number >= limit,
            Self::AtMost(limit) => number <= limit,
            Self::Below(limit) => number < limit,
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::AtLeast(limit) => format!("at least {limit} {unit}"),
            Self::AtMost(limit) => format!("at most {limit} {unit}"),
            Self::Below(limit) => format!("below {limit} {unit}"),
        }
    }
}

/// What was measured, where, and what it says.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    /// Processors that this process may use.
    pub(crate) processors: usize,
    /// The load of the machine, as `/proc/loadavg` has it, before and after.
    pub(crate) load: [String; 2],
    /// How often each stage ran by turns with the others of its group.
    pub(crate) runs: usize,
    /// The stages, in the order they took turns.
    pub(crate) stages: Vec<Measured>,
    /// What they say.
    pub(crate) judged: Vec<Judged>,
}

/// Runs the groups one after the other, the stages of each by turns. `before` is the load before
/// anything was prepared.
pub(super) fn measure<'a>(
    groups: impl Iterator<Item = &'a Group>,
    directory: &Path,
    runs: usize,
    before: String,
    stop: &Stop,
    printer: &Printer,
) -> Result<Measurement, Failure> {
    let (mut stages, mut judged) = (Vec::new(), Vec::new());
    for group in groups {
        let runs = if group.once { 1 } else { runs };
        let samples = by_turns(group.stages, directory, runs, stop, printer)?;
        judged.extend(group.targets.iter().map(|target| judge(target, group.stages, &samples)));
        stages.extend(group.stages.iter().zip(&samples).map(|(stage, s)| summarize(stage, s)));
    }
    Ok(Measurement {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        load: [before, load()],
        runs,
        stages,
        judged,
    })
}

/// Whether a group is named, or none is.
pub(super) fn is_chosen(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|wanted| wanted == name)
}

fn judge(target: &Target, stages: &[Stage], samples: &[Vec<(Cost, Done)>]) -> Judged {
    let runs = samples.iter().map(Vec::len).min().unwrap_or(0);
    let numbers = (0..runs).map(|run| {
        let all = stages.iter().zip(samples).map(|(stage, samples)| (stage.name, &samples[run]));
        (target.number)(&all.collect())
    });
    let measured = Spread::of(numbers);
    Judged {
        what: target.what,
        wanted: target.wanted.words(target.unit),
        unit: target.unit,
        measured,
        met: target.wanted.is_met(measured.median),
    }
}

/// Runs the stages of groups once and looks whether every target gets a number.
#[cfg(test)]
pub(super) fn try_out(groups: &[Group], directory: &Path, run: impl Fn(&Stage) -> Done) {
    let scratch = directory.join("scratch");
    for group in groups {
        let mut samples = Vec::new();
        for stage in group.stages {
            std::fs::create_dir_all(&scratch).unwrap();
            let done = run(stage);
            let second = std::time::Duration::from_secs(1);
            samples.push(vec![(Cost { wall: second, cpu: second, peak: done.peak }, done)]);
            // A line for the shell leaves none.
            let _ = std::fs::remove_dir_all(&scratch);
        }
        for target in group.targets {
            let judged = judge(target, group.stages, &samples);
            assert!(judged.measured.median.is_finite(), "{}", target.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_as_they_are_said() {
        assert!(Wanted::AtLeast(1.0).is_met(1.0) && !Wanted::AtLeast(1.0).is_met(0.9));
        assert!(Wanted::AtMost(1.0).is_met(1.0) && !Wanted::AtMost(1.0).is_met(1.1));
        assert!(Wanted::Below(1.0).is_met(0.9) && !Wanted::Below(1.0).is_met(1.0));
        assert_eq!(Wanted::AtMost(128.0).words("MiB"), "at most 128 MiB");
    }
}
