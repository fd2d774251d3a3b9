//! How much there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proto::Digest;
use serde::Serialize;
use walkdir::WalkDir;

use crate::name::is_kind;
use crate::{Error, Record, Store};

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// By kind of name. A blob that has names of two kinds counts for each.
    pub kinds: BTreeMap<String, KindUsage>,
    /// All blobs.
    pub blobs: KindUsage,
    /// Blobs without any name.
    pub unnamed: KindUsage,
    /// Files that are being, or were not completely, fetched.
    pub partial: KindUsage,
    /// Damaged blobs that were set aside.
    pub damaged: KindUsage,
}

/// A number of files and their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KindUsage {
    /// How many.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl KindUsage {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl Store {
    /// Counts what is there.
    pub fn usage(&self) -> Result<Usage, Error> {
        let mut usage = Usage::default();
        let blobs: BTreeMap<Digest, u64> = self.all_blobs()?.into_iter().collect();
        let mut named: BTreeSet<Digest> = BTreeSet::new();
        let mut counted: BTreeSet<(String, Digest)> = BTreeSet::new();
        for (kind, _, record) in self.records()? {
            let Some(size) = record.and_then(|record| {
                named.insert(record.digest);
                let first = counted.insert((kind.clone(), record.digest));
                blobs.get(&record.digest).copied().filter(|_| first)
            }) else {
                continue;
            };
            usage.kinds.entry(kind).or_default().add(size);
        }
        for (digest, size) in blobs {
            usage.blobs.add(size);
            if !named.contains(&digest) {
                usage.unnamed.add(size);
            }
        }
        for (_, size) in files(&self.root().join("partial"))? {
            usage.partial.add(size);
        }
        for (_, size) in files(&self.root().join("damaged"))? {
            usage.damaged.add(size);
        }
        Ok(usage)
    }

    /// Every blob and its size, by digest.
    pub(crate) fn all_blobs(&self) -> Result<Vec<(Digest, u64)>, Error> {
        let blobs = files(self.blobs().directory())?;
        Ok(blobs
            .into_iter()
            .filter_map(|(path, size)| {
                let digest: Digest = path.file_name()?.to_str()?.parse().ok()?;
                (path == self.blobs().path_of(&digest)).then_some((digest, size))
            })
            .collect())
    }

    /// Every name's kind, file and record; none for a record that cannot be read.
    pub(crate) fn records(&self) -> Result<Vec<(String, PathBuf, Option<Record>)>, Error> {
        let names = self.root().join("names");
        let mut records = Vec::new();
        for (path, _) in files(&names)? {
            let kind = path.strip_prefix(&names).ok().and_then(|below| below.iter().next());
            let Some(kind) = kind.and_then(|kind| kind.to_str()).filter(|kind| is_kind(kind))
            else {
                continue;
            };
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            let kind = kind.to_owned();
            records.push((kind, path, serde_json::from_slice(&bytes).ok()));
        }
        Ok(records)
    }
}

/// The files below a directory with their sizes, by path; temporary files are left out.
pub(crate) fn files(directory: &Path) -> Result<Vec<(PathBuf, u64)>, Error> {
    let mut found = Vec::new();
    if !directory.exists() {
        return Ok(found);
    }
    for entry in WalkDir::new(directory).sort_by_file_name() {
        // Another process may be moving files at this moment.
        let Ok(entry) = entry else { continue };
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().is_file()
            && !hidden
            && let Ok(metadata) = entry.metadata()
        {
            found.push((entry.into_path(), metadata.len()));
        }
    }
    Ok(found)
}
