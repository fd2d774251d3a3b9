//! Objects and object sets.

use super::block::Storage;
use super::fields::{bits, u16_at, u32_at, u64_at};
use super::pointer::Pointer;
use crate::Error;
use crate::block_pointer::{POINTER_SHIFT, POINTER_SIZE};
use crate::dnode::DNODE_SIZE;

/// Bytes before the pointers of a dnode.
const CORE_SIZE: usize = 64;

/// The head of an object.
#[derive(Debug, Clone)]
pub(super) struct Dnode {
    pub(super) object_type: u8,
    pub(super) bonus_type: u8,
    pub(super) bonus: Vec<u8>,
    pub(super) spill: Option<Pointer>,
    pub(super) block_size: u64,
    pub(super) last_block: u64,
    /// Bytes allocated for all its blocks.
    pub(super) used: u64,
    pub(super) levels: u8,
    pub(super) indirect_shift: u32,
    pub(super) pointers: Vec<Pointer>,
    /// How many places of 512 bytes it takes in its block.
    pub(super) slots: usize,
}

/// An object while its blocks are read: keeps the indirect blocks on the way to the last one.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) dnode: Dnode,
    /// By level: the number of an indirect block, and its bytes.
    path: Vec<Option<(u64, Vec<u8>)>>,
}

/// A file of dnodes.
#[derive(Debug)]
pub(super) struct ObjectSet {
    /// What the set is for: 1 the pool, 2 a file system.
    pub(super) purpose: u64,
    dnodes: Object,
    /// The block of dnodes read last.
    recent: Option<(u64, Vec<u8>)>,
}

impl Dnode {
    /// Reads a dnode at the begin of some bytes; `None` when it cannot be one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let slots = usize::from(*bytes.get(12)?) + 1;
        let bytes = bytes.get(..slots.checked_mul(DNODE_SIZE)?)?;
        let (indirect_shift, levels, count) = (u32::from(bytes[1]), bytes[2], bytes[3]);
        let block_size = u64::from(u16_at(bytes, 8)?) * 512;
        let right = (10..=24).contains(&indirect_shift)
            && (1..=8).contains(&levels)
            && (1..=3).contains(&count)
            && block_size > 0;
        if !right {
            return None;
        }
        let end = CORE_SIZE + POINTER_SIZE * usize::from(count);
        let pointers = (0..usize::from(count))
            .map(|index| Pointer::at(bytes, CORE_SIZE + POINTER_SIZE * index))
            .collect::<Option<_>>()?;
        let bonus = bytes.get(end..end + usize::from(u16_at(bytes, 10)?))?.to_vec();
        let spill = match bytes[7] & 4 {
            0 => None,
            _ => Pointer::at(bytes, bytes.len() - POINTER_SIZE),
        };
        Some(Self {
            object_type: bytes[0],
            bonus_type: bytes[4],
            bonus,
            spill,
            block_size,
            last_block: u64_at(bytes, 16)?,
            // Very old pools count sectors.
            used: u64_at(bytes, 24)?.saturating_mul(if bytes[7] & 1 == 0 { 512 } else { 1 }),
            levels,
            indirect_shift,
            pointers,
            slots,
        })
    }
}

impl Object {
    pub(super) fn new(dnode: Dnode) -> Self {
        let path = vec![None; dnode.levels.into()];
        Self { dnode, path }
    }

    /// A data block; `None` for a hole and beyond the end.
    pub(super) fn block(
        &mut self,
        number: u64,
        storage: &Storage,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self.pointer(0, number, storage)? {
            None => Ok(None),
            Some(pointer) => {
                let Some(block) = storage.block(&pointer)? else { return Ok(None) };
                if block.len() as u64 != self.dnode.block_size {
                    return Err(storage.damaged("a block of another size than its object's"));
                }
                Ok(Some(block))
            }
        }
    }

    /// The pointer to a block of a level.
    fn pointer(
        &mut self,
        level: u8,
        number: u64,
        storage: &Storage,
    ) -> Result<Option<Pointer>, Error> {
        if level + 1 == self.dnode.levels {
            return Ok(usize::try_from(number)
                .ok()
                .and_then(|n| self.dnode.pointers.get(n))
                .copied());
        }
        let shift = self.dnode.indirect_shift - POINTER_SHIFT;
        let (above, slot) = (number >> shift, bits(number, 0, shift) as usize);
        let place = usize::from(level) + 1;
        if self.path[place].as_ref().is_none_or(|(there, _)| *there != above) {
            let Some(pointer) = self.pointer(level + 1, above, storage)? else { return Ok(None) };
            let Some(block) = storage.block(&pointer)? else { return Ok(None) };
            self.path[place] = Some((above, block));
        }
        let block = self.path[place].as_ref().map_or(&[][..], |(_, block)| block);
        match Pointer::at(block, slot * POINTER_SIZE) {
            Some(pointer) => Ok(Some(pointer)),
            None => Err(storage.damaged("an indirect block that is too short")),
        }
    }

    /// All data of an object that is small by nature, of at most `limit` bytes.
    pub(super) fn all(&mut self, limit: u64, storage: &Storage) -> Result<Vec<u8>, Error> {
        let blocks = self.dnode.last_block.saturating_add(1);
        if blocks.saturating_mul(self.dnode.block_size) > limit {
            return Err(storage.damaged("an object that is larger than it can be"));
        }
        let mut bytes = Vec::new();
        for number in 0..blocks {
            match self.block(number, storage)? {
                Some(block) => bytes.extend_from_slice(&block),
                None => bytes.resize(bytes.len() + self.dnode.block_size as usize, 0),
            }
        }
        Ok(bytes)
    }
}

impl ObjectSet {
    /// Opens the set a pointer leads to.
    pub(super) fn open(pointer: &Pointer, storage: &Storage) -> Result<Self, Error> {
        let root = storage
            .block(pointer)?
            .ok_or_else(|| storage.damaged("an object set without a root"))?;
        let dnode = root.get(..DNODE_SIZE).and_then(Dnode::parse);
        match (dnode, u32_at(&root, 704)) {
            (Some(dnode), Some(purpose)) => {
                Ok(Self { purpose: purpose.into(), dnodes: Object::new(dnode), recent: None })
            }
            _ => Err(storage.damaged("an object set with an impossible root")),
        }
    }

    /// The head of an object.
    pub(super) fn dnode(&mut self, object: u64, storage: &Storage) -> Result<Dnode, Error> {
        let missing = || storage.damaged(format!("object {object} is not there"));
        let offset = object.checked_mul(DNODE_SIZE as u64).ok_or_else(missing)?;
        let size = self.dnodes.dnode.block_size;
        let (number, within) = (offset / size, (offset % size) as usize);
        if self.recent.as_ref().is_none_or(|(there, _)| *there != number) {
            let block = self.dnodes.block(number, storage)?.ok_or_else(missing)?;
            self.recent = Some((number, block));
        }
        let block = self.recent.as_ref().map_or(&[][..], |(_, block)| block);
        let dnode = block.get(within..).and_then(Dnode::parse).ok_or_else(missing)?;
        if dnode.object_type == 0 { Err(missing()) } else { Ok(dnode) }
    }

    /// An object, to read its blocks.
    pub(super) fn object(&mut self, object: u64, storage: &Storage) -> Result<Object, Error> {
        Ok(Object::new(self.dnode(object, storage)?))
    }
}
