//! A pool image, from its labels to its datasets.

use std::fs::File;
use std::path::Path;

use super::block::{Pointer, Storage};
use super::dataset::Dataset;
use super::fields::u64_at;
use super::object::ObjectSet;
use super::verify::{self, Verification};
use super::zap::{self, entries};
use crate::Error;
use crate::checksum::is_sealed;
use crate::label::{self, LABEL_SIZE};
use crate::nvlist::NameValueList;
use crate::uberblock::slot_size;

/// Features that do not change what is read here, or that are read.
const KNOWN_FEATURES: [&str; 6] = [
    "com.delphix:embedded_data",
    "com.delphix:extensible_dataset",
    "com.delphix:hole_birth",
    "org.illumos:lz4_compress",
    "org.open-zfs:large_blocks",
    "org.zfsonlinux:large_dnode",
];

/// Datasets in datasets deeper than this are refused, and so are more than [`MOST_DATASETS`].
const DEEPEST: usize = 50;
const MOST_DATASETS: usize = 10_000;

/// A pool image, opened.
#[derive(Debug)]
pub struct Image {
    storage: Storage,
    name: String,
    guid: u64,
    /// Of the pool's own objects.
    root: Pointer,
    datasets: Vec<(String, Pointer)>,
}

impl Image {
    /// Opens an image and finds its datasets.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("examine", path))?.len();
        Self::open_part(file, path, 0, size)
    }

    /// Opens an image that is `size` bytes of a file from `start` on, e.g. behind a header.
    /// `path` is what errors call it.
    pub fn open_part(file: File, path: &Path, start: u64, size: u64) -> Result<Self, Error> {
        let length = file.metadata().map_err(Error::io("examine", path))?.len();
        let storage = Storage { file, path: path.to_owned(), start, size };
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(storage.damaged(format!("has {length} bytes and is cut short")));
        }
        let (configuration, root) = newest(&storage)?;
        let missing = |what: &str| storage.damaged(format!("a label without {what}"));
        let device = configuration.get_list("vdev_tree").ok_or_else(|| missing("vdev_tree"))?;
        match device.get_text("type").ok_or_else(|| missing("type"))? {
            "disk" | "file" => {}
            other => return Err(storage.unknown(format!("a device of type {other}"))),
        }
        if configuration.get_number("vdev_children").is_some_and(|count| count != 1) {
            return Err(storage.unknown("more than one device"));
        }
        let needed = configuration.get_list("features_for_read");
        check_features(needed.iter().flat_map(|list| list.names()), &storage)?;
        let name = configuration.get_text("name").ok_or_else(|| missing("name"))?.to_owned();
        let guid = configuration.get_number("pool_guid").ok_or_else(|| missing("pool_guid"))?;

        let mut mos = ObjectSet::open(&root, &storage)?;
        let directory = entries(&mut mos.object(1, &storage)?, &storage)?;
        let number = |name: &str| {
            directory
                .iter()
                .find(|entry| entry.name == name.as_bytes())
                .and_then(zap::Entry::number)
        };
        if let Some(features) = number("features_for_read") {
            let features = entries(&mut mos.object(features, &storage)?, &storage)?;
            let active = features.iter().filter(|entry| entry.number() != Some(0));
            check_features(active.filter_map(|e| std::str::from_utf8(&e.name).ok()), &storage)?;
        }
        let first = number("root_dataset").ok_or_else(|| storage.damaged("no root dataset"))?;
        let mut datasets = Vec::new();
        let mut left = vec![(name.clone(), first, 0)];
        while let Some((dataset, object, depth)) = left.pop() {
            if depth > DEEPEST || datasets.len() > MOST_DATASETS {
                return Err(storage.damaged("datasets that have no end"));
            }
            let damaged = || storage.damaged(format!("dataset {dataset} cannot be read"));
            let bonus = mos.dnode(object, &storage)?.bonus;
            let head = u64_at(&bonus, 8).ok_or_else(damaged)?;
            let children = u64_at(&bonus, 32).ok_or_else(damaged)?;
            if head != 0 {
                let bonus = mos.dnode(head, &storage)?.bonus;
                let pointer = Pointer::at(&bonus, 128).ok_or_else(damaged)?;
                if !pointer.is_hole() {
                    datasets.push((dataset.clone(), pointer));
                }
                let names = u64_at(&bonus, 32).ok_or_else(damaged)?;
                for snapshot in match names {
                    0 => Vec::new(),
                    names => entries(&mut mos.object(names, &storage)?, &storage)?,
                } {
                    let object = snapshot.number().ok_or_else(damaged)?;
                    let bonus = mos.dnode(object, &storage)?.bonus;
                    let pointer = Pointer::at(&bonus, 128).ok_or_else(damaged)?;
                    if !pointer.is_hole() {
                        let name = String::from_utf8_lossy(&snapshot.name);
                        datasets.push((format!("{dataset}@{name}"), pointer));
                    }
                }
            }
            if children != 0 {
                for child in entries(&mut mos.object(children, &storage)?, &storage)? {
                    let name = String::from_utf8_lossy(&child.name);
                    if let (false, Some(object)) = (name.starts_with('$'), child.number()) {
                        left.push((format!("{dataset}/{name}"), object, depth + 1));
                    }
                }
            }
        }
        datasets.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { storage, name, guid, root, datasets })
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pool's identifier.
    pub fn guid(&self) -> u64 {
        self.guid
    }

    /// The full names of all datasets and snapshots (`dataset@snapshot`), sorted.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.datasets.iter().map(|(name, _)| name.as_str())
    }

    /// Opens a file system by its full name, e.g. `rpool/ROOT/ramdisk`.
    pub fn dataset(&self, name: &str) -> Result<Dataset<'_>, Error> {
        match self.datasets.iter().find(|(other, _)| other == name) {
            Some((name, pointer)) => Dataset::open(name, pointer, &self.storage),
            None => Err(Error::NotThere {
                path: self.storage.path.clone(),
                name: format!("dataset {name}"),
            }),
        }
    }

    /// Reads every block of the pool in all its copies and compares checksums; follows every name
    /// to its object. What is wrong is in the result; an error is something that keeps from
    /// looking.
    pub fn verify(&self) -> Result<Verification, Error> {
        let mut verification = Verification::default();
        verify::object_set(None, &self.root, &self.storage, &mut verification)?;
        for (name, pointer) in &self.datasets {
            verify::object_set(Some(name), pointer, &self.storage, &mut verification)?;
        }
        Ok(verification)
    }
}

fn check_features<'a>(
    names: impl Iterator<Item = &'a str>,
    storage: &Storage,
) -> Result<(), Error> {
    for name in names {
        if !KNOWN_FEATURES.contains(&name) {
            return Err(storage.unknown(format!("the feature {name}")));
        }
    }
    Ok(())
}

/// The newest good label, and the pointer in the newest good uberblock of all labels.
fn newest(storage: &Storage) -> Result<(NameValueList, Pointer), Error> {
    let nothing = || storage.damaged("is no pool image: no label is in order");
    if storage.size < label::OVERHEAD {
        return Err(nothing());
    }
    let mut configuration: Option<(u64, NameValueList)> = None;
    let mut roots: Vec<(u64, u64, Pointer)> = Vec::new();
    for offset in label::offsets(storage.size) {
        let bytes = storage.bytes(offset, LABEL_SIZE)?;
        let Some((txg, list)) = label::parse(&bytes, offset) else { continue };
        let device = list.get_list("vdev_tree");
        let ashift = device.and_then(|device| device.get_number("ashift")).unwrap_or(0);
        let slot = slot_size(ashift.min(16) as u32);
        for (index, bytes) in label::ring(&bytes).chunks_exact(slot).enumerate() {
            let place = offset + label::RING as u64 + (index * slot) as u64;
            if u64_at(bytes, 0) == Some(0x00ba_b10c)
                && let (Some(txg), Some(time)) = (u64_at(bytes, 16), u64_at(bytes, 32))
                && let Some(pointer) = Pointer::at(bytes, 40)
                && is_sealed(bytes, place)
            {
                roots.push((txg, time, pointer));
            }
        }
        if configuration.as_ref().is_none_or(|(newest, _)| txg > *newest) {
            configuration = Some((txg, list));
        }
    }
    let root = roots.into_iter().max_by_key(|(txg, time, _)| (*txg, *time));
    match (configuration, root) {
        (Some((_, configuration)), Some((_, _, root))) => Ok((configuration, root)),
        _ => Err(nothing()),
    }
}
