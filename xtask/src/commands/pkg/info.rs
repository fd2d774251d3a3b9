//! `cargo xtask pkg info`: what packages are.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Describe packages of an image, a repository, a package archive or a depot.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg info packages.p5p zones
  cargo xtask pkg info --json proto/root | jq '.[].size'")]
pub(super) struct Info {
    /// Print a list of objects
    #[arg(long)]
    json: bool,

    /// An image, a repository, a package archive or the address of a depot
    place: PathBuf,

    /// Only these packages
    patterns: Vec<String>,
}

impl Info {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.place, network)?;
        let found = packages::info(&packages, &self.patterns).map_err(super::failure)?;
        if self.json {
            printer.json(&found)?;
        } else {
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            printer.result(texts.join("\n").trim_end_matches('\n'));
        }
        Ok(ExitStatus::Success)
    }
}
