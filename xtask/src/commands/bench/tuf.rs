//! `cargo xtask bench tuf`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jobs::Stop;

use super::Common;
use super::tables::{circumstances, numbers};
use crate::bench;
use crate::bench::tuf::{self, TufReport};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Measure building, verifying, editing and refreshing an update repository.
///
/// The artifacts are generated, the same bytes each time: two fifths are a ramdisk that is not
/// compressed, the rest are zones that are. Verifying is compared with hashing the same targets
/// alone, on as many processors; `sha256sum` is told beside it. Each number is told with what it
/// should be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench tuf
  cargo xtask bench tuf --only verify --only refresh
  cargo xtask bench tuf --megabytes 100 --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,

    /// The bytes of the artifacts, in millions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(3..3_000))]
    megabytes: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(tuf::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about five times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let bytes = self.megabytes * 1_000_000;
        let directory = bench::workplace(self.directory.as_deref(), bytes * 5)?;
        let runs = self.common.runs()?;
        let report = tuf::run(directory.path(), bytes, runs, &self.only, stop, printer)?;
        self.common.show(&report, table, printer)
    }
}

fn table(report: &TufReport, printer: &Printer) {
    printer.result(format_args!("artifacts of {}", printer::bytes(report.bytes)));
    circumstances(&report.measurement, printer);
    if !report.published_tool {
        printer.result(format_args!(
            "{} is not here: nothing says how long it would take\n",
            tuf::PUBLISHED
        ));
    }
    numbers(&report.measurement, printer);
}
