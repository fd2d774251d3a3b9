//! `cargo xtask pkg resolve`: which packages deliver what others need.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ips::ActionKind;

use super::generate::report;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Replace `__TBD` in dependencies by packages, as `pkgdepend resolve` does.
///
/// Packages are looked for among the manifests that are given, then in the places. Dependencies
/// are written beside each manifest, with `.res` at the end of the name; nothing is written if
/// anything is unresolved (exit status 1).
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg resolve --place proto/root zones.dep brand.dep
  cargo xtask pkg resolve --place repo --place extra.p5p --whole --stdout zones.dep")]
pub(super) struct Resolve {
    /// An image, repository or package archive with packages (repeatable)
    #[arg(long = "place", value_name = "PLACE")]
    places: Vec<PathBuf>,

    /// The end of the names of the results
    #[arg(short, long, value_name = "SUFFIX", default_value = "res")]
    suffix: String,

    /// Write the results into this directory
    #[arg(short = 'd', long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print the results
    #[arg(short = 'o', long, conflicts_with_all = ["suffix", "directory"])]
    stdout: bool,

    /// Write the other actions of the manifest as well
    #[arg(short = 'm', long)]
    whole: bool,

    /// Manifests with dependencies, as `cargo xtask pkg generate` writes them
    #[arg(required = true)]
    manifests: Vec<PathBuf>,
}

impl Resolve {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let mut others = Vec::new();
        for place in &self.places {
            let packages = super::open(place, network)?;
            let all: Vec<ips::Fmri> = packages.fmris().into_iter().cloned().collect();
            for fmri in ips::newest(&all) {
                others.push((fmri.clone(), packages.manifest(&fmri).map_err(super::failure)?));
            }
        }
        let manifests: Vec<ips::Manifest> = self
            .manifests
            .iter()
            .map(|file| ips::Manifest::read(file).map_err(super::failure))
            .collect::<Result<_, _>>()?;
        let others: Vec<(ips::Fmri, Arc<ips::Manifest>)> = others;
        let resolved = depend::resolve(&manifests, &others)?;
        let findings: Vec<depend::Finding> =
            resolved.iter().flat_map(|resolved| resolved.findings.iter().cloned()).collect();
        let status = report(&findings, printer);
        if status != ExitStatus::Success {
            return Ok(status);
        }
        for (resolved, manifest) in resolved.iter().zip(&manifests) {
            let kept =
                manifest.actions().filter(|action| self.whole && action.kind != ActionKind::Depend);
            let text: String =
                kept.chain(&resolved.dependencies).map(|action| format!("{action}\n")).collect();
            if self.stdout {
                printer.result(text.trim_end_matches('\n'));
                continue;
            }
            let mut out = resolved.manifest.clone().into_os_string();
            out.push(format!(".{}", self.suffix));
            let mut out = PathBuf::from(out);
            if let (Some(directory), Some(name)) = (&self.directory, out.file_name()) {
                out = directory.join(name);
            }
            super::write(&out, &text)?;
            printer.result(out.display());
        }
        Ok(ExitStatus::Success)
    }
}
