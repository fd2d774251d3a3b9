//! `cargo xtask pkg generate`: what the files of a manifest need.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use depend::{GenerateOptions, Severity};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Find what the files of a manifest need, as `pkgdepend generate` does.
///
/// ELF files need libraries, scripts their interpreters, service manifests those of the services
/// they depend on, hard links their targets. The result is for `cargo xtask pkg resolve`. Exit
/// status 1: something that was found is wrong; the rest is printed all the same.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask pkg generate --content proto -D PLATFORM=i86pc --whole zones.p5m > zones.dep")]
pub(super) struct Generate {
    /// A directory with the files of the manifest (repeatable; the first that has a file wins)
    #[arg(short = 'd', long = "content", value_name = "DIR", required = true)]
    content: Vec<PathBuf>,

    /// A root with service manifests that those of the package may need (repeatable)
    #[arg(long = "system", value_name = "ROOT")]
    systems: Vec<PathBuf>,

    /// Give a token in run paths its value (repeatable, also for one token)
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = super::name_and_value)]
    define: Vec<(String, String)>,

    /// Look for libraries there instead of in the run path of each file (repeatable)
    #[arg(short = 'k', long = "run-path", value_name = "DIR")]
    run_path: Vec<String>,

    /// Keep what the package itself delivers
    #[arg(long)]
    keep_internal: bool,

    /// Print the actions of the manifest as well
    #[arg(short = 'm', long)]
    whole: bool,

    /// The manifest
    manifest: PathBuf,
}

impl Generate {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let manifest = ips::Manifest::read(&self.manifest).map_err(super::failure)?;
        let mut tokens: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in self.define {
            tokens.entry(name.trim_start_matches('$').to_owned()).or_default().push(value);
        }
        if tokens.contains_key("ORIGIN") {
            return Err(Failure::usage("$ORIGIN follows from where each file is installed"));
        }
        let options = GenerateOptions {
            content: self.content,
            systems: self.systems,
            tokens,
            run_path: self.run_path,
            keep_internal: self.keep_internal,
        };
        let found = depend::generate(&manifest, &options)?;
        if self.whole {
            for line in &manifest.lines {
                printer.result(&line.action);
            }
        }
        for action in found.dependencies.iter().chain(&found.sets) {
            printer.result(action);
        }
        Ok(report(&found.findings, printer))
    }
}

/// Says what was found wrong.
pub(super) fn report(findings: &[depend::Finding], printer: &Printer) -> ExitStatus {
    for finding in findings {
        printer.warn(finding);
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        ExitStatus::Findings
    } else {
        ExitStatus::Success
    }
}
