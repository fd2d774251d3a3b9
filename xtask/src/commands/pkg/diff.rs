//! `cargo xtask pkg diff`: in what two sets of packages differ.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Compare the packages of two places, each an image, a repository, a
/// package archive or the address of a depot.
///
/// Packages that came, went and changed are listed, and of the latter every action that did. Of
/// several versions of a package the newest counts. Exit status 0: no difference; 1: some.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg diff old-repo new-repo
  cargo xtask pkg diff packages.p5p proto/root 'system/*' --json")]
pub(super) struct Diff {
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,

    /// The one place
    old: PathBuf,

    /// The other
    new: PathBuf,

    /// Only these packages
    patterns: Vec<String>,
}

impl Diff {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let (old, new) = (super::open(&self.old, network)?, super::open(&self.new, network)?);
        let difference = packages::diff(&old, &new, &self.patterns).map_err(super::failure)?;
        if self.json {
            printer.json(&difference)?;
        } else if !difference.is_empty() {
            printer.result(difference.to_string().trim_end_matches('\n'));
        }
        Ok(if difference.is_empty() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}
