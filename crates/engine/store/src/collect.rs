//! Removing what is not needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proto::Digest;
use serde::Serialize;
use walkdir::WalkDir;

use crate::usage::{KindUsage, files};
use crate::{Error, Store};

/// What may stay in a store.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Blobs together may have so many bytes; those used longest ago go first.
    pub size: Option<u64>,
    /// Blobs and incomplete files that were not used for so long go.
    pub age: Option<Duration>,
    /// These stay whatever the limits say.
    pub keep: BTreeSet<Digest>,
    /// Tells what would go, and lets it stay.
    pub dry_run: bool,
}

/// What was removed, and what stayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Blobs that are gone.
    pub removed: KindUsage,
    /// Blobs that stayed.
    pub kept: KindUsage,
    /// Incomplete files that are gone.
    pub partial: KindUsage,
    /// Damaged blobs that are gone: all of them.
    pub damaged: KindUsage,
}

/// Brings a store within its limits. `now` is the time that ages are counted from. A store that
/// another process uses is an error, and nothing is removed.
pub fn collect(root: &Path, limits: &Limits, now: SystemTime) -> Result<Collected, Error> {
    let store = Store::open_alone(root)?;
    let remove = |path: &Path| match limits.dry_run {
        true => Ok(()),
        false => fs::remove_file(path).map_err(Error::io("remove", path)),
    };
    let mut blobs = Vec::new();
    for (digest, size) in store.all_blobs()? {
        blobs.push((last_use(&store.blobs().path_of(&digest))?, digest, size));
    }
    // The latest use first; ties in the order of digests, so that the same ones stay every time.
    blobs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut collected = Collected::default();
    let old = |time: SystemTime| {
        limits.age.is_some_and(|age| now.duration_since(time).is_ok_and(|since| since > age))
    };
    let mut room = limits.size.unwrap_or(u64::MAX);
    for (_, _, size) in blobs.iter().filter(|(_, digest, _)| limits.keep.contains(digest)) {
        room = room.saturating_sub(*size);
    }
    for (time, digest, size) in blobs {
        let kept = limits.keep.contains(&digest);
        if kept || (!old(time) && size <= room) {
            if !kept {
                room -= size;
            }
            collected.kept.add(size);
        } else {
            // Everything that was used before this goes, too, although it might fit.
            if !old(time) {
                room = 0;
            }
            remove(&store.blobs().path_of(&digest))?;
            collected.removed.add(size);
        }
    }
    for (path, size) in files(&root.join("partial"))? {
        if old(last_use(&path)?) {
            remove(&path)?;
            collected.partial.add(size);
        }
    }
    for (path, size) in files(&root.join("damaged"))? {
        remove(&path)?;
        collected.damaged.add(size);
    }
    if !limits.dry_run {
        for (_, path, record) in store.records()? {
            let there = |digest: &Digest| store.blobs().path_of(digest).exists();
            if !record.is_some_and(|record| there(&record.digest)) {
                remove(&path)?;
            }
        }
        remove_temporary(root)?;
    }
    Ok(collected)
}

fn last_use(path: &Path) -> Result<SystemTime, Error> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(Error::io("examine", path))
}

/// Files of processes that died: nobody else uses the store now.
fn remove_temporary(root: &Path) -> Result<(), Error> {
    for entry in WalkDir::new(root).min_depth(1).into_iter().filter_map(Result::ok) {
        let hidden = entry.file_name().to_string_lossy().starts_with(".tmp");
        if hidden && entry.file_type().is_file() {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}
