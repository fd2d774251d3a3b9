//! `cargo xtask bench`: how long the stages take, and how much memory.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::bench::{self, Plan, Report, STAGES, Spread};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Measure the stages on a generated system, against the usual pipelines.
///
/// The system is the same bytes each time. Stages run by turns, each in a process of its own;
/// medians and extremes are told. docs/performance.md has what was seen.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench
  cargo xtask bench --runs 3 --only pool --only baseline
  cargo xtask bench --json > measured.json")]
pub(crate) struct Arguments {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Files of the generated system
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// Their bytes, in millions
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// A stage to measure, with the pipeline it is compared with (repeatable; default: all)
    #[arg(long, value_name = "STAGE", value_parser = PossibleValuesParser::new(STAGES.map(|s| s.name)))]
    only: Vec<String>,

    /// Where to work; takes about eight times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one stage; `bench` calls it.
#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    stage: String,
    directory: PathBuf,
    #[arg(long, default_value_t = 0)]
    files: u64,
    #[arg(long, default_value_t = 0)]
    bytes: u64,
}

impl StageArguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if self.stage == bench::PREPARE {
            bench::prepare(&self.directory, Plan { files: self.files, bytes: self.bytes })?;
        } else {
            bench::run_stage(&self.stage, &self.directory, printer)?;
        }
        Ok(ExitStatus::Success)
    }
}

/// A file system in memory, where the disk is not what is measured.
const MEMORY: &str = "/dev/shm";

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let parent = match &self.directory {
            Some(directory) => directory.clone(),
            None if has_room(Path::new(MEMORY), plan.bytes * 8) => MEMORY.into(),
            None => std::env::temp_dir(),
        };
        let directory = tempfile::Builder::new()
            .prefix("releng-bench-")
            .tempdir_in(&parent)
            .map_err(|error| format!("cannot work in {}: {error}", parent.display()))?;
        let runs = usize::try_from(self.runs)?;
        let report = bench::run(directory.path(), plan, runs, &self.only, printer)?;
        if self.json {
            printer.json(&report)?;
        } else {
            table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

fn has_room(directory: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) > bytes)
}

fn table(report: &Report, printer: &Printer) {
    printer.result(format_args!(
        "{} files, {}; {} runs by turns; {} processors; load {} before, {} after\n",
        report.files,
        printer::bytes(report.bytes),
        report.runs,
        report.processors,
        report.load[0],
        report.load[1]
    ));
    printer.result(
        "| stage | wall, s (min - max) | processors, s | MB/s | peak, MiB (max) | output, MB | against |",
    );
    printer.result("|---|---|---|---|---|---|---|");
    for stage in &report.stages {
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
    for stage in &report.stages {
        if let Some(command) = stage.command {
            printer.result(format_args!("{}: {command}", stage.name));
        }
    }
}
