//! `cargo xtask bench packages`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jobs::Stop;

use super::Common;
use super::tables::{circumstances, numbers};
use crate::bench::packages::{self, PackagesReport, RepositoryPlan};
use crate::bench::{self, Plan};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Measure resolving, installing and sealing packages, and checking templates against them.
///
/// The repository is generated, the same bytes each time: packages of the kinds an operating system
/// has, one of them requiring all others, and older versions that the catalogue lists. Installing is
/// compared with inflating and writing the same payloads. Each number is told with what it should
/// be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench packages
  cargo xtask bench packages --only catalogue --only plan
  cargo xtask bench packages --packages 60 --files 3000 --megabytes 100 --versions 3000 --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,

    /// Packages that are installed
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(50..10_000))]
    packages: u64,

    /// Their files
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// The bytes of the files, in millions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// Versions in the catalogue
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    versions: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(packages::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about four times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = RepositoryPlan {
            packages: self.packages,
            files: Plan { files: self.files, bytes: self.megabytes * 1_000_000 },
            versions: self.versions,
        };
        let directory = bench::workplace(self.directory.as_deref(), plan.files.bytes * 4)?;
        let runs = self.common.runs()?;
        let report = packages::run(directory.path(), plan, runs, &self.only, stop, printer)?;
        self.common.show(&report, table, printer)
    }
}

fn table(report: &PackagesReport, printer: &Printer) {
    printer.result(format_args!(
        "{} packages, {} versions, {} files, {}",
        report.packages,
        report.versions,
        report.files,
        printer::bytes(report.bytes)
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}
