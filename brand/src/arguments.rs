//! The command line: `brand [-z NAME] [-R ZONEPATH] [--system-root DIR] [--json] SUBCOMMAND ...`.
//!
//! Parsed by hand because the zones framework has its own habits: options stop at the first free
//! word, what follows the subcommand is whatever zoneadm was given, and an empty last argument
//! never arrives because a shell has split the line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::Error;
use crate::operands::{Layer, Operands};
use crate::state::{Command, State};

/// What `brand --help` prints.
pub const USAGE: &str = "\
usage: brand [-z NAME] [-R ZONEPATH] [--system-root DIR] [--json] SUBCOMMAND

hooks, called by the zones framework:
  install [--json] [--sha256 DIGEST ...] [LAYER ...]
                                   make the zone root
  uninstall [-F]                   remove the zone root
  verify_cfg FILE                  check a zone configuration
  verify_adm SUBCOMMAND [ARG ...]  check before zoneadm does SUBCOMMAND
  query WHAT                       answer zoneadmd's question
  prestatechange STATE COMMAND [ALTROOT]
  poststatechange STATE COMMAND [ALTROOT]
  sysboot                          at system boot, for a zone that is not booted

for people:
  plan                             print the rules of replication, and what install
                                   would link, copy and make by which of them

With --sha256, given once for each layer and in their order, a layer must have
that digest. zoneadm takes -j and -d for --json and --sha256 too.

-z and -R are needed by every hook but verify_cfg. --system-root names the tree
that plays / (default: / itself). With --json, install prints what each phase
did and how long it took, and plan prints the plan, as one JSON object on
standard output; lines of progress go to standard error.
";

/// One call of the hook program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The tree that plays `/`.
    pub system_root: PathBuf,
    /// Whether results are printed as JSON.
    pub json: bool,
    /// What to do.
    pub action: Action,
}

/// The zone that a hook is called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its zonepath; the zone root is the directory `root` in it.
    pub zonepath: PathBuf,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Print [`USAGE`].
    Help,
    /// Print the plan of replication.
    Plan,
    /// Check the zone configuration in this file.
    VerifyConfiguration(PathBuf),
    /// Run a hook for a zone.
    Hook(Zone, Hook),
}

/// A hook that is called for a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hook {
    /// Make the zone root out of the global zone, the baseline and these layers.
    Install {
        /// Layers, in the order of unpacking.
        layers: Vec<Layer>,
    },
    /// Remove the zone root. zoneadm has asked for confirmation, or had `-F`.
    Uninstall,
    /// Check before zoneadm runs this subcommand with these arguments.
    VerifyAdministration {
        /// The subcommand of zoneadm.
        subcommand: String,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// Answer a question of zoneadmd. None is known, and an unknown one has an empty answer.
    Query,
    /// A change of state begins or is done.
    StateChange {
        /// The state when the request came.
        state: State,
        /// The change.
        command: Command,
    },
    /// The system boots and this zone does not.
    SystemBoot,
}

fn usage(message: impl Into<String>) -> Error {
    Error::Usage { message: message.into() }
}

fn text(what: &str, argument: &OsStr) -> Result<String, Error> {
    match argument.to_str() {
        Some(text) => Ok(text.into()),
        None => Err(usage(format!("{what} {argument:?} is not UTF-8"))),
    }
}

fn no_more(subcommand: &str, mut rest: impl Iterator<Item = OsString>) -> Result<(), Error> {
    match rest.next() {
        Some(extra) => Err(usage(format!("{subcommand} does not take {extra:?}"))),
        None => Ok(()),
    }
}

/// Reads a command line, without the program's own name.
///
/// # Errors
///
/// [`Error::Usage`] with what is wrong. Names are for the hooks to judge.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, Error> {
    let mut rest = arguments.into_iter();
    let mut name = None;
    let mut zonepath = None;
    let mut system_root = PathBuf::from("/");
    let mut json = false;

    let subcommand = loop {
        let Some(word) = rest.next() else {
            return Err(usage("a subcommand is missing"));
        };
        let mut value = |option: &str| match rest.next() {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(usage(format!("{option} needs a value"))),
        };
        match word.to_str() {
            Some("-z") => name = Some(text("zone name", &value("-z")?)?),
            Some("-R") => zonepath = Some(PathBuf::from(value("-R")?)),
            Some("--system-root") => system_root = PathBuf::from(value("--system-root")?),
            Some("--json") => json = true,
            Some("-h" | "--help" | "-?") => {
                return Ok(Invocation { system_root, json, action: Action::Help });
            }
            Some(option) if option.starts_with('-') => {
                return Err(usage(format!("unknown option {option}")));
            }
            Some(word) => break word.to_owned(),
            None => return Err(usage(format!("unknown subcommand {word:?}"))),
        }
    };

    let zone = |subcommand: &str| match (name, zonepath) {
        (Some(name), Some(zonepath)) => Ok(Zone { name, zonepath }),
        (None, _) => Err(usage(format!("{subcommand} needs -z NAME"))),
        (_, None) => Err(usage(format!("{subcommand} needs -R ZONEPATH"))),
    };
    let action = match subcommand.as_str() {
        "help" => Action::Help,
        "plan" => {
            no_more("plan", rest)?;
            Action::Plan
        }
        "verify_cfg" => {
            let Some(file) = rest.next() else {
                return Err(usage("verify_cfg needs the path of a zone configuration"));
            };
            no_more("verify_cfg", rest)?;
            Action::VerifyConfiguration(file.into())
        }
        "install" => {
            let Operands { json: asked, layers } = Operands::parse(rest)?;
            json |= asked;
            Action::Hook(zone("install")?, Hook::Install { layers })
        }
        "uninstall" => Action::Hook(zone("uninstall")?, uninstall(rest)?),
        "verify_adm" => {
            let Some(verified) = rest.next() else {
                return Err(usage("verify_adm needs a subcommand of zoneadm"));
            };
            let hook = Hook::VerifyAdministration {
                subcommand: text("subcommand", &verified)?,
                arguments: rest.collect(),
            };
            Action::Hook(zone("verify_adm")?, hook)
        }
        "query" => {
            if rest.next().is_none() {
                return Err(usage("query needs one word"));
            }
            no_more("query", rest)?;
            Action::Hook(zone("query")?, Hook::Query)
        }
        "prestatechange" | "poststatechange" => {
            let hook = state_change(&subcommand, rest)?;
            Action::Hook(zone(&subcommand)?, hook)
        }
        "sysboot" => {
            no_more("sysboot", rest)?;
            Action::Hook(zone("sysboot")?, Hook::SystemBoot)
        }
        unknown => return Err(usage(format!("unknown subcommand {unknown:?}"))),
    };
    if json && !matches!(action, Action::Plan | Action::Hook(_, Hook::Install { .. })) {
        return Err(usage(format!("{subcommand} does not know the option --json")));
    }
    Ok(Invocation { system_root, json, action })
}

fn uninstall(rest: impl Iterator<Item = OsString>) -> Result<Hook, Error> {
    for word in rest {
        if word != "-F" {
            return Err(usage(format!("uninstall does not take {word:?}")));
        }
    }
    Ok(Hook::Uninstall)
}

fn state_change(subcommand: &str, mut rest: impl Iterator<Item = OsString>) -> Result<Hook, Error> {
    let (Some(state), Some(command)) = (rest.next(), rest.next()) else {
        return Err(usage(format!("{subcommand} needs a state and a command")));
    };
    let _alternate_root = rest.next();
    no_more(subcommand, rest)?;
    let state =
        text("state", &state)?.parse().map_err(|e: crate::state::Unknown| usage(e.to_string()))?;
    let command = text("command", &command)?
        .parse()
        .map_err(|e: crate::state::Unknown| usage(e.to_string()))?;
    Ok(Hook::StateChange { state, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Invocation, Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn layer(path: &str) -> Layer {
        Layer { path: path.into(), sha256: None }
    }

    fn zone() -> Zone {
        Zone { name: "ntp".into(), zonepath: "/zone/ntp".into() }
    }

    #[test]
    fn lines_of_the_zones_framework() {
        let hook = |line: &str| match run(&format!("-z ntp -R /zone/ntp {line}")) {
            Ok(Invocation { action: Action::Hook(found, hook), .. }) => {
                assert_eq!(found, zone());
                hook
            }
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(
            hook("install /opt/a.tar.gz /opt/b.tar.gz"),
            Hook::Install { layers: ["/opt/a.tar.gz", "/opt/b.tar.gz"].map(layer).to_vec() }
        );
        assert_eq!(hook("install"), Hook::Install { layers: vec![] });
        assert_eq!(hook("uninstall -F"), Hook::Uninstall);
        assert_eq!(hook("query datasets"), Hook::Query);
        assert_eq!(hook("sysboot"), Hook::SystemBoot);
        let json = |line| run(&format!("-z ntp -R /zone/ntp {line}")).map(|found| found.json).ok();
        assert_eq!(json("install /opt/a.tar.gz"), Some(false));
        assert_eq!(json("install --json /opt/a.tar.gz"), Some(true));
        assert_eq!(json("--json install"), Some(true));
        let ready = Hook::StateChange { state: State::Installed, command: Command::Ready };
        assert_eq!(hook("prestatechange 2 0"), ready);
        assert_eq!(hook("poststatechange 2 0 /a"), ready);
        assert_eq!(
            hook("verify_adm boot -s -- x"),
            Hook::VerifyAdministration {
                subcommand: "boot".into(),
                arguments: vec!["-s".into(), "--".into(), "x".into()]
            }
        );
        assert_eq!(
            run("verify_cfg /tmp/zonecfg_verify.a").ok().map(|i| i.action),
            Some(Action::VerifyConfiguration("/tmp/zonecfg_verify.a".into()))
        );
    }

    #[test]
    fn wrong_lines_are_usage_errors() {
        for line in [
            "",
            "-z",
            "-z ntp",
            "-x",
            "--system-root",
            "attach",
            "-z ntp install",
            "-R /zone/ntp install",
            "-z ntp -R /zone/ntp install -x",
            "-z ntp -R /zone/ntp install --json -x",
            "--json verify_cfg a",
            "--json -z ntp -R /zone/ntp uninstall",
            "-z ntp -R /zone/ntp uninstall now",
            "-z ntp -R /zone/ntp query",
            "-z ntp -R /zone/ntp query a b",
            "-z ntp -R /zone/ntp sysboot 1",
            "-z ntp -R /zone/ntp verify_adm",
            "-z ntp -R /zone/ntp prestatechange 2",
            "-z ntp -R /zone/ntp prestatechange 2 3",
            "-z ntp -R /zone/ntp prestatechange 9 0",
            "-z ntp -R /zone/ntp poststatechange 2 0 /a /b",
            "-z ntp -R /zone/ntp attach",
            "-z ntp -R /zone/ntp detach",
            "-z ntp -R /zone/ntp clone other",
            "verify_cfg",
            "verify_cfg a b",
            "plan x",
        ] {
            match run(line) {
                Err(error @ Error::Usage { .. }) => assert_eq!(error.exit().code(), 253),
                other => panic!("{line:?}: {other:?}"),
            }
        }
    }
}
