//! Dnodes: the 512-byte heads of objects.

use crate::block_pointer::{BlockPointer, POINTER_SIZE};
use crate::bytes::{put_u16, put_u64};

/// Bytes in a dnode.
pub(crate) const DNODE_SIZE: usize = 512;
/// Bytes before the block pointers.
const CORE_SIZE: usize = 64;
/// Bytes for the bonus of a dnode with one block pointer.
pub(crate) const LARGEST_BONUS: usize = 320;
/// Bytes for the bonus beside a spill pointer.
pub(crate) const BONUS_BESIDE_SPILL: usize = LARGEST_BONUS - POINTER_SIZE;
/// `used` counts bytes.
const FLAG_USED_BYTES: u8 = 1;
/// A spill block is pointed to.
const FLAG_SPILL: u8 = 4;

// Object and bonus types.
pub(crate) const OBJECT_DIRECTORY: u8 = 1;
pub(crate) const OBJECT_ARRAY: u8 = 2;
pub(crate) const PACKED_NVLIST: u8 = 3;
pub(crate) const PACKED_NVLIST_SIZE: u8 = 4;
pub(crate) const BPOBJ: u8 = 5;
pub(crate) const BPOBJ_HEADER: u8 = 6;
pub(crate) const SPACE_MAP_HEADER: u8 = 7;
pub(crate) const SPACE_MAP: u8 = 8;
pub(crate) const META_DNODE: u8 = 10;
pub(crate) const OBJECT_SET: u8 = 11;
pub(crate) const DSL_DIR: u8 = 12;
pub(crate) const DSL_CHILD_MAP: u8 = 13;
pub(crate) const DSL_SNAPSHOT_NAMES: u8 = 14;
pub(crate) const DSL_PROPERTIES: u8 = 15;
pub(crate) const DSL_DATASET: u8 = 16;
pub(crate) const PLAIN_FILE: u8 = 19;
pub(crate) const DIRECTORY: u8 = 20;
pub(crate) const MASTER_NODE: u8 = 21;
pub(crate) const UNLINKED_SET: u8 = 22;
pub(crate) const POOL_PROPERTIES: u8 = 31;
pub(crate) const NEXT_CLONES: u8 = 37;
pub(crate) const SYSTEM_ATTRIBUTES: u8 = 44;
pub(crate) const ATTRIBUTE_MASTER: u8 = 45;
pub(crate) const ATTRIBUTE_REGISTRY: u8 = 46;
pub(crate) const ATTRIBUTE_LAYOUTS: u8 = 47;
pub(crate) const DEADLIST: u8 = 50;
pub(crate) const DEADLIST_HEADER: u8 = 51;
pub(crate) const DSL_CLONES: u8 = 52;
/// A ZAP of metadata in the newer numbering.
pub(crate) const METADATA_ZAP: u8 = 0xC4;

/// The head of an object.
#[derive(Debug, Clone)]
pub(crate) struct Dnode {
    pub(crate) object_type: u8,
    /// Binary logarithm of the size of indirect blocks.
    pub(crate) indirect_shift: u32,
    /// 1 when the pointers lead straight to data.
    pub(crate) levels: u8,
    /// As many as the dnode has room for beside its bonus.
    pub(crate) pointers: Vec<BlockPointer>,
    pub(crate) bonus_type: u8,
    pub(crate) bonus: Vec<u8>,
    /// Bytes in a data block.
    pub(crate) block_size: usize,
    pub(crate) last_block: u64,
    /// Bytes allocated for all its blocks.
    pub(crate) used: u64,
    pub(crate) spill: Option<BlockPointer>,
}

/// How many block pointers a dnode has beside a bonus of this type and length.
pub(crate) fn pointer_count(bonus_type: u8, bonus: usize) -> usize {
    match bonus_type {
        // Attributes may grow to all the room there is.
        SYSTEM_ATTRIBUTES => 1,
        _ => (1 + (LARGEST_BONUS - bonus) / POINTER_SIZE).min(3),
    }
}

impl Dnode {
    /// The dnode as it is stored.
    pub(crate) fn to_bytes(&self) -> [u8; DNODE_SIZE] {
        let mut bytes = [0; DNODE_SIZE];
        bytes[0] = self.object_type;
        bytes[1] = self.indirect_shift as u8;
        bytes[2] = self.levels;
        bytes[3] = self.pointers.len() as u8;
        bytes[4] = self.bonus_type;
        bytes[7] = FLAG_USED_BYTES | if self.spill.is_some() { FLAG_SPILL } else { 0 };
        put_u16(&mut bytes, 8, (self.block_size / 512) as u16);
        put_u16(&mut bytes, 10, self.bonus.len() as u16);
        put_u64(&mut bytes, 16, self.last_block);
        put_u64(&mut bytes, 24, self.used);
        for (index, pointer) in self.pointers.iter().enumerate() {
            let at = CORE_SIZE + POINTER_SIZE * index;
            bytes[at..at + POINTER_SIZE].copy_from_slice(&pointer.to_bytes());
        }
        let bonus = CORE_SIZE + POINTER_SIZE * self.pointers.len();
        bytes[bonus..bonus + self.bonus.len()].copy_from_slice(&self.bonus);
        if let Some(spill) = &self.spill {
            bytes[DNODE_SIZE - POINTER_SIZE..].copy_from_slice(&spill.to_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_make_room_for_the_bonus() {
        for (bonus, count) in [(0, 3), (24, 3), (64, 3), (256, 1), (320, 1)] {
            assert_eq!(pointer_count(0, bonus), count, "{bonus}");
        }
        assert_eq!(pointer_count(SYSTEM_ATTRIBUTES, 168), 1);
    }
}
