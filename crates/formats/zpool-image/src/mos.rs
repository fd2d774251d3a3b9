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
use crate::dsl::{DEADLIST_SIZE, Dataset, Directory, ORIGIN_BIRTH};
use crate::identity::Identity;
use crate::label::Configuration;
use crate::object_set::{Object, ObjectSetWriter, Purpose};
use crate::options::{Failmode, PoolOptions, Property};
use crate::space_map;
use crate::zap::{Entry, Value};
use crate::{Error, options};

// The fixed objects, in their order.
const DIRECTORY: u64 = 1;
const CONFIGURATION: u64 = 2;
const BLOCKS_TO_FREE: u64 = 3;
const DEFERRED_FREES: u64 = 4;
const FEATURES_FOR_READ: u64 = 5;
const FEATURES_FOR_WRITE: u64 = 6;
const FEATURE_DESCRIPTIONS: u64 = 7;
const PROPERTIES: u64 = 8;
/// The object with the list of space maps, which labels name.
pub(crate) const METASLAB_ARRAY: u64 = 9;

/// Block size of the packed configuration.
const CONFIGURATION_BLOCK: usize = 16 << 10;

/// What the pool's own objects are about.
#[derive(Debug)]
pub(crate) struct Mos<'a> {
    pub(crate) options: &'a PoolOptions,
    pub(crate) version: u64,
    /// The written file systems: the root dataset, then those of the options in their order.
    pub(crate) datasets: &'a [(BlockPointer, Account)],
    pub(crate) identity: &'a Identity,
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
        self.fixed(configuration, &tree, &mut objects);
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

    fn fixed(&self, configuration: &Configuration<'_>, tree: &Tree, objects: &mut Objects) {
        let mut directory = vec![
            Entry::number("config", CONFIGURATION),
            Entry::number("creation_version", self.version),
            Entry::number("deflate", 1),
            Entry::number("free_bpobj", DEFERRED_FREES),
            Entry::number("pool_props", PROPERTIES),
            Entry::number("root_dataset", tree.root),
            Entry::number("sync_bplist", BLOCKS_TO_FREE),
        ];
        if self.version >= 5000 {
            directory.push(Entry::number("feature_descriptions", FEATURE_DESCRIPTIONS));
            directory.push(Entry::number("features_for_read", FEATURES_FOR_READ));
            directory.push(Entry::number("features_for_write", FEATURES_FOR_WRITE));
        }
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
        for number in [FEATURES_FOR_READ, FEATURES_FOR_WRITE, FEATURE_DESCRIPTIONS] {
            objects.set_zap(number, METADATA_ZAP, &[]);
        }

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

        // Which directory lies in which, by place; the root dataset is the first.
        let parents: Vec<Option<usize>> = std::iter::once(None)
            .chain(datasets.iter().map(|dataset| {
                let parent = dataset.name.rsplit_once('/').map(|(parent, _)| parent);
                Some(parent.and_then(|p| self.options.dataset_index(p)).map_or(0, |i| i + 1))
            }))
            .collect();
        let mut below = vec![Account::default(); directories.len()];
        for index in (1..directories.len()).rev() {
            let mut total = self.datasets[index].1;
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
                own: self.datasets[index].1,
                children: below[index],
            };
            objects.set_directory(directories[index], &directory);

            let name = index.checked_sub(1).map_or("", |i| datasets[i].name.as_str());
            let (pointer, account) = self.datasets[index];
            let dataset = Dataset {
                directory: directories[index],
                previous_snapshot: origin_snapshot,
                previous_snapshot_birth: ORIGIN_BIRTH,
                next_snapshot: 0,
                snapshot_names: objects.add_zap(DSL_SNAPSHOT_NAMES, &[]),
                children: 0,
                creation_time: time,
                creation_birth: BIRTH,
                deadlist: objects.deadlist(true),
                account,
                fsid: self.identity.fsid(&format!("fsid of dataset {name}")),
                guid: self.identity.guid(&format!("guid of dataset {name}")),
                pointer,
                next_clones: 0,
            };
            objects.set_dataset(heads[index], &dataset);
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
        self.origin(root, origin, origin_head, origin_snapshot, &heads, objects);
        let bootfs = self.options.bootfs.as_ref();
        let bootfs = bootfs.and_then(|name| self.options.dataset_index(name));
        Tree { root, bootfs: bootfs.map(|index| heads[index + 1]) }
    }

    /// The empty dataset with the snapshot from which all others stem.
    fn origin(
        &self,
        root: u64,
        number: u64,
        head: u64,
        snapshot: u64,
        heads: &[u64],
        objects: &mut Objects,
    ) {
        let time = self.options.timestamp;
        let names: Vec<String> = heads.iter().map(|head| format!("{head:x}")).collect();
        let clones: Vec<_> =
            names.iter().zip(heads).map(|(name, head)| Entry::number(name, *head)).collect();
        let directory = Directory {
            creation_time: time,
            head,
            parent: root,
            child_map: objects.child_map(&[]),
            properties: objects.properties(&[], self.identity),
            clones: objects.add_zap(DSL_CLONES, &clones),
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
            deadlist: objects.deadlist(true),
            account: Account::default(),
            fsid: self.identity.fsid("fsid of the origin"),
            guid: self.identity.guid("guid of the origin"),
            pointer: BlockPointer::Hole,
            next_clones: 0,
        };
        objects.set_dataset(head, &dataset);
        let dataset = Dataset {
            directory: number,
            previous_snapshot: 0,
            previous_snapshot_birth: 0,
            next_snapshot: head,
            snapshot_names: 0,
            children: 1 + heads.len() as u64,
            creation_time: time,
            creation_birth: ORIGIN_BIRTH,
            deadlist: objects.deadlist(false),
            account: Account::default(),
            fsid: self.identity.fsid("fsid of the origin's snapshot"),
            guid: self.identity.guid("guid of the origin's snapshot"),
            pointer: BlockPointer::Hole,
            next_clones: objects.add_zap(NEXT_CLONES, &clones),
        };
        objects.set_dataset(snapshot, &dataset);
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

    fn set_dataset(&mut self, number: u64, dataset: &Dataset) {
        self.set(number, Object::bonus(DSL_DATASET, DSL_DATASET, dataset.to_bytes()));
    }

    /// A list of blocks that died since the last snapshot: none. A dataset's own has a first
    /// empty part, a snapshot's has none.
    fn deadlist(&mut self, with_part: bool) -> u64 {
        let part = with_part.then(|| self.add(empty_block_list()));
        let entries: Vec<_> = part.iter().map(|part| Entry::number("0", *part)).collect();
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
