//! The pool's own objects (the MOS): datasets, properties, space maps, configuration.

use crate::block_pointer::{BIRTH, BlockPointer};
use crate::bytes::put_words;
use crate::compression::{Codec, Compression};
use crate::device::{Account, Device};
use crate::dnode::{
    BPOBJ, BPOBJ_HEADER, DEADLIST, DEADLIST_HEADER, DSL_CHILD_MAP, DSL_CLONES, DSL_DATASET,
    DSL_DIR, DSL_PROPERTIES, DSL_SNAPSHOT_NAMES, METADATA_ZAP, NEXT_CLONES, OBJECT_ARRAY,
    OBJECT_DIRECTORY, PACKED_NVLIST, PACKED_NVLIST_SIZE, POOL_PROPERTIES, SPACE_MAP,
    SPACE_MAP_HEADER,
};
use crate::dsl::{DEADLIST_SIZE, Dataset, Directory, ORIGIN_BIRTH, SNAPSHOT_BIRTH};
use crate::identity::Identity;
use crate::label::Configuration;
use crate::object_set::{Object, ObjectSetWriter, Purpose};
use crate::options::{Failmode, PoolOptions, Property, Version};
use crate::space_map;
use crate::zap::{Entry, Value};
use crate::{Error, Feature, options};

// The fixed objects, in their order.
const DIRECTORY: u64 = 1;
const CONFIGURATION: u64 = 2;
const BLOCKS_TO_FREE: u64 = 3;
const DEFERRED_FREES: u64 = 4;
const PROPERTIES: u64 = 5;
/// The object with the list of space maps, which labels name.
pub(crate) const METASLAB_ARRAY: u64 = 6;

/// Block size of the packed configuration.
const CONFIGURATION_BLOCK: usize = 16 << 10;

/// What the pool's own objects are about.
#[derive(Debug)]
pub(crate) struct Mos<'a> {
    pub(crate) options: &'a PoolOptions,
    /// The written file systems: the root dataset, then those of the options in their order.
    pub(crate) datasets: &'a [Root],
    pub(crate) identity: &'a Identity,
}

/// A written file system, as the pool's own objects know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Root {
    pub(crate) pointer: BlockPointer,
    pub(crate) account: Account,
    /// Whether any block is larger than 128 KiB.
    pub(crate) large_blocks: bool,
}

/// What these objects say of the space that they themselves take: known from writing them once
/// for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space {
    /// Number of metaslabs of the device.
    pub(crate) metaslabs: u64,
    /// Bytes used of each metaslab, from the first.
    pub(crate) used: Vec<u64>,
    /// These objects' own blocks.
    pub(crate) own: Account,
}

impl Mos<'_> {
    /// Writes the objects; the pointer to them, and their blocks.
    pub(crate) fn write(
        &self,
        configuration: &Configuration<'_>,
        space: &Space,
        device: &mut Device<'_>,
    ) -> Result<(BlockPointer, Account), Error> {
        let mut objects = Objects(vec![Object::default(); METASLAB_ARRAY as usize]);
        let tree = self.dataset_tree(space.own, &mut objects);
        let tables = self.feature_tables(&mut objects);
        self.fixed(configuration, &tree, &tables, &mut objects);
        let (ashift, shift) = (device.allocator.ashift(), device.allocator.metaslab_shift());
        debug_assert!(space.used.iter().all(|used| *used <= 1 << shift));
        space_maps(space, ashift, &mut objects);
        // Not compressed: sizes must not depend on what the space maps say of them.
        let codec = Codec::plain(ashift);
        let mut set = ObjectSetWriter::new(Purpose::Meta, objects.0.len() as u64, codec);
        for object in objects.0 {
            set.add(object, device)?;
        }
        set.finish(device)
    }

    fn fixed(
        &self,
        configuration: &Configuration<'_>,
        tree: &Tree,
        feature_tables: &[(&str, u64)],
        objects: &mut Objects,
    ) {
        let mut directory = vec![
            Entry::number("config", CONFIGURATION),
            Entry::number("creation_version", self.options.version.number()),
            Entry::number("deflate", 1),
            Entry::number("free_bpobj", DEFERRED_FREES),
            Entry::number("pool_props", PROPERTIES),
            Entry::number("root_dataset", tree.root),
            Entry::number("sync_bplist", BLOCKS_TO_FREE),
        ];
        directory.extend(feature_tables.iter().map(|(name, table)| Entry::number(*name, *table)));
        objects.set_zap(DIRECTORY, OBJECT_DIRECTORY, &directory);

        let packed = configuration.pool().pack();
        let object = Object {
            object_type: PACKED_NVLIST,
            bonus_type: PACKED_NVLIST_SIZE,
            bonus: (packed.len() as u64).to_le_bytes().to_vec(),
            block_size: CONFIGURATION_BLOCK,
            data: packed,
        };
        objects.set(CONFIGURATION, object);

        objects.set(BLOCKS_TO_FREE, empty_block_list());
        objects.set(DEFERRED_FREES, empty_block_list());

        let mut properties = Vec::new();
        if self.options.autoexpand {
            properties.push(Entry::number("autoexpand", 1));
        }
        if let Some(dataset) = tree.bootfs {
            properties.push(Entry::number("bootfs", dataset));
        }
        match self.options.failmode {
            Failmode::Wait => {}
            Failmode::Continue => properties.push(Entry::number("failmode", 1)),
            Failmode::Panic => properties.push(Entry::number("failmode", 2)),
        }
        objects.set_zap(PROPERTIES, POOL_PROPERTIES, &properties);
    }

    /// The tables of features, by their names in the object directory: how often each enabled
    /// feature is in use, and what it is.
    fn feature_tables(&self, objects: &mut Objects) -> Vec<(&'static str, u64)> {
        if self.options.version < Version::V5000 {
            return Vec::new();
        }
        let features: Vec<(Feature, String)> =
            self.options.features.iter().map(|f| (*f, f.identifier())).collect();
        let mut table = |name, choose: &dyn Fn(Feature) -> Option<u64>| {
            let entries: Vec<_> = features
                .iter()
                .filter_map(|(feature, id)| Some(Entry::number(id, choose(*feature)?)))
                .collect();
            (name, objects.add_zap(METADATA_ZAP, &entries))
        };
        let uses = |feature| self.uses(feature);
        let read = |f: Feature| (!f.is_read_only_compatible()).then(|| uses(f));
        let write = |f: Feature| f.is_read_only_compatible().then(|| uses(f));
        let mut tables =
            vec![table("features_for_read", &read), table("features_for_write", &write)];
        if self.options.has(Feature::EnabledTxg) {
            tables.push(table("feature_enabled_txg", &|_| Some(BIRTH)));
        }
        let descriptions: Vec<_> =
            features.iter().map(|(f, id)| (id, terminated(f.description()))).collect();
        let descriptions: Vec<_> = descriptions
            .iter()
            .map(|(id, text)| Entry { name: id.as_bytes(), value: Value::Bytes(text) })
            .collect();
        tables.push(("feature_descriptions", objects.add_zap(METADATA_ZAP, &descriptions)));
        tables
    }

    /// Identifiers of the features that labels name.
    pub(crate) fn label_features(&self) -> Vec<String> {
        let features = self.options.features.iter();
        features
            .filter(|feature| feature.is_in_label() && self.uses(**feature) > 0)
            .map(|feature| feature.identifier())
            .collect()
    }

    /// How often a feature is in use.
    fn uses(&self, feature: Feature) -> u64 {
        let in_datasets = || {
            let snapshots = |index: usize| match index.checked_sub(1) {
                Some(index) => u64::from(self.options.datasets[index].snapshot.is_some()),
                None => 0,
            };
            let large = self.datasets.iter().enumerate().filter(|(_, root)| root.large_blocks);
            large.map(|(index, _)| 1 + snapshots(index)).sum()
        };
        match feature {
            Feature::EnabledTxg => 1,
            Feature::LargeBlocks | Feature::ExtensibleDataset => in_datasets(),
            _ => feature.is_used_at_once().into(),
        }
    }

    /// The directories of datasets, and the datasets.
    fn dataset_tree(&self, own: Account, objects: &mut Objects) -> Tree {
        let time = self.options.timestamp;
        let datasets = &self.options.datasets;
        let root = objects.reserve();
        let special = ["$FREE", "$MOS", "$ORIGIN"].map(|name| (name, objects.reserve()));
        let [(_, free), (_, meta), (_, origin)] = special;
        let directories: Vec<u64> =
            std::iter::once(root).chain(datasets.iter().map(|_| objects.reserve())).collect();
        let origin_head = objects.reserve();
        let origin_snapshot = objects.reserve();
        let heads: Vec<u64> = directories.iter().map(|_| objects.reserve()).collect();
        let named = std::iter::once(None).chain(datasets.iter().map(|d| d.snapshot.as_deref()));
        let snapshots: Vec<Option<(&str, u64)>> =
            named.map(|name| name.map(|name| (name, objects.reserve()))).collect();

        // Which directory lies in which, by place; the root dataset is the first.
        let parents: Vec<Option<usize>> = std::iter::once(None)
            .chain(datasets.iter().map(|dataset| {
                let parent = dataset.name.rsplit_once('/').map(|(parent, _)| parent);
                Some(parent.and_then(|p| self.options.dataset_index(p)).map_or(0, |i| i + 1))
            }))
            .collect();
        let mut below = vec![Account::default(); directories.len()];
        for index in (1..directories.len()).rev() {
            let mut total = self.datasets[index].account;
            total.add(below[index]);
            if let Some(parent) = parents[index] {
                below[parent].add(total);
            }
        }
        below[0].add(own);

        for index in 0..directories.len() {
            let children = datasets.iter().zip(&directories[1..]).zip(&parents[1..]);
            let mut names: Vec<(&str, u64)> = children
                .filter(|(_, parent)| **parent == Some(index))
                .map(|((dataset, directory), _)| {
                    let name = &dataset.name;
                    (name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name), *directory)
                })
                .collect();
            let properties = match index {
                0 => {
                    names.extend(special);
                    self.root_properties()
                }
                _ => dataset_properties(&datasets[index - 1]),
            };
            names.sort();
            let directory = Directory {
                creation_time: time,
                head: heads[index],
                parent: parents[index].map_or(0, |parent| directories[parent]),
                origin: origin_snapshot,
                child_map: objects.child_map(&names),
                properties: objects.properties(&properties, self.identity),
                clones: 0,
                own: self.datasets[index].account,
                children: below[index],
            };
            objects.set_directory(directories[index], &directory);

            let name = index.checked_sub(1).map_or("", |i| datasets[i].name.as_str());
            let root = self.datasets[index];
            let snapshot = snapshots[index];
            let (previous_snapshot, previous_snapshot_birth) = match snapshot {
                Some((_, number)) => (number, SNAPSHOT_BIRTH),
                None => (origin_snapshot, ORIGIN_BIRTH),
            };
            let names: Vec<_> =
                snapshot.iter().map(|(name, number)| Entry::number(*name, *number)).collect();
            // A snapshot takes the list of its dataset, which gets one with a part more.
            let parts: &[&str] = if snapshot.is_some() { &["0", "1"] } else { &["0"] };
            let head = Dataset {
                directory: directories[index],
                previous_snapshot,
                previous_snapshot_birth,
                next_snapshot: 0,
                snapshot_names: objects.add_zap(DSL_SNAPSHOT_NAMES, &names),
                children: 0,
                creation_time: time,
                creation_birth: BIRTH,
                deadlist: objects.deadlist(parts),
                account: root.account,
                unique: if snapshot.is_some() { 0 } else { root.account.used },
                fsid: self.identity.fsid(&format!("fsid of dataset {name}")),
                guid: self.identity.guid(&format!("guid of dataset {name}")),
                pointer: root.pointer,
                next_clones: 0,
            };
            objects.set_dataset(heads[index], &head, root.large_blocks);
            if let Some((snapshot, number)) = snapshot {
                let dataset = Dataset {
                    previous_snapshot: origin_snapshot,
                    previous_snapshot_birth: ORIGIN_BIRTH,
                    next_snapshot: heads[index],
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

        for (number, own) in [(free, Account::default()), (meta, own)] {
            let directory = Directory {
                creation_time: time,
                parent: root,
                child_map: objects.child_map(&[]),
                properties: objects.properties(&[], self.identity),
                own,
                ..Directory::default()
            };
            objects.set_directory(number, &directory);
        }
        // What follows the origin in each dataset: its snapshot, or the dataset itself.
        let followers: Vec<u64> = heads
            .iter()
            .zip(&snapshots)
            .map(|(head, snapshot)| snapshot.map_or(*head, |(_, number)| number))
            .collect();
        self.origin(root, [origin, origin_head, origin_snapshot], &heads, &followers, objects);
        let bootfs = self.options.bootfs.as_ref();
        let bootfs = bootfs.and_then(|name| self.options.dataset_index(name));
        Tree { root, bootfs: bootfs.map(|index| heads[index + 1]) }
    }

    /// The empty dataset with the snapshot from which all others stem.
    fn origin(
        &self,
        root: u64,
        [number, head, snapshot]: [u64; 3],
        heads: &[u64],
        followers: &[u64],
        objects: &mut Objects,
    ) {
        let time = self.options.timestamp;
        let directory = Directory {
            creation_time: time,
            head,
            parent: root,
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
            next_clones: objects.add_set(NEXT_CLONES, followers),
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

struct Tree {
    /// The directory of the root dataset.
    root: u64,
    /// The dataset to boot from.
    bootfs: Option<u64>,
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

fn empty_block_list() -> Object {
    Object::bonus(BPOBJ, BPOBJ_HEADER, vec![0; 48])
}

/// The list of space maps, and a map for every metaslab that is in use.
fn space_maps(space: &Space, ashift: u32, objects: &mut Objects) {
    let mut array = Vec::new();
    for used in &space.used {
        let number = objects.next();
        let data = space_map::entries(*used, ashift);
        let mut bonus = vec![0; 24];
        put_words(&mut bonus, 0, &[number, data.len() as u64, *used]);
        objects.add(Object {
            object_type: SPACE_MAP,
            bonus_type: SPACE_MAP_HEADER,
            bonus,
            block_size: space_map::BLOCK_SIZE,
            data,
        });
        array.extend_from_slice(&number.to_le_bytes());
    }
    array.resize((8 * space.metaslabs as usize).next_multiple_of(512), 0);
    let object = Object {
        object_type: OBJECT_ARRAY,
        block_size: array.len(),
        data: array,
        ..Object::default()
    };
    objects.set(METASLAB_ARRAY, object);
}

/// The objects in the order of their numbers, from 1.
struct Objects(Vec<Object>);

impl Objects {
    fn next(&self) -> u64 {
        self.0.len() as u64 + 1
    }

    fn add(&mut self, object: Object) -> u64 {
        self.0.push(object);
        self.0.len() as u64
    }

    fn reserve(&mut self) -> u64 {
        self.add(Object::default())
    }

    fn set(&mut self, number: u64, object: Object) {
        self.0[number as usize - 1] = object;
    }

    fn set_zap(&mut self, number: u64, object_type: u8, entries: &[Entry<'_>]) {
        self.set(number, Object::zap(object_type, entries, number));
    }

    fn add_zap(&mut self, object_type: u8, entries: &[Entry<'_>]) -> u64 {
        self.add(Object::zap(object_type, entries, self.next()))
    }

    /// A set of object numbers, each under its own name in hexadecimal.
    fn add_set(&mut self, object_type: u8, numbers: &[u64]) -> u64 {
        let names: Vec<String> = numbers.iter().map(|number| format!("{number:x}")).collect();
        let entries: Vec<_> =
            names.iter().zip(numbers).map(|(name, number)| Entry::number(name, *number)).collect();
        self.add_zap(object_type, &entries)
    }

    fn child_map(&mut self, children: &[(&str, u64)]) -> u64 {
        let entries: Vec<_> =
            children.iter().map(|(name, number)| Entry::number(*name, *number)).collect();
        self.add_zap(DSL_CHILD_MAP, &entries)
    }

    fn properties(&mut self, properties: &[(String, Property)], identity: &Identity) -> u64 {
        let values: Vec<(&str, Result<u64, Vec<u8>>)> = properties
            .iter()
            .map(|(name, property)| {
                let value = match property {
                    Property::Number(number) => Ok(*number),
                    Property::Text(text) => Err(terminated(text)),
                    Property::Uuid => Err(terminated(&identity.uuid(name))),
                };
                (name.as_str(), value)
            })
            .collect();
        let entries: Vec<_> = values
            .iter()
            .map(|(name, value)| Entry {
                name: name.as_bytes(),
                value: match value {
                    Ok(number) => Value::Number(*number),
                    Err(text) => Value::Bytes(text),
                },
            })
            .collect();
        self.add_zap(DSL_PROPERTIES, &entries)
    }

    fn set_directory(&mut self, number: u64, directory: &Directory) {
        self.set(number, Object::bonus(DSL_DIR, DSL_DIR, directory.to_bytes()));
    }

    /// A dataset with large blocks names that feature in a table of its own.
    fn set_dataset(&mut self, number: u64, dataset: &Dataset, large_blocks: bool) {
        let object = Object::bonus(DSL_DATASET, DSL_DATASET, dataset.to_bytes());
        let object = if large_blocks {
            let name = Feature::LargeBlocks.identifier();
            let table = Object::zap(METADATA_ZAP, &[Entry::number(&name, 0)], number);
            Object { bonus_type: object.bonus_type, bonus: object.bonus, ..table }
        } else {
            object
        };
        self.set(number, object);
    }

    /// A list of blocks that died since the last snapshot: none. It has an empty part for each
    /// time between two snapshots, named by when it begins.
    fn deadlist(&mut self, parts: &[&str]) -> u64 {
        let parts: Vec<(&str, u64)> =
            parts.iter().map(|name| (*name, self.add(empty_block_list()))).collect();
        let entries: Vec<_> =
            parts.iter().map(|(name, part)| Entry::number(*name, *part)).collect();
        let object = Object {
            bonus_type: DEADLIST_HEADER,
            bonus: vec![0; DEADLIST_SIZE],
            ..Object::zap(DEADLIST, &entries, self.next())
        };
        self.add(object)
    }
}

fn terminated(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}
