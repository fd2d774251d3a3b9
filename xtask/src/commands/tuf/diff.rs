//! `cargo xtask tuf diff`: in what two repositories differ.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Compare two repositories: artifacts, and the files inside zone images.
///
/// Exit status 0: they hold the same; 1: they differ (or one is refused). Signatures, versions of
/// the metadata and times are not compared.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask tuf diff old/repo.zip new/repo.zip")]
pub(super) struct Diff {
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,

    /// The one repository
    old: PathBuf,

    /// The other
    new: PathBuf,
}

impl Diff {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let old = super::open(&self.old, None, printer)?;
        let new = super::open(&self.new, None, printer)?;
        let difference = tuf::diff(&old, &new).map_err(super::failure)?;
        if self.json {
            printer.json(&difference)?;
        } else if !difference.is_empty() {
            printer.result(&difference);
        }
        Ok(if difference.is_empty() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}
