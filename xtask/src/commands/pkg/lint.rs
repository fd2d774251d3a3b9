//! `cargo xtask pkg lint`: mistakes in packages.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lint::{Options, RULES};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Find mistakes in packages.
///
/// Manifests are linted, and whole images, repositories and package archives. `pkg.linted.ID=true`
/// on an action (or in a `set` action, for the package) says that something is meant; ID is a rule
/// here or the one of pkglint(1). Exit status 1: something was found.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg lint zones.p5m brand.p5m --reference repo
  cargo xtask pkg lint packages.p5p --without dangling-link --json
  cargo xtask pkg lint --rules")]
pub(super) struct Lint {
    /// An image, repository or package archive with the packages that others refer to
    /// (repeatable)
    #[arg(long, value_name = "PLACE")]
    reference: Vec<PathBuf>,

    /// Only these rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,

    /// Not these rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    without: Vec<String>,

    /// Print the rules there are
    #[arg(long, exclusive = true)]
    rules: bool,

    /// Print a list of objects
    #[arg(long)]
    json: bool,

    /// Manifests, images, repositories and package archives
    #[arg(required_unless_present = "rules")]
    packages: Vec<PathBuf>,
}

impl Lint {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        if self.rules {
            for rule in RULES {
                let also = rule.pkglint.join(" ");
                let line = format!(
                    "{:22} {:8} {} {also}",
                    rule.id,
                    rule.severity.to_string(),
                    rule.summary
                );
                printer.result(line.trim_end());
            }
            return Ok(ExitStatus::Success);
        }
        let (mut linted, mut others) = (Vec::new(), Vec::new());
        for path in &self.packages {
            linted.extend(manifests(path, network)?);
        }
        for path in &self.reference {
            others.extend(manifests(path, network)?);
        }
        let options = Options { only: self.only, without: self.without };
        let findings = lint::lint(&linted, &others, &options).map_err(Failure::usage)?;
        if self.json {
            printer.json(&findings)?;
        } else {
            for finding in &findings {
                printer.result(finding);
            }
            printer.say(format_args!("{} packages, {} findings", linted.len(), findings.len()));
        }
        Ok(if findings.is_empty() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}

/// A manifest, or those of the newest packages of a place.
fn manifests(path: &PathBuf, network: &Network) -> Result<Vec<Arc<ips::Manifest>>, Failure> {
    let is_archive = path.extension().is_some_and(|extension| extension == "p5p");
    if path.is_file() && !is_archive {
        return Ok(vec![Arc::new(ips::Manifest::read(path).map_err(super::failure)?)]);
    }
    let packages = super::open(path, network)?;
    let all: Vec<ips::Fmri> = packages.fmris().into_iter().cloned().collect();
    ips::newest(&all).iter().map(|fmri| packages.manifest(fmri).map_err(super::failure)).collect()
}
