//! `cargo xtask doctor`: what is here, what is not, and what to do about it.

use clap::Args;
use serde::Serialize;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::illumos::{C_COMPILER, Illumos};
use crate::printer::Printer;

/// Say which tools and verifiers are here, with the fix for each that is not.
///
/// Changes nothing. Building needs only cargo, git and a C compiler; the rest judges the results.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    needed_for: String,
    found: Option<String>,
    required: bool,
    fix: String,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let findings = examine();
        if self.json {
            printer.json(&findings)?;
        } else {
            for finding in &findings {
                let state = match (&finding.found, finding.required) {
                    (Some(place), _) => format!("ok       {place}"),
                    (None, true) => format!("MISSING  {}", finding.fix),
                    (None, false) => format!("not here {}", finding.fix),
                };
                printer.result(format_args!(
                    "{:<24} {:<44} {state}",
                    finding.name, finding.needed_for
                ));
            }
        }
        let broken = findings.iter().any(|finding| finding.required && finding.found.is_none());
        Ok(if broken { ExitStatus::Findings } else { ExitStatus::Success })
    }
}

fn examine() -> Vec<Finding> {
    let mut findings = vec![
        program("cargo", "building everything", true, "install Rust with rustup"),
        program("git", "the commit in the system version", true, "install git"),
        compiler(),
        program(
            "helios-build",
            "building images on a Helios machine instead",
            false,
            "only on Helios; everything but real ROMs is built without it",
        ),
    ];
    findings.splice(3..3, illumos());
    findings.extend(verifiers::VERIFIERS.iter().map(|verifier| Finding {
        name: verifier.name.to_owned(),
        needed_for: format!("judging {}", verifier.judges),
        found: verifiers::find(verifier.name).map(|path| path.display().to_string()),
        required: false,
        fix: format!("{} ({})", verifiers::INSTALL, verifier.package),
    }));
    findings
}

fn program(name: &str, needed_for: &str, required: bool, fix: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        needed_for: needed_for.to_owned(),
        found: verifiers::find(name).map(|path| path.display().to_string()),
        required,
        fix: fix.to_owned(),
    }
}

fn compiler() -> Finding {
    let found = ["cc", "gcc", "clang"].iter().find_map(|name| verifiers::find(name));
    Finding {
        name: "C compiler".to_owned(),
        needed_for: "building the cryptography library".to_owned(),
        found: found.map(|path| path.display().to_string()),
        required: true,
        fix: "install gcc or clang".to_owned(),
    }
}

fn illumos() -> [Finding; 3] {
    let target = brand::packaging::ILLUMOS;
    let illumos = Illumos::look();
    let links = illumos.links.then(|| "a program links".to_owned());
    let compiles_c = illumos.compiles_c.then(|| "C compiles".to_owned());
    let or = "without it the hook is built for this host, and every summary says so";
    [
        Finding {
            name: target.to_owned(),
            needed_for: "a brand hook that runs on illumos".to_owned(),
            found: illumos.library.map(|path| path.display().to_string()),
            required: false,
            fix: format!("rustup target add {target}; {or}"),
        },
        Finding {
            name: "illumos sysroot".to_owned(),
            needed_for: "the same: its linker and libraries".to_owned(),
            found: links,
            required: false,
            fix: format!(
                "unpack a sysroot of illumos (lib, usr/lib) and name a linker that uses it in \
                 CARGO_TARGET_X86_64_UNKNOWN_ILLUMOS_LINKER, such as a script named illumos-clang \
                 with `exec clang --target=x86_64-pc-solaris2.11 --sysroot=DIR -fuse-ld=lld \"$@\"`; {or}"
            ),
        },
        Finding {
            name: "illumos C compiler".to_owned(),
            needed_for: "a baseline generator that runs on illumos".to_owned(),
            found: compiles_c,
            required: false,
            fix: format!(
                "with a sysroot that has usr/include, name a compiler that uses it in \
                 {C_COMPILER}, such as `clang --target=x86_64-pc-solaris2.11 --sysroot=DIR`; \
                 without it that program alone is built for this host, and its package says so"
            ),
        },
    ]
}
