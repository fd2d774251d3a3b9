//! `cargo xtask tuf list`: what is in a repository.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// List a repository: every target with its length, version and tags.
///
/// The container and the signed metadata are checked; the contents of targets are not read.
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_long_help = "Examples:
  cargo xtask tuf list repo.zip
  cargo xtask tuf list --json repo.zip | jq -r '.targets[].name'"
)]
pub(super) struct List {
    /// The trusted root; without one the repository's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,

    /// The repository: a zip, or a directory with the same files
    repository: PathBuf,
}

impl List {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let listing = super::open(&self.repository, self.trust_root.as_deref(), printer)?.listing();
        if self.json {
            printer.json(&listing)?;
            return Ok(ExitStatus::Success);
        }
        let name = listing.targets.iter().map(|target| target.name.len()).max().unwrap_or(0);
        for target in &listing.targets {
            let tags = target.tags.iter().flatten().map(|(key, value)| format!("{key}={value}"));
            let tags = tags.collect::<Vec<_>>().join(",");
            let version = target.version.as_deref().unwrap_or("-");
            let line = format!("{:name$}  {:>10}  {version}  {tags}", target.name, target.length);
            printer.result(line.trim_end());
        }
        printer.say(format_args!(
            "{} targets, system version {}, expires {}",
            listing.targets.len(),
            listing.system_version.as_deref().unwrap_or("unknown (format v1)"),
            listing.expires
        ));
        Ok(ExitStatus::Success)
    }
}
