//! `cargo xtask pkg signatures`: who signed packages.

use std::path::PathBuf;

use clap::Args;
use ips::Packages;
use serde::Serialize;
use signatures::{Check, TrustAnchors, Verdict};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Check the signatures of packages of a repository, a package archive or a depot.
///
/// A signature holds if it fits the manifest as it is and its certificate leads to a trusted one.
/// What pkg(7) has as signature-policy is here: by default all signatures that there are must hold
/// (verify), with --require there must be one for each package (require-signatures), with --name
/// certain names must be in its chain (require-names). Whether certificates were revoked, or have
/// expired since, is not asked. Nothing else that this program does asks for signatures: builds
/// trust the digests of the lock file. Exit status 1: a signature does not hold, or is missing.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg signatures --trust ca.pem packages.p5p
  cargo xtask pkg signatures --trust certs/CA --require repo 'system/*'
  cargo xtask pkg signatures --trust certs/CA --name 'Release engineering' repo")]
pub(super) struct Signatures {
    /// A PEM file with trusted certificates, or a directory of such files (repeatable)
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,

    /// Each package must have a signature that holds and is more than a digest
    #[arg(long)]
    require: bool,

    /// This name (CN) must be in the chain of certificates of each package (repeatable)
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,

    /// Print a list of objects
    #[arg(long)]
    json: bool,

    /// A repository, a package archive or the address of a depot
    place: PathBuf,

    /// Only these packages
    patterns: Vec<String>,
}

/// A package, and what its signatures are worth.
#[derive(Debug, Serialize)]
struct Checked {
    package: String,
    signatures: Vec<Check>,
    /// What is wrong with the package, in sentences.
    problems: Vec<String>,
}

impl Signatures {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.place, network)?;
        let Packages::Origin(origin) = &packages else {
            let problem = format!(
                "{} is an image, which has no certificates; give the repository or package archive \
                 it was installed from",
                self.place.display()
            );
            return Err(Failure::usage(problem));
        };
        let mut anchors = TrustAnchors::default();
        for path in &self.trust {
            anchors.extend(TrustAnchors::read(path).map_err(super::failure)?);
        }
        let selected = packages.select(&self.patterns).map_err(super::failure)?;
        packages.prefetch(&selected);
        let mut all = Vec::new();
        for fmri in selected {
            let signatures =
                signatures::check(&**origin, fmri, &anchors).map_err(super::failure)?;
            let problems = self.problems(&signatures);
            all.push(Checked { package: fmri.short(), signatures, problems });
        }
        let bad = all.iter().filter(|checked| !checked.problems.is_empty()).count();
        if self.json {
            printer.json(&all)?;
        } else {
            for Checked { package, signatures, problems } in &all {
                for problem in problems {
                    printer.result(format_args!("{package}: {problem}"));
                }
                for check in signatures {
                    if let Some(text) = good(check) {
                        printer.result(format_args!("{package}: {text}"));
                    }
                }
            }
            printer.say(format_args!(
                "{} packages, {} of them signed, {bad} with problems",
                all.len(),
                all.iter().filter(|checked| !checked.signatures.is_empty()).count()
            ));
        }
        Ok(if bad == 0 { ExitStatus::Success } else { ExitStatus::Findings })
    }

    /// What is wrong with a package that has these signatures.
    fn problems(&self, checks: &[Check]) -> Vec<String> {
        let mut problems: Vec<String> = checks
            .iter()
            .filter_map(|check| match &check.verdict {
                Verdict::Bad(why) => {
                    Some(format!("its {} signature does not hold: {why}", check.algorithm))
                }
                _ => None,
            })
            .collect();
        let valid: Vec<&Check> =
            checks.iter().filter(|check| check.verdict == Verdict::Valid).collect();
        if (self.require || !self.names.is_empty()) && valid.is_empty() {
            problems.push("nobody who is trusted signed it".to_owned());
        } else {
            let named = |name: &&String| !valid.iter().any(|check| check.names.contains(name));
            let missing = self.names.iter().filter(named);
            problems
                .extend(missing.map(|name| format!("{name} is not in the chain of its signer")));
        }
        problems
    }
}

fn good(check: &Check) -> Option<String> {
    match &check.verdict {
        Verdict::Valid => Some(format!(
            "signed by {} ({})",
            check.names.join(", vouched for by "),
            check.algorithm
        )),
        Verdict::Digest => {
            Some(format!("has its {} digest, which anybody can make", check.algorithm))
        }
        Verdict::Unknown(why) => Some(format!("has a signature that is not known here: {why}")),
        _ => None,
    }
}
