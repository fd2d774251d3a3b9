//! `cargo xtask test`: every test of the workspace, and what was skipped.

use std::collections::BTreeMap;
use std::fs;

use clap::Args;

use crate::environment;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Run every test of the workspace; say which verifiers were missing.
///
/// A test that asks for an independent program (zdb, GRUB's reader, python-tuf, ...) which is not
/// here is skipped and listed at the end, with the command that installs the program.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask test
  cargo xtask test --require-verifiers
  cargo xtask test -- --package proto mtree")]
pub(crate) struct Arguments {
    /// Fail where a verifier is missing
    #[arg(long)]
    require_verifiers: bool,

    /// Arguments for `cargo test`, instead of `--workspace`
    #[arg(last = true)]
    cargo: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let report = tempfile::NamedTempFile::new()
            .map_err(|error| format!("cannot create a temporary file: {error}"))?;
        // Release: the profile this program itself was built with, so that dependencies are
        // compiled once.
        let mut words = vec!["test".to_owned(), "--release".to_owned(), "--locked".to_owned()];
        if self.cargo.is_empty() {
            words.push("--workspace".to_owned());
        }
        words.extend(self.cargo);
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let require = if self.require_verifiers { "1" } else { "0" };
        let status = duct::cmd(&cargo, &words)
            .dir(environment::workspace())
            .env("RELENG_SKIP_REPORT", report.path())
            .env("RELENG_REQUIRE_VERIFIERS", require)
            .unchecked()
            .run()
            .map_err(|error| format!("cannot run {cargo}: {error}"))?
            .status;
        let skipped = fs::read_to_string(report.path()).unwrap_or_default();
        let mut by_program: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in skipped.lines() {
            if let Some((program, test)) = line.split_once('\t') {
                by_program.entry(program).or_default().push(test);
            }
        }
        for (program, tests) in &by_program {
            printer.warn(format_args!("SKIPPED for want of {program}: {}", tests.join(", ")));
        }
        if !by_program.is_empty() {
            printer.say(format_args!("{} installs what is missing", verifiers::INSTALL));
        }
        if status.success() {
            Ok(ExitStatus::Success)
        } else {
            printer.warn("tests failed");
            Ok(ExitStatus::Findings)
        }
    }
}
