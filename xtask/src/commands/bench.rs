//! `cargo xtask bench`: how long the stages take, and how much memory.

mod packages;
mod pool;
mod tables;
mod tuf;
mod zones;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jobs::Stop;
use serde::Serialize;

use crate::bench::{self, Plan, Report, STAGES};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};
use crate::releng::stop_on_signals;

/// Measure the stages on a generated system, against the usual pipelines.
///
/// The system is the same bytes each time. Stages run by turns, each in a process of its own;
/// medians and extremes are told. docs/performance.md has what was seen.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "Examples:
  cargo xtask bench
  cargo xtask bench pool
  cargo xtask bench packages
  cargo xtask bench zones
  cargo xtask bench tuf
  cargo xtask bench --runs 3 --only pool --only baseline
  cargo xtask bench --json > measured.json")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    suite: Option<Suite>,

    #[command(flatten)]
    common: Common,

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
}

#[derive(Debug, Subcommand)]
enum Suite {
    Pool(pool::Arguments),
    Packages(packages::Arguments),
    Tuf(tuf::Arguments),
    Zones(zones::Arguments),
}

/// What every suite is asked.
#[derive(Debug, Args)]
struct Common {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn runs(&self) -> Result<usize, Failure> {
        Ok(usize::try_from(self.runs)?)
    }

    /// Prints a report, as a table unless JSON is asked for.
    fn show<R: Serialize>(
        &self,
        report: &R,
        table: impl FnOnce(&R, &Printer),
        printer: &Printer,
    ) -> Result<ExitStatus, Failure> {
        if self.json {
            printer.json(report)?;
        } else {
            table(report, printer);
        }
        Ok(ExitStatus::Success)
    }
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

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let stop = Stop::new();
        stop_on_signals(&stop)?;
        match self.suite {
            Some(Suite::Pool(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Packages(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Zones(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Tuf(arguments)) => return arguments.run(&stop, printer),
            None => {}
        }
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 8)?;
        let runs = self.common.runs()?;
        let report = bench::run(directory.path(), plan, runs, &self.only, &stop, printer)?;
        self.common.show(&report, table, printer)
    }
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
    tables::stages(&report.stages, printer);
}
