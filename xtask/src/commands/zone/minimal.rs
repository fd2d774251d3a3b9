//! `cargo xtask zone minimal`: zones of what programs need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::ArgPredicate;
use clap::{ArgGroup, Args, ValueEnum};
use ips::{ImportOptions, Unpackaged};
use proto::{ProtoPath, Store};
use serde::Serialize;
use zones::{Boot, Closure, Feature, PackOptions, Request, Script};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};

/// Make a layer of programs and all they need, and nothing else.
///
/// Follows ELF interpreters and libraries as the runtime linker does, `#!` lines, and the plug-ins,
/// locales and time zones that pam.conf, pam.d, nsswitch.conf, netconfig and default/init declare.
/// Whatever is missing is an error that names the chain of what asked for it.
///
/// With --boot inittab the result is no layer but the root of a zone of another brand, as a tar: init
/// starts the program there without services, and again when it ends.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("output").args(["out", "why", "explain", "against"]).multiple(true)
        .required(true),
    after_long_help = "Examples:
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --with dns --out ntp.tar.gz
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --explain
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --why lib/libmd.so.1
  cargo xtask zone minimal --proto proto/root --boot inittab --run '/usr/bin/ntpd -n' \\
    --script net.sh --program sbin/ifconfig --out root.tar.gz
  cargo xtask zone minimal --proto proto/root --program sbin/init --against mvi.files"
)]
pub(super) struct Arguments {
    /// The proto root to take things from
    #[arg(long, value_name = "ROOT")]
    proto: PathBuf,

    /// A path in it that is wanted: a program, a data file, a directory (repeatable)
    #[arg(long = "program", value_name = "PATH", required_unless_present = "boot")]
    programs: Vec<String>,

    /// A service manifest in it, with the programs of its methods (repeatable)
    #[arg(long = "manifest", value_name = "PATH")]
    manifests: Vec<String>,

    /// What the zone shall be able to do besides: zlogin, dns, smf
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    with: Vec<Feature>,

    /// A locale that is wanted, besides those of default/init (repeatable)
    #[arg(long = "locale", value_name = "NAME")]
    locales: Vec<String>,

    /// Make a root that starts by itself, without the service management facility
    #[arg(long, value_enum, value_name = "HOW", conflicts_with_all = ["name", "version"])]
    boot: Option<BootMethod>,

    /// The command line that is run there (default: the first program)
    #[arg(long, value_name = "COMMAND", requires = "boot")]
    run: Option<String>,

    /// A script to run before it, once after each boot of the zone (repeatable, in order)
    #[arg(long = "script", value_name = "FILE", requires = "boot")]
    scripts: Vec<PathBuf>,

    /// The layer, or the root
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Say why a path is in it
    #[arg(long, value_name = "PATH")]
    why: Option<ProtoPath>,

    /// Print everything in it, below what asked for it, with sizes
    #[arg(long)]
    explain: bool,

    /// Compare it with a list kept by hand: one path to a line, # begins a comment (repeatable)
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,

    /// The name of the zone package, kept in the layer
    #[arg(long)]
    name: Option<String>,

    /// The version of the zone package, kept in the layer
    #[arg(long, requires = "name", default_value_if("name", ArgPredicate::IsPresent, "0.0.0"))]
    version: Option<String>,

    /// The time of everything in the archive, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS", default_value_t = 0)]
    source_date_epoch: u32,

    /// Print what is in it, and what was written, as JSON
    #[arg(long, conflicts_with_all = ["why", "explain", "against"])]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BootMethod {
    /// By an entry of inittab and a script
    Inittab,
}

#[derive(Debug, Serialize)]
struct Report {
    members: Vec<Member>,
    warnings: BTreeSet<String>,
    bytes: u64,
    written: Option<Written>,
}

#[derive(Debug, Serialize)]
struct Member {
    path: String,
    kind: &'static str,
    size: u64,
    from: Option<String>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    size: u64,
    sha256: String,
    entries: usize,
}

impl Arguments {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.proto.is_dir() {
            return Err(Failure::missing(format!("{} is no directory", self.proto.display())));
        }
        let boot = self.boot()?;
        let lists =
            self.against.iter().map(|list| read_list(list)).collect::<Result<Vec<_>, _>>()?;
        let scratch = tempfile::tempdir()?;
        let options = ImportOptions { unpackaged: Unpackaged::Accept };
        let proto = ips::import_root(&self.proto, Store::create(scratch.path())?, &options)?;
        let request = Request {
            programs: &self.programs,
            features: &self.with,
            manifests: &self.manifests,
            locales: &self.locales,
            boot: boot.as_ref(),
        };
        let closure = zones::closure(&proto, &request).map_err(|error| match error {
            zones::Error::Missing { .. } => {
                Failure::missing(error).hint("install the package that has it into the proto root")
            }
            zones::Error::Boot { .. } => Failure::usage(error.to_string()),
            _ => Failure::new(error),
        })?;
        for warning in &closure.warnings {
            printer.warn(warning);
        }
        let mut status = ExitStatus::Success;
        if let Some(path) = &self.why {
            match closure.why(path) {
                Some(chain) => printer.result(chain),
                None => {
                    printer.result(format_args!("{path} is not needed"));
                    status = ExitStatus::Findings;
                }
            }
        }
        if self.explain {
            printer.result(closure.tree());
        }
        if !lists.is_empty() {
            compare(&closure, &lists.into_iter().flatten().collect(), printer);
        }
        let options = PackOptions {
            package: self.name.clone().zip(self.version.clone()),
            mtime: self.source_date_epoch.into(),
        };
        let packed = match (&self.out, &boot) {
            (Some(out), Some(boot)) => {
                Some(zones::write_root(&proto, &closure, boot, out, &options)?)
            }
            (Some(out), None) => Some(zones::write_layer(&proto, &closure, out, &options)?),
            (None, _) => None,
        };
        if self.json {
            printer.json(&report(&closure, packed.as_ref()))?;
        } else if let Some(packed) = packed {
            printer.good(
                "packed",
                format_args!("{} paths, {} in files", packed.entries, bytes(packed.bytes)),
            );
            printer.result(packed.archive.path.display());
        }
        Ok(status)
    }

    fn boot(&self) -> Result<Option<Boot>, Failure> {
        let Some(BootMethod::Inittab) = self.boot else { return Ok(None) };
        let absolute = |path: &String| format!("/{}", path.trim_start_matches('/'));
        let command =
            self.run.clone().or_else(|| self.programs.first().map(absolute)).ok_or_else(|| {
                Failure::usage("--boot inittab has nothing to run: give --run or --program")
            })?;
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read(path).map_err(|error| {
                Failure::missing(format!("cannot read {}: {error}", path.display()))
            })?;
            Ok::<Script, Failure>(Script { name, text })
        };
        let scripts = self.scripts.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Some(Boot { command, scripts }))
    }
}

fn read_list(path: &Path) -> Result<BTreeSet<ProtoPath>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::missing(format!("cannot read {}: {error}", path.display())))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            ProtoPath::new(line.trim_start_matches('/'))
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        })
        .collect()
}

/// Prints a table in Markdown: what is in both, what only one of them has, and why.
fn compare(closure: &Closure, list: &BTreeSet<ProtoPath>, printer: &Printer) {
    printer.result("| path | list | here | why |\n|---|---|---|---|");
    let paths: BTreeSet<&ProtoPath> = closure.members.keys().chain(list).collect();
    let yes = |there| if there { "yes" } else { "no" };
    let (mut both, mut only_here) = (0, 0);
    for path in paths {
        let member = closure.members.get(path);
        let listed = list.contains(path);
        both += usize::from(listed && member.is_some());
        only_here += usize::from(!listed);
        let why = member.map_or_else(String::new, |member| match &member.from {
            Some(from) => format!("{} of {from}", member.reason),
            None => member.reason.to_string(),
        });
        printer.result(format_args!(
            "| {path} | {} | {} | {why} |",
            yes(listed),
            yes(member.is_some())
        ));
    }
    printer.result(format_args!(
        "\n{} paths in the list: {both} are here, {} are not; {only_here} more are here",
        list.len(),
        list.len() - both
    ));
}

fn report(closure: &Closure, packed: Option<&zones::Packed>) -> Report {
    let member = |(path, member): (&ProtoPath, &zones::Member)| Member {
        path: path.to_string(),
        kind: member.kind,
        size: member.size,
        from: member.from.as_ref().map(ToString::to_string),
        reason: member.reason.to_string(),
    };
    Report {
        members: closure.members.iter().map(member).collect(),
        warnings: closure.warnings.clone(),
        bytes: closure.bytes(),
        written: packed.map(|packed| Written {
            path: packed.archive.path.clone(),
            size: packed.archive.size,
            sha256: packed.archive.sha256.to_string(),
            entries: packed.entries,
        }),
    }
}
