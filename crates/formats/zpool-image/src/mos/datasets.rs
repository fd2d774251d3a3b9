//! The directories of datasets, the datasets and their snapshots.

use super::Mos;
use super::objects::Objects;
use crate::block_pointer::{BIRTH, BlockPointer};
use crate::compression::Compression;
use crate::device::Account;
use crate::dnode::{DSL_CLONES, DSL_SNAPSHOT_NAMES, NEXT_CLONES};
use crate::dsl::{Dataset, Directory, ORIGIN_BIRTH, SNAPSHOT_BIRTH};
use crate::options;
use crate::options::{PoolOptions, Property};
use crate::zap::Entry;

/// Where to find what other objects point to.
pub(super) struct Tree {
    /// The directory of the root dataset.
    pub(super) root: u64,
    /// The dataset to boot from.
    pub(super) bootfs: Option<u64>,
}

/// The object numbers of all datasets. The root dataset is the first of each list, then come those
/// of the options in their order.
struct Numbers<'a> {
    free: u64,
    meta: u64,
    origin: Origin,
    directories: Vec<u64>,
    heads: Vec<u64>,
    /// Names and numbers of the snapshots.
    snapshots: Vec<Option<(&'a str, u64)>>,
}

/// The empty dataset from whose snapshot all others stem.
struct Origin {
    directory: u64,
    head: u64,
    snapshot: u64,
}

impl Mos<'_> {
    /// The directories of datasets, and the datasets.
    pub(super) fn dataset_tree(&self, own: Account, objects: &mut Objects) -> Tree {
        let numbers = self.reserve(objects);
        let parents = self.parents();
        let below = self.below(&parents, own);
        for (index, below) in below.into_iter().enumerate() {
            self.directory(index, below, &parents, &numbers, objects);
            self.head(index, &numbers, objects);
        }
        let root = numbers.directories[0];
        for (number, own) in [(numbers.free, Account::default()), (numbers.meta, own)] {
            let directory = Directory {
                creation_time: self.options.timestamp,
                parent: root,
                child_map: objects.child_map(&[]),
                properties: objects.properties(&[], self.identity),
                own,
                ..Directory::default()
            };
            objects.set_directory(number, &directory);
        }
        self.origin(&numbers, objects);
        let bootfs = self.options.bootfs.as_ref();
        let bootfs = bootfs.and_then(|name| self.options.dataset_index(name));
        Tree { root, bootfs: bootfs.map(|index| numbers.heads[index + 1]) }
    }

    fn reserve(&self, objects: &mut Objects) -> Numbers<'_> {
        let datasets = &self.options.datasets;
        let root = objects.reserve();
        let [free, meta, origin] = std::array::from_fn(|_| objects.reserve());
        let directories: Vec<u64> =
            std::iter::once(root).chain(datasets.iter().map(|_| objects.reserve())).collect();
        let origin =
            Origin { directory: origin, head: objects.reserve(), snapshot: objects.reserve() };
        let heads = directories.iter().map(|_| objects.reserve()).collect();
        let names = std::iter::once(None).chain(datasets.iter().map(|d| d.snapshot.as_deref()));
        let snapshots = names.map(|name| name.map(|name| (name, objects.reserve()))).collect();
        Numbers { free, meta, origin, directories, heads, snapshots }
    }

    /// In which directory each one lies, by place.
    fn parents(&self) -> Vec<Option<usize>> {
        let of = |dataset: &options::Dataset| {
            let parent = dataset.name.rsplit_once('/').map(|(parent, _)| parent);
            Some(parent.and_then(|p| self.options.dataset_index(p)).map_or(0, |index| index + 1))
        };
        std::iter::once(None).chain(self.options.datasets.iter().map(of)).collect()
    }

    /// What all datasets below each one take; the pool's own objects count below the root.
    fn below(&self, parents: &[Option<usize>], own: Account) -> Vec<Account> {
        let mut below = vec![Account::default(); parents.len()];
        for index in (0..parents.len()).rev() {
            let mut total = self.datasets[index].account;
            total.add(below[index]);
            if let Some(parent) = parents[index] {
                below[parent].add(total);
            }
        }
        below[0].add(own);
        below
    }

    fn directory(
        &self,
        index: usize,
        below: Account,
        parents: &[Option<usize>],
        numbers: &Numbers<'_>,
        objects: &mut Objects,
    ) {
        let datasets = &self.options.datasets;
        let children = datasets.iter().zip(&numbers.directories[1..]).zip(&parents[1..]);
        let mut names: Vec<(&str, u64)> = children
            .filter(|(_, parent)| **parent == Some(index))
            .map(|((dataset, directory), _)| {
                let name = &dataset.name;
                (name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name), *directory)
            })
            .collect();
        let properties = match index.checked_sub(1) {
            None => {
                let origin = numbers.origin.directory;
                names.extend([
                    ("$FREE", numbers.free),
                    ("$MOS", numbers.meta),
                    ("$ORIGIN", origin),
                ]);
                self.root_properties()
            }
            Some(index) => dataset_properties(&datasets[index]),
        };
        names.sort();
        let directory = Directory {
            creation_time: self.options.timestamp,
            head: numbers.heads[index],
            parent: parents[index].map_or(0, |parent| numbers.directories[parent]),
            origin: numbers.origin.snapshot,
            child_map: objects.child_map(&names),
            properties: objects.properties(&properties, self.identity),
            clones: 0,
            own: self.datasets[index].account,
            children: below,
        };
        objects.set_directory(numbers.directories[index], &directory);
    }

    /// A dataset, and its snapshot if it has one.
    fn head(&self, index: usize, numbers: &Numbers<'_>, objects: &mut Objects) {
        let name = index.checked_sub(1).map_or("", |i| self.options.datasets[i].name.as_str());
        let root = self.datasets[index];
        let snapshot = numbers.snapshots[index];
        let (previous_snapshot, previous_snapshot_birth) = match snapshot {
            Some((_, number)) => (number, SNAPSHOT_BIRTH),
            None => (numbers.origin.snapshot, ORIGIN_BIRTH),
        };
        let names: Vec<_> =
            snapshot.iter().map(|(name, number)| Entry::number(*name, *number)).collect();
        // A snapshot takes the list of its dataset, which gets one with a part more.
        let parts: &[&str] = if snapshot.is_some() { &["0", "1"] } else { &["0"] };
        let head = Dataset {
            directory: numbers.directories[index],
            previous_snapshot,
            previous_snapshot_birth,
            next_snapshot: 0,
            snapshot_names: objects.add_zap(DSL_SNAPSHOT_NAMES, &names),
            children: 0,
            creation_time: self.options.timestamp,
            creation_birth: BIRTH,
            deadlist: objects.deadlist(parts),
            account: root.account,
            unique: if snapshot.is_some() { 0 } else { root.account.used },
            fsid: self.identity.fsid(&format!("fsid of dataset {name}")),
            guid: self.identity.guid(&format!("guid of dataset {name}")),
            pointer: root.pointer,
            next_clones: 0,
        };
        objects.set_dataset(numbers.heads[index], &head, root.large_blocks);
        if let Some((snapshot, number)) = snapshot {
            let dataset = Dataset {
                previous_snapshot: numbers.origin.snapshot,
                previous_snapshot_birth: ORIGIN_BIRTH,
                next_snapshot: numbers.heads[index],
                snapshot_names: 0,
                children: 1,
                creation_birth: SNAPSHOT_BIRTH,
                deadlist: objects.deadlist(&["0"]),
                fsid: self.identity.fsid(&format!("fsid of snapshot {name}@{snapshot}")),
                guid: self.identity.guid(&format!("guid of snapshot {name}@{snapshot}")),
                ..head
            };
            objects.set_dataset(number, &dataset, root.large_blocks);
        }
    }

    /// The empty dataset with the snapshot from which all others stem.
    fn origin(&self, numbers: &Numbers<'_>, objects: &mut Objects) {
        let time = self.options.timestamp;
        let Origin { directory: number, head, snapshot } = numbers.origin;
        let heads = &numbers.heads;
        // What follows the origin in each dataset: its snapshot, or the dataset itself.
        let followers: Vec<u64> = heads
            .iter()
            .zip(&numbers.snapshots)
            .map(|(head, snapshot)| snapshot.map_or(*head, |(_, number)| number))
            .collect();
        let directory = Directory {
            creation_time: time,
            head,
            parent: numbers.directories[0],
            child_map: objects.child_map(&[]),
            properties: objects.properties(&[], self.identity),
            clones: objects.add_set(DSL_CLONES, heads),
            ..Directory::default()
        };
        objects.set_directory(number, &directory);
        let names = [Entry::number("$ORIGIN", snapshot)];
        let dataset = Dataset {
            directory: number,
            previous_snapshot: snapshot,
            previous_snapshot_birth: ORIGIN_BIRTH,
            next_snapshot: 0,
            snapshot_names: objects.add_zap(DSL_SNAPSHOT_NAMES, &names),
            children: 0,
            creation_time: time,
            creation_birth: ORIGIN_BIRTH,
            deadlist: objects.deadlist(&["0"]),
            account: Account::default(),
            unique: 0,
            fsid: self.identity.fsid("fsid of the origin"),
            guid: self.identity.guid("guid of the origin"),
            pointer: BlockPointer::Hole,
            next_clones: 0,
        };
        objects.set_dataset(head, &dataset, false);
        let dataset = Dataset {
            directory: number,
            previous_snapshot: 0,
            previous_snapshot_birth: 0,
            next_snapshot: head,
            snapshot_names: 0,
            children: 1 + heads.len() as u64,
            creation_time: time,
            creation_birth: ORIGIN_BIRTH,
            deadlist: objects.deadlist(&[]),
            account: Account::default(),
            unique: 0,
            fsid: self.identity.fsid("fsid of the origin's snapshot"),
            guid: self.identity.guid("guid of the origin's snapshot"),
            pointer: BlockPointer::Hole,
            next_clones: objects.add_set(NEXT_CLONES, &followers),
        };
        objects.set_dataset(snapshot, &dataset, false);
    }

    fn root_properties(&self) -> Vec<(String, Property)> {
        let defaults = PoolOptions::ramdisk();
        let mut properties = Vec::new();
        if self.options.compression != Compression::Off {
            properties.push(compression(self.options.compression));
        }
        if self.options.record_size != defaults.record_size {
            properties.push(record_size(self.options.record_size));
        }
        properties
    }
}

fn compression(value: Compression) -> (String, Property) {
    ("compression".to_owned(), Property::Number(value.code().into()))
}

fn record_size(value: u32) -> (String, Property) {
    ("recordsize".to_owned(), Property::Number(value.into()))
}

fn dataset_properties(dataset: &options::Dataset) -> Vec<(String, Property)> {
    let mut properties = dataset.properties.clone();
    properties.extend(dataset.compression.map(compression));
    properties.extend(dataset.record_size.map(record_size));
    properties
}
