//! `cargo xtask bench zones`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jobs::Stop;

use super::Common;
use super::tables::{circumstances, numbers};
use crate::bench::zones::{self, ZonesReport};
use crate::bench::{self, Plan};
use crate::environment;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Measure building zone images, installing zones and unpacking layers.
///
/// The files are generated, the same bytes each time. Building is measured on all processors and on
/// one; installing, from a system of 27,500 files and 690 MB with a baseline of 3,000, against cp -a,
/// a loop of ln -s, and tar; unpacking a layer of 500 MB against tar xzf. Each number is told with
/// what it should be.
///
/// Installing can be compared with the published brand as well, by root and with its hook program in
/// `RELENG_PUBLISHED_BRAND`: built for this system and linked statically, as it runs with the
/// generated system as its root. Beside it a program is measured that does nothing but make the
/// links and copies.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench zones
  RELENG_PUBLISHED_BRAND=target/release/brand cargo xtask bench zones --only published
  cargo xtask bench zones --only build --megabytes 100 --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,

    /// Files of twelve zone images
    #[arg(long, value_name = "N", default_value_t = 6000, value_parser = clap::value_parser!(u64).range(12..1_000_000))]
    files: u64,

    /// Their bytes, in millions; system and layer are larger or smaller in proportion
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(zones::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about six times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 6)?;
        let runs = self.common.runs()?;
        let published = environment::published_brand();
        let report = zones::run(
            directory.path(),
            plan,
            runs,
            &self.only,
            published.as_deref(),
            stop,
            printer,
        )?;
        self.common.show(&report, table, printer)
    }
}

fn table(report: &ZonesReport, printer: &Printer) {
    printer.result(format_args!(
        "{} files, {}, in {} zone images",
        report.files,
        printer::bytes(report.bytes),
        zones::IMAGES
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}
