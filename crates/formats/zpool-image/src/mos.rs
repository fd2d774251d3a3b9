//! The pool's own objects (the MOS): datasets, properties, space maps, configuration.

mod datasets;
mod features;
mod objects;

use datasets::Tree;
use objects::{Objects, empty_block_list};

use crate::Error;
use crate::block_pointer::BlockPointer;
use crate::bytes::put_words;
use crate::compression::Codec;
use crate::device::{Account, Device};
use crate::dnode::{
    OBJECT_ARRAY, OBJECT_DIRECTORY, PACKED_NVLIST, PACKED_NVLIST_SIZE, POOL_PROPERTIES, SPACE_MAP,
    SPACE_MAP_HEADER,
};
use crate::identity::Identity;
use crate::label::Configuration;
use crate::object_set::{Object, ObjectSetWriter, Purpose};
use crate::options::{Failmode, PoolOptions};
use crate::space_map;
use crate::zap::Entry;

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
