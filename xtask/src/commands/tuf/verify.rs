//! `cargo xtask tuf verify`: everything that is wrong with a repository.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use tuf::{Outcome, VerifyOptions};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Check a repository: container, signatures, expiry, every target, what artifacts say.
///
/// Exit status 0: good; 1: refused, with every problem; 4: good but expired.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf verify repo.zip
  cargo xtask tuf verify --trust-root root.json --at 2026-12-01T00:00:00Z repo.zip")]
pub(super) struct Verify {
    /// The trusted root; without one the repository's own is taken, which proves only that nothing is
    /// damaged, not who made it
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// The time to judge expiry by (default: now)
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,

    /// Accept a part of a repository: no OS images or installinator document needed
    #[arg(long)]
    partial: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// The repository: a zip, or a directory with the same files
    repository: PathBuf,
}

impl Verify {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let at = self.at.unwrap_or_else(Timestamp::now);
        super::check_there(self.trust_root.iter().chain([&self.repository]))?;
        let options = VerifyOptions {
            trust_root: self.trust_root,
            complete: !self.partial,
            ..VerifyOptions::at(at)
        };
        let report = tuf::verify(&self.repository, &options)?;
        if self.json {
            printer.json(&report)?;
        } else {
            printer.result(&report);
            if options.trust_root.is_none() {
                printer.warn("the repository's own root was taken on trust; see --trust-root");
            }
        }
        Ok(match report.outcome() {
            Outcome::Ok => ExitStatus::Success,
            Outcome::Expired => ExitStatus::Expired,
            Outcome::Refused => ExitStatus::Findings,
        })
    }
}
