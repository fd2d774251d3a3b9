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

/// Remove from the store what was not used for long, or does not fit
///
/// What was used last stays longest. Damaged files that were set aside go in any case.
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

/// A number with a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn size(text: &str) -> Result<u64, String> {
    let units = [
        ("", 1),
        ("K", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
    ];
    quantity(text, &units).ok_or_else(|| "a size was expected, like 20G or 500Mi".to_owned())
}

fn age(text: &str) -> Result<Duration, String> {
    const DAY: u64 = 86_400;
    let units = [("s", 1), ("min", 60), ("h", 3600), ("d", DAY), ("w", 7 * DAY)];
    quantity(text, &units)
        .map(Duration::from_secs)
        .ok_or_else(|| "an age was expected, like 30d or 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("20G"), Ok(20_000_000_000));
        assert_eq!(size("500mi"), Ok(500 << 20));
        assert_eq!(age("2w"), Ok(Duration::from_secs(1_209_600)));
        for bad in ["", "G", "1X", "-1", "1.5G", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "5m", "d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
