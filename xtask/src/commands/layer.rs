//! `cargo xtask layer`: zone image layers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::ArgPredicate;
use clap::{Args, Subcommand};
use oxide_archive::{ArchiveType, Expect, Options};
use proto::Digest;
use serde::Serialize;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};

/// Work on zone image layers and other Oxide archives.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pack(Pack),
    Unpack(Unpack),
}

/// Make a layer of a directory, which becomes the zone's root.
///
/// The same directory gives the same bytes for everyone: all belongs to root, files are 0755 if
/// their owner may execute them and 0644 if not, times are SOURCE_DATE_EPOCH. Devices, pipes and
/// sockets are refused.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  mkdir -p image/opt/ntp && cp ntpd image/opt/ntp/
  cargo xtask layer pack image --out ntp.tar.gz --name ntp --version 1.0.0
  zoneadm -z ntp install ntp.tar.gz")]
struct Pack {
    /// The directory
    directory: PathBuf,

    /// The layer
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

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

/// Unpack a layer below a directory, as the brand does at zone install.
///
/// Members that lead outside, go through symbolic links, are devices or come twice are refused, as
/// are a damaged gzip stream and anything behind it. The directory is made; if it is there, it
/// must be empty. After a refusal nothing is left in it.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask layer unpack nexus.tar.gz --root /tmp/nexus
  cargo xtask layer unpack nexus.tar.gz --root /tmp/nexus --sha256 9f86d081884c7d65...
  cargo xtask layer unpack files.tar.gz --root /tmp/baseline --any --json")]
struct Unpack {
    /// The archive
    file: PathBuf,

    /// The directory that becomes the zone's root
    #[arg(long, value_name = "DIR")]
    root: PathBuf,

    /// Take an archive of any type (baseline, os), not only a layer
    #[arg(long)]
    any: bool,

    /// What the SHA-256 of the archive must be; nothing is unpacked of another
    #[arg(long, value_name = "HEX")]
    sha256: Option<Digest>,

    /// Print what was unpacked as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Unpacked<'a> {
    root: &'a Path,
    paths: usize,
    members: u64,
    skipped: u64,
    bytes: u64,
    owners_set: bool,
    milliseconds: u128,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Pack(arguments) => arguments.run(printer),
            Command::Unpack(arguments) => arguments.run(printer),
        }
    }
}

impl Pack {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.directory.exists() {
            return Err(Failure::missing(format!("{} is missing", self.directory.display())));
        }
        let options = zones::PackOptions {
            package: self.name.zip(self.version),
            mtime: self.source_date_epoch.into(),
        };
        let packed = zones::pack(&self.directory, &self.out, &options)?;
        printer.good(
            "packed",
            format_args!("{} paths, {} in files", packed.entries, bytes(packed.bytes)),
        );
        printer.result(self.out.display());
        Ok(ExitStatus::Success)
    }
}

impl Unpack {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.file.is_file() {
            return Err(Failure::missing(format!("{} is missing", self.file.display())));
        }
        let root = &self.root;
        if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(format!("{} is not empty", root.display()))
                .hint("give a new or empty directory"));
        }
        let start = Instant::now();
        let mut options = if self.any {
            let archive_type = oxide_archive::read_metadata(&self.file)?.archive_type;
            Options { expect: Expect::Any, ..Options::for_type(archive_type) }
        } else {
            Options::for_type(ArchiveType::Layer)
        };
        options.pinned = self.sha256;
        // Unpacked beside its final name, so that a refused archive leaves nothing behind.
        let parent = match root.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let stage =
            tempfile::Builder::new().prefix(".layer.").tempdir_in(&parent).map_err(|error| {
                format!("cannot create a directory in {}: {error}", parent.display())
            })?;
        let inner = stage.path().join("root");
        fs::DirBuilder::new().create(&inner)?;
        fs::set_permissions(&inner, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let unpacked = oxide_archive::unpack(&self.file, &inner, &options)?;
        fs::rename(&inner, root)
            .map_err(|error| format!("cannot make {}: {error}", root.display()))?;
        if self.json {
            printer.json(&Unpacked {
                root,
                paths: unpacked.manifest.len(),
                members: unpacked.members,
                skipped: unpacked.skipped,
                bytes: unpacked.bytes,
                owners_set: unpacked.owners_set,
                milliseconds: start.elapsed().as_millis(),
            })?;
            return Ok(ExitStatus::Success);
        }
        printer.good(
            "unpacked",
            format_args!(
                "{} paths, {} bytes in {}",
                unpacked.manifest.len(),
                unpacked.bytes,
                root.display()
            ),
        );
        if !unpacked.owners_set {
            printer.warn("owners were not set: that needs root");
        }
        printer.result(root.display());
        Ok(ExitStatus::Success)
    }
}
