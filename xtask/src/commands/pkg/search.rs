//! `cargo xtask pkg search`: who delivers a thing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Say which packages of an image, a repository, a package archive or a depot deliver a thing.
///
/// A shell pattern is compared with paths and their last components, payload hashes, targets of
/// links, names of packages and words of their descriptions, dependencies, drivers and their
/// aliases, users and groups. Exit status 1: nothing was found.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg search packages.p5p zoneadm
  cargo xtask pkg search repo '/usr/lib/libc*' 'pci8086,*'
  cargo xtask pkg search --packages proto/root '*.so.1'")]
pub(super) struct Search {
    /// Print the names of the packages and nothing else
    #[arg(short, long)]
    packages: bool,

    /// Leave the line of headings out
    #[arg(short = 'H', long)]
    no_headings: bool,

    /// Print a list of objects
    #[arg(long, conflicts_with = "packages")]
    json: bool,

    /// An image, a repository, a package archive or the address of a depot
    place: PathBuf,

    /// What to look for
    #[arg(required = true)]
    patterns: Vec<String>,
}

impl Search {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.place, network)?;
        let hits = packages::search(&packages, &self.patterns).map_err(super::failure)?;
        if self.json {
            printer.json(&hits)?;
        } else if self.packages {
            for name in hits.iter().map(|hit| &hit.package).collect::<BTreeSet<_>>() {
                printer.result(name);
            }
        } else if !hits.is_empty() {
            let value = hits.iter().map(|hit| hit.value.chars().count()).max().unwrap_or(0).min(60);
            let row = |index: &str, action: &str, text: &str, package: &str| {
                printer.result(format_args!("{index:<12} {action:<9} {text:<value$} {package}"));
            };
            if !self.no_headings {
                row("INDEX", "ACTION", "VALUE", "PACKAGE");
            }
            for hit in &hits {
                row(&hit.index, &hit.action, &hit.value, &hit.package);
            }
        }
        Ok(if hits.is_empty() { ExitStatus::Findings } else { ExitStatus::Success })
    }
}
