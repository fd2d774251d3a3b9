//! Object sets: numbered objects and the block that roots them.

use crate::Error;
use crate::block_pointer::BlockPointer;
use crate::bytes::put_u64;
use crate::compression::Codec;
use crate::device::{Account, Device};
use crate::dnode::{DNODE_SIZE, Dnode, META_DNODE, OBJECT_SET, pointer_count};
use crate::tree::{LARGEST_INDIRECT, Shape, Tree};
use crate::zap;

/// Bytes in a block of dnodes.
const DNODE_BLOCK: usize = 16 << 10;
const DNODES_PER_BLOCK: u64 = (DNODE_BLOCK / DNODE_SIZE) as u64;
/// Bytes in the root block: with room for the dnodes of user accounting, which stay zero.
const ROOT_SIZE: usize = 2048;
/// Where the root block says what the set is for.
const OS_TYPE: usize = 704;

/// What an object set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The pool's own objects (the MOS).
    Meta = 1,
    /// A file system.
    FileSystem = 2,
}

/// An object whose data is in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    pub(crate) object_type: u8,
    pub(crate) bonus_type: u8,
    pub(crate) bonus: Vec<u8>,
    /// Bytes in a data block.
    pub(crate) block_size: usize,
    /// Whole blocks.
    pub(crate) data: Vec<u8>,
}

impl Object {
    /// An object with a bonus and no data.
    pub(crate) fn bonus(object_type: u8, bonus_type: u8, bonus: Vec<u8>) -> Self {
        Self { object_type, bonus_type, bonus, block_size: 512, data: Vec::new() }
    }

    /// An object with names and values, of which there are few.
    pub(crate) fn zap(object_type: u8, entries: &[zap::Entry<'_>], number: u64) -> Self {
        let zap = zap::build(entries, zap::salt(number));
        let (block_size, data) = zap.map_or((512, Vec::new()), |z| (z.block_size, z.bytes));
        Self { object_type, block_size, data, ..Self::default() }
    }
}

/// Writes an object set: objects in the order of their numbers, from 1, then the root.
#[derive(Debug)]
pub(crate) struct ObjectSetWriter {
    purpose: Purpose,
    codec: Codec,
    tree: Tree,
    /// The block of dnodes that is being filled.
    dnodes: Vec<u8>,
    fill: u64,
    objects: u64,
    /// Blocks of the objects; those of the dnodes are in the tree.
    account: Account,
}

impl ObjectSetWriter {
    /// Begins a set that will have this many objects.
    pub(crate) fn new(purpose: Purpose, objects: u64, codec: Codec) -> Self {
        let blocks = (objects + 1).div_ceil(DNODES_PER_BLOCK);
        let pointers = pointer_count(0, 0);
        let shape = match purpose {
            Purpose::Meta => Shape::fitting(blocks, pointers),
            // A kernel that adds objects must not need further levels soon: it could not add them
            // safely at any time.
            Purpose::FileSystem => Shape::with_indirect(blocks, pointers, LARGEST_INDIRECT, 2),
        };
        Self {
            purpose,
            codec,
            tree: Tree::new(shape, META_DNODE, codec),
            dnodes: vec![0; DNODE_SIZE], // object 0 does not exist
            fill: 0,
            objects: 0,
            account: Account::default(),
        }
    }

    /// The number the next object gets.
    pub(crate) fn next_object(&self) -> u64 {
        self.objects + 1
    }

    /// Adds blocks that belong to an object.
    pub(crate) fn count(&mut self, account: Account) {
        self.account.add(account);
    }

    /// Bytes allocated for blocks of objects; those of the dnodes are not among them.
    pub(crate) fn used(&self) -> u64 {
        self.account.used
    }

    /// How metadata is stored.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Adds an object whose blocks are stored and counted already.
    pub(crate) fn add_dnode(
        &mut self,
        dnode: &Dnode,
        device: &mut Device<'_>,
    ) -> Result<u64, Error> {
        self.dnodes.extend_from_slice(&dnode.to_bytes());
        self.fill += 1;
        self.objects += 1;
        if self.dnodes.len() == DNODE_BLOCK {
            self.store_dnodes(device)?;
        }
        Ok(self.objects)
    }

    /// Stores an object whose data is in memory and adds it.
    pub(crate) fn add(&mut self, object: Object, device: &mut Device<'_>) -> Result<u64, Error> {
        let pointers = pointer_count(object.bonus_type, object.bonus.len());
        let block_size = object.block_size.max(512);
        let blocks = object.data.len().div_ceil(block_size) as u64;
        let shape = Shape::fitting(blocks, pointers);
        let mut tree = Tree::new(shape, object.object_type, self.codec);
        for chunk in object.data.chunks(block_size) {
            let mut bytes = chunk.to_vec();
            bytes.resize(block_size, 0);
            let block = self.codec.leaf(bytes);
            let pointer = device.store(&block, object.object_type, 0, 1, &mut tree.account)?;
            tree.push(pointer, device)?;
        }
        let last_block = tree.last_block();
        let (pointers, account) = tree.finish(device)?;
        self.count(account);
        let dnode = Dnode {
            object_type: object.object_type,
            indirect_shift: shape.indirect_shift,
            levels: shape.levels,
            pointers,
            bonus_type: object.bonus_type,
            bonus: object.bonus,
            block_size,
            last_block,
            used: account.used,
            spill: None,
        };
        self.add_dnode(&dnode, device)
    }

    /// Stores the last dnodes and the root; its pointer, and everything stored for the set.
    pub(crate) fn finish(
        mut self,
        device: &mut Device<'_>,
    ) -> Result<(BlockPointer, Account), Error> {
        if self.fill > 0 {
            self.dnodes.resize(DNODE_BLOCK, 0);
            self.store_dnodes(device)?;
        }
        let (shape, last_block) = (self.tree.shape(), self.tree.last_block());
        let (pointers, account) = self.tree.finish(device)?;
        self.account.add(account);
        let meta_dnode = Dnode {
            object_type: META_DNODE,
            indirect_shift: shape.indirect_shift,
            levels: shape.levels,
            pointers,
            bonus_type: 0,
            bonus: Vec::new(),
            block_size: DNODE_BLOCK,
            last_block,
            used: account.used,
            spill: None,
        };
        let mut root = vec![0; ROOT_SIZE];
        root[..DNODE_SIZE].copy_from_slice(&meta_dnode.to_bytes());
        put_u64(&mut root, OS_TYPE, self.purpose as u64);
        let block = self.codec.block(root);
        let pointer = device.store(&block, OBJECT_SET, 0, self.objects, &mut self.account)?;
        Ok((pointer, self.account))
    }

    fn store_dnodes(&mut self, device: &mut Device<'_>) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.dnodes);
        let fill = std::mem::take(&mut self.fill);
        let block = self.codec.block(bytes);
        let pointer = device.store(&block, META_DNODE, 0, fill, &mut self.tree.account)?;
        self.tree.push(pointer, device)
    }
}
