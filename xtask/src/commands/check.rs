//! `cargo xtask check`: templates, overlays and lists against the packages, before anything is
//! installed.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::releng::{self, PathFinding, Request};

/// Say which paths templates, trim lists, overlays and boot archive lists name that no package
/// delivers, before anything is installed.
///
/// Packages are resolved and laid out as `cargo xtask releng` would, but no payload is fetched. Each
/// path is told with file and line, who delivered it before, and the path that is most like it. A
/// step that may find nothing says `"optional": true`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask check --config releng.toml
  git show HEAD~1:helios.lock > before.lock; cargo xtask check --config releng.toml --since before.lock
  cargo xtask check --config releng.toml --json

Exit status 0: every path is there; 1: some are not.")]
pub(crate) struct Arguments {
    /// The configuration of the build (default: the embedded sample)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A lock with which all was well: who delivered a path is looked up there (default: in all
    /// versions that the origins have)
    #[arg(long, value_name = "LOCK")]
    since: Option<PathBuf>,

    /// Fetch nothing: what depots have must be in the store
    #[arg(long)]
    offline: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let request = Request { config: self.config, offline: self.offline, ..Request::default() };
        let checked = releng::check(request, self.since.as_deref())?;
        if self.json {
            printer.json(&checked)?;
        } else {
            for finding in &checked.findings {
                printer.result(line(finding));
            }
            printer.say(format_args!(
                "{} steps over {} packages: {} findings",
                checked.steps,
                checked.packages,
                checked.findings.len()
            ));
        }
        Ok(match checked.findings.is_empty() {
            true => ExitStatus::Success,
            false => ExitStatus::Findings,
        })
    }
}

fn line(finding: &PathFinding) -> String {
    let mut text = finding.file.display().to_string();
    if finding.line > 0 {
        text.push_str(&format!(":{}", finding.line));
    }
    text.push_str(&format!(": {} image: {}", finding.image, finding.message));
    if let Some(step) = &finding.removed_by {
        text.push_str(&format!("; it was removed by {step}"));
    }
    if let Some(carrier) = &finding.carrier {
        text.push_str(&format!("; {carrier}"));
    }
    if let Some(nearest) = &finding.nearest {
        text.push_str(&format!("; the nearest path is /{nearest}"));
    }
    text
}
