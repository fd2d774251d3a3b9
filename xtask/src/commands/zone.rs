//! `cargo xtask zone`: zone images.

mod build;

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{ArgGroup, Args, Subcommand};
use ips::{ImportOptions, Unpackaged};
use proto::{ProtoPath, Store};
use zones::{Feature, PackOptions};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};

/// Work on zone images.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Arguments>),
    Minimal(Minimal),
}

/// Make a layer of programs and all they need, and nothing else.
///
/// Follows ELF interpreters and libraries as the runtime linker does, `#!` lines, and the plug-ins
/// that pam.conf, pam.d and nsswitch.conf declare. Whatever is missing is an error that names the
/// chain of what asked for it.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("output").args(["out", "why", "explain"]).multiple(true).required(true),
    after_long_help = "Examples:
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --with dns --out ntp.tar.gz
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --explain
  cargo xtask zone minimal --proto proto/root --program usr/bin/ntpd --why lib/libmd.so.1"
)]
struct Minimal {
    /// The proto root to take things from
    #[arg(long, value_name = "ROOT")]
    proto: PathBuf,

    /// A path in it that is wanted: a program, a data file, a directory (repeatable)
    #[arg(long = "program", value_name = "PATH", required = true)]
    programs: Vec<String>,

    /// A service manifest in it, with the programs of its methods (repeatable)
    #[arg(long = "manifest", value_name = "PATH")]
    manifests: Vec<String>,

    /// What the zone shall be able to do besides: zlogin, dns, smf
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    with: Vec<Feature>,

    /// The layer
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Say why a path is in it
    #[arg(long, value_name = "PATH")]
    why: Option<ProtoPath>,

    /// Print everything in it, below what asked for it, with sizes
    #[arg(long)]
    explain: bool,

    /// The name of the zone package, kept in the layer
    #[arg(long)]
    name: Option<String>,

    /// The version of the zone package, kept in the layer
    #[arg(long, requires = "name", default_value_if("name", ArgPredicate::IsPresent, "0.0.0"))]
    version: Option<String>,

    /// The time of everything in the layer, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS", default_value_t = 0)]
    source_date_epoch: u32,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Build(arguments) => arguments.run(printer),
            Command::Minimal(arguments) => arguments.run(printer),
        }
    }
}

impl Minimal {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.proto.is_dir() {
            return Err(Failure::missing(format!("{} is no directory", self.proto.display())));
        }
        let scratch = tempfile::tempdir()?;
        let options = ImportOptions { unpackaged: Unpackaged::Accept };
        let proto = ips::import_root(&self.proto, Store::create(scratch.path())?, &options)?;
        let closure = zones::closure(&proto, &self.programs, &self.with, &self.manifests).map_err(
            |error| match error {
                zones::Error::Missing { .. } => Failure::missing(error)
                    .hint("install the package that has it into the proto root"),
                _ => Failure::new(error),
            },
        )?;
        for warning in &closure.warnings {
            printer.warn(warning);
        }
        if let Some(path) = &self.why {
            match closure.why(path) {
                Some(chain) => printer.result(chain),
                None => {
                    printer.result(format_args!("{path} is not needed"));
                    return Ok(ExitStatus::Findings);
                }
            }
        }
        if self.explain {
            printer.result(closure.tree());
        }
        let Some(out) = self.out else { return Ok(ExitStatus::Success) };
        let options = PackOptions {
            package: self.name.zip(self.version),
            mtime: self.source_date_epoch.into(),
        };
        let packed = zones::write_layer(&proto, &closure, &out, &options)?;
        printer.good(
            "packed",
            format_args!("{} paths, {} in files", packed.entries, bytes(packed.bytes)),
        );
        printer.result(out.display());
        Ok(ExitStatus::Success)
    }
}
