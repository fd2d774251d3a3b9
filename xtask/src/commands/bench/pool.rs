//! `cargo xtask bench pool`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jobs::Stop;

use super::Common;
use super::tables::{circumstances, numbers};
use crate::bench::pool::{self, PoolReport};
use crate::bench::{self, DIRECTORIES, Plan};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Measure the pool writer and reader, against the same work without a pool.
///
/// The tree is of real program files, those of this machine. Writing is compared with `cp -a` and
/// `sha256sum`, compressing with the library alone and with zlib, verifying with the checksum
/// alone. Each number is told with what it should be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench pool
  cargo xtask bench pool --only off --only verify
  cargo xtask bench pool --files 3000 --megabytes 100 --from /usr/lib --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,

    /// Files of the tree
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// Their bytes, in millions; met within 5 in 100
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// A directory to take files from (repeatable; default: those of programs below /usr)
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(pool::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about five times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 5)?;
        let mut from = self.from;
        if from.is_empty() {
            from.extend(DIRECTORIES.map(PathBuf::from).into_iter().filter(|path| path.is_dir()));
        }
        let runs = self.common.runs()?;
        let report = pool::run(directory.path(), &from, plan, runs, &self.only, stop, printer)?;
        self.common.show(&report, table, printer)
    }
}

fn table(report: &PoolReport, printer: &Printer) {
    let tree = &report.tree;
    let from: Vec<_> = tree.from.iter().map(|path| path.display().to_string()).collect();
    let repeated = match tree.repeated {
        0 => String::new(),
        count => format!(", {count} of them repeated with their bytes rotated"),
    };
    printer.result(format_args!(
        "{} files, {}, of {}{repeated} (sha256 {})",
        tree.files,
        printer::bytes(tree.bytes),
        from.join(" "),
        &tree.sha256[..16]
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}
