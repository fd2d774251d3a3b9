//! The hook program of the omicron1 brand.

mod printer;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use brand::arguments::{self, Action, Hook, USAGE, Zone};
use brand::{Error, Exit, log, verify};

/// Says more on standard error: `1`, `true` or `yes`.
const DEBUG: &str = "DEBUG_OMICRON_BRAND";
/// Another path for the log.
const LOG: &str = "OMICRON_BRAND_LOG";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let parsed = arguments::parse(words.clone());
    let system_root = parsed.as_ref().map_or(Path::new("/"), |invocation| &invocation.system_root);
    let log = std::env::var_os(LOG).map_or_else(|| system_root.join(log::PATH), PathBuf::from);
    log::record(&log, &words);
    if std::env::var(DEBUG).is_ok_and(|value| ["1", "true", "yes"].contains(&value.as_str())) {
        printer::debug(&format!("{parsed:?}"));
    }

    let exit = match parsed.and_then(|invocation| run(&invocation.system_root, invocation.action)) {
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

fn run(_system_root: &Path, action: Action) -> Result<Exit, Error> {
    match action {
        Action::Help => printer::data(USAGE),
        Action::Plan => return Ok(Exit::Fatal),
        Action::VerifyConfiguration(path) => {
            let findings = verify::verify_configuration(&path)?;
            for finding in &findings {
                printer::finding(&finding.what, &finding.fix);
            }
            if !findings.is_empty() {
                return Ok(Exit::Fatal);
            }
        }
        Action::Hook(zone, hook) => return run_hook(&zone, hook),
    }
    Ok(Exit::Done)
}

fn run_hook(zone: &Zone, hook: Hook) -> Result<Exit, Error> {
    match hook {
        Hook::Install { .. } => {
            printer::info("installation follows in the next change");
            return Ok(Exit::NotComplete);
        }
        Hook::Uninstall => return Ok(Exit::Fatal),
        Hook::VerifyAdministration { subcommand, arguments } => {
            verify::verify_administration(&zone.name, &zone.zonepath, &subcommand, &arguments)?;
        }
        // the brand keeps no state of its own, so there is nothing to answer or to follow up
        Hook::Query | Hook::StateChange { .. } | Hook::SystemBoot => {}
    }
    Ok(Exit::Done)
}
