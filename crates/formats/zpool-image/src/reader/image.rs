//! A pool image, from its labels to its datasets.

use std::fs::File;
use std::path::Path;

use super::block::Storage;
use super::dataset::Dataset;
use super::dsl::Tree;
use super::labels::Newest;
use super::object::ObjectSet;
use super::zap::{self, entries};
use crate::Error;

/// Features that do not change what is read here, or that are read.
const KNOWN_FEATURES: [&str; 14] = [
    "com.datto:bookmark_v2",
    "com.delphix:bookmark_written",
    "com.delphix:embedded_data",
    "com.delphix:extensible_dataset",
    "com.delphix:head_errlog",
    "com.delphix:hole_birth",
    "com.delphix:redaction_bookmarks",
    "com.delphix:redaction_list_spill",
    "com.joyent:multi_vdev_crash_dump",
    "com.klarasystems:large_microzap",
    "com.klarasystems:vdev_zaps_v2",
    "org.illumos:lz4_compress",
    "org.open-zfs:large_blocks",
    "org.zfsonlinux:large_dnode",
];

/// A pool image, opened.
#[derive(Debug)]
pub struct Image {
    pub(super) storage: Storage,
    name: String,
    guid: u64,
    pub(super) newest: Newest,
    /// The object directory: names of the pool's own objects.
    directory: Vec<zap::Entry>,
    pub(super) tree: Tree,
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
        let storage = Storage {
            file,
            path: path.to_owned(),
            start,
            size,
            #[cfg(feature = "fuzzing")]
            trusting: false,
        };
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(storage.damaged(format!("has {length} bytes and is cut short")));
        }
        let newest = Newest::read(&storage)?;
        Self::assemble(storage, newest)
    }

    /// The pool that a label and an uberblock lead to.
    pub(super) fn assemble(storage: Storage, newest: Newest) -> Result<Self, Error> {
        let configuration = &newest.configuration;
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

        let mut mos = ObjectSet::open(&newest.root, &storage)?;
        let directory = entries(&mut mos.object(1, &storage)?, &storage)?;
        let number = |name: &str| number(&directory, name);
        if let Some(features) = number("features_for_read") {
            let features = entries(&mut mos.object(features, &storage)?, &storage)?;
            let active = features.iter().filter(|entry| entry.number() != Some(0));
            check_features(active.filter_map(|e| std::str::from_utf8(&e.name).ok()), &storage)?;
        }
        let first = number("root_dataset").ok_or_else(|| storage.damaged("no root dataset"))?;
        let tree = Tree::read(&name, first, &mut mos, &storage)?;
        Ok(Self { storage, name, guid, newest, directory, tree })
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pool's identifier.
    pub fn guid(&self) -> u64 {
        self.guid
    }

    /// The pool's version: 5000, or 28 and less for pools without features.
    pub fn version(&self) -> u64 {
        self.newest.configuration.get_number("version").unwrap_or(0)
    }

    /// Binary logarithm of the device's sector in bytes.
    pub fn ashift(&self) -> u64 {
        let device = self.newest.configuration.get_list("vdev_tree");
        device.and_then(|device| device.get_number("ashift")).unwrap_or(0)
    }

    /// The transaction group of the newest uberblock.
    pub fn txg(&self) -> u64 {
        self.newest.births.1
    }

    /// The full names of all datasets and snapshots (`dataset@snapshot`), sorted.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.tree.visible().map(|head| head.name.as_str())
    }

    /// Opens a file system by its full name, e.g. `rpool/ROOT/ramdisk`.
    pub fn dataset(&self, name: &str) -> Result<Dataset<'_>, Error> {
        match self.tree.visible().find(|head| head.name == name) {
            Some(head) => Dataset::open(&head.name, &head.pointer, &self.storage),
            None => Err(Error::NotThere {
                path: self.storage.path.clone(),
                name: format!("dataset {name}"),
            }),
        }
    }

    /// A number in the pool's object directory.
    pub(super) fn directory_number(&self, name: &str) -> Option<u64> {
        number(&self.directory, name)
    }
}

fn number(directory: &[zap::Entry], name: &str) -> Option<u64> {
    directory.iter().find(|entry| entry.name == name.as_bytes()).and_then(zap::Entry::number)
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
