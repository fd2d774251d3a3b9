//! The hook program of the omicron1 brand.

mod printer;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use brand::arguments::{self, Action, Hook, Invocation, USAGE, Zone};
use rustix::fs::Mode;

use brand::{Error, Exit, Installation, Plan, install, log, uninstall, verify};

/// Says more on standard error: `1`, `true` or `yes`.
const DEBUG: &str = "DEBUG_OMICRON_BRAND";
/// Another path for the log.
const LOG: &str = "OMICRON_BRAND_LOG";

fn main() -> ExitCode {
    // what is made is nobody else's until it has its own mode, whatever the caller's umask
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let parsed = arguments::parse(words.clone());
    let system_root = parsed.as_ref().map_or(Path::new("/"), |invocation| &invocation.system_root);
    let log = std::env::var_os(LOG).map_or_else(|| system_root.join(log::PATH), PathBuf::from);
    log::record(&log, &words);
    if std::env::var(DEBUG).is_ok_and(|value| ["1", "true", "yes"].contains(&value.as_str())) {
        printer::debug(&format!("{parsed:?}"));
    }

    let exit = match parsed.and_then(run) {
        Ok(exit) => exit,
        Err(error) => {
            printer::error(&error);
            if error.exit() == Exit::Usage {
                printer::usage(USAGE);
            }
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}

fn run(invocation: Invocation) -> Result<Exit, Error> {
    let Invocation { system_root, json, action } = invocation;
    match action {
        Action::Help => printer::data(USAGE),
        Action::Plan => {
            let listing = Plan::make(&system_root)?.listing();
            match json {
                true => printer::json(&listing),
                false => printer::data(&listing.to_text()),
            }
        }
        Action::VerifyConfiguration(path) => {
            let findings = verify::verify_configuration(&path)?;
            for finding in &findings {
                printer::finding(&finding.what, &finding.fix);
            }
            if !findings.is_empty() {
                return Ok(Exit::Fatal);
            }
        }
        Action::Hook(zone, hook) => return run_hook(&system_root, json, &zone, hook),
    }
    Ok(Exit::Done)
}

fn run_hook(system_root: &Path, json: bool, zone: &Zone, hook: Hook) -> Result<Exit, Error> {
    match hook {
        Hook::Install { layers } => {
            let what = Installation {
                zone: &zone.name,
                zonepath: &zone.zonepath,
                layers: &layers,
                system_root,
            };
            let mut say: fn(&str) = if json { printer::progress } else { printer::info };
            match install(&what, &mut say) {
                Ok(report) if json => printer::json(&report),
                Ok(_) => {}
                Err(error) => {
                    printer::error(&error);
                    return Ok(error.exit_of_install());
                }
            }
        }
        Hook::Uninstall => uninstall(system_root, &zone.zonepath, &mut printer::info)?,
        Hook::VerifyAdministration { subcommand, arguments } => {
            verify::verify_administration(&zone.name, &zone.zonepath, &subcommand, &arguments)?;
        }
        // the brand keeps no state of its own, so there is nothing to answer or to follow up
        Hook::Query | Hook::StateChange { .. } | Hook::SystemBoot => {}
    }
    Ok(Exit::Done)
}
