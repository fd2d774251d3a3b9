//! `cargo xtask cache gc`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use ips::{Lock, Manifest};
use proto::Digest;
use store::{Limits, Name, Store};

use super::{NOTHING, Place};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};
use crate::quantity::{age, size};

/// Remove from the store what was not used for long, or does not fit
///
/// What was used last stays longest. Damaged files that were set aside go in any case. With
/// `cache-max-size` in [packages] of releng.toml a build does this at its end.
///
/// Exit status 0: done; 2: neither limit was given; 6: another run uses the store.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask cache gc --max-size 20G
  cargo xtask cache gc --max-age 30d --keep-lock helios.lock
  cargo xtask cache gc --max-size 0 --dry-run")]
pub(super) struct Gc {
    #[command(flatten)]
    place: Place,

    /// The most bytes that stay, with K, M, G or T (powers of 1000) or Ki, Mi, Gi, Ti
    #[arg(long, value_name = "SIZE", value_parser = size, required_unless_present = "max_age")]
    max_size: Option<u64>,

    /// How long something stays that is not used, in s, min, h, d or w
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,

    /// Keep what the packages of a lock file need (repeatable)
    #[arg(long = "keep-lock", value_name = "FILE")]
    keep_locks: Vec<PathBuf>,

    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let Some(directory) = self.place.find()? else {
            printer.say(NOTHING);
            return Ok(ExitStatus::Success);
        };
        let mut keep = BTreeSet::new();
        for lock in &self.keep_locks {
            keep_locked(&directory, lock, &mut keep)?;
        }
        let limits = Limits { size: self.max_size, age: self.max_age, keep, dry_run: self.dry_run };
        // The ages of files in a cache: nothing of it gets into a result.
        let collected =
            store::collect(&directory, &limits, SystemTime::now()).map_err(|error| {
                let in_use = matches!(error, store::Error::InUse { .. });
                let status = if in_use { ExitStatus::Locked } else { ExitStatus::Failed };
                Failure::new(error).with_status(status)
            })?;
        if self.json {
            printer.json(&collected)?;
            return Ok(ExitStatus::Success);
        }
        let gone = [collected.removed, collected.partial, collected.damaged];
        let count: u64 = gone.iter().map(|kind| kind.count).sum();
        let size: u64 = gone.iter().map(|kind| kind.bytes).sum();
        printer.good(
            if self.dry_run { "would go" } else { "removed" },
            format_args!("{count} files, {}", bytes(size)),
        );
        let kept = collected.kept;
        printer.good("kept", format_args!("{} files, {}", kept.count, bytes(kept.bytes)));
        Ok(ExitStatus::Success)
    }
}

/// The manifests that a lock names, and the payloads that those name, as far as they are there.
fn keep_locked(directory: &Path, file: &Path, keep: &mut BTreeSet<Digest>) -> Result<(), Failure> {
    if !file.exists() {
        return Err(Failure::missing(format!("{} is missing", file.display())));
    }
    let lock = Lock::read(file).map_err(Failure::usage)?;
    let store = Store::open(directory)?;
    for package in lock.packages() {
        let Some(text) = store.read_blob(&package.digest)? else { continue };
        keep.insert(package.digest);
        let text = String::from_utf8_lossy(&text);
        let manifest = Manifest::parse(package.fmri.to_string(), &text)?;
        for payload in manifest.actions().filter_map(|action| action.payload.as_deref()) {
            if let Some(record) = store.find(&Name::new("payload", payload))? {
                keep.insert(record.digest);
            }
        }
    }
    Ok(())
}
