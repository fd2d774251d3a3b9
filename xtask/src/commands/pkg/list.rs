//! `cargo xtask pkg list`: which packages there are.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// List the packages of an image, a repository, a package archive or a depot.
///
/// The columns are those of `pkg list` for an image and of `pkgrepo list` for anything else.
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_long_help = "Examples:
  cargo xtask pkg list packages.p5p
  cargo xtask pkg list proto/root 'system/*'
  cargo xtask pkg list repo /system/zones@latest --json
  cargo xtask pkg list https://packages.example.com/ kernel"
)]
pub(super) struct List {
    /// Print whole package names
    #[arg(short, long)]
    verbose: bool,

    /// Leave the line of headings out
    #[arg(short = 'H', long)]
    no_headings: bool,

    /// Print a list of objects
    #[arg(long)]
    json: bool,

    /// An image, a repository, a package archive or the address of a depot
    place: PathBuf,

    /// Only these packages
    patterns: Vec<String>,
}

impl List {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.place, network)?;
        let listing = packages::list(&packages, &self.patterns).map_err(super::failure)?;
        if self.json {
            printer.json(&listing)?;
        } else {
            let table = listing.table(self.verbose, !self.no_headings);
            printer.result(table.trim_end_matches('\n'));
        }
        Ok(ExitStatus::Success)
    }
}
