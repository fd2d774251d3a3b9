//! Block pointers: where a block is, how it is stored, and its checksum.

use crate::bytes::put_words;
use crate::checksum::{Checksum, FLETCHER_4};
use crate::compression::EMBEDDED_PAYLOAD;

/// Bytes in a block pointer.
pub(crate) const POINTER_SIZE: usize = 128;
/// Its binary logarithm.
pub(crate) const POINTER_SHIFT: u32 = 7;
/// The transaction group in which everything is born.
pub(crate) const BIRTH: u64 = 4;
/// Device addresses and sizes count these.
pub(crate) const SECTOR: u64 = 512;

/// The bit of the properties that says that the pointer holds its block itself.
const EMBEDDED: u64 = 1 << 39;
const LITTLE_ENDIAN: u64 = 1 << 63;
/// The words of a pointer that take the payload of an embedded block; the others keep the
/// properties and the birth.
const PAYLOAD_WORDS: [usize; 14] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15];

/// One block, or a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockPointer {
    /// Nothing is stored; reads as zeros.
    Hole,
    /// A block that the pointer holds itself.
    Embedded(Embedded),
    /// A stored block.
    Block(Block),
}

/// A block so small that its pointer holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Embedded {
    /// The compressed bytes, padded with zeros.
    pub(crate) payload: [u8; EMBEDDED_PAYLOAD],
    /// Bytes of it that count.
    pub(crate) physical: u64,
    /// Bytes after decompression.
    pub(crate) logical: u64,
    /// Code of the compression.
    pub(crate) compression: u8,
    /// Type of the object that owns the block.
    pub(crate) object_type: u8,
}

/// What a pointer says of a stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Bytes from the begin of allocatable space.
    pub(crate) offset: u64,
    /// Bytes allocated.
    pub(crate) allocated: u64,
    /// Bytes stored.
    pub(crate) physical: u64,
    /// Bytes after decompression.
    pub(crate) logical: u64,
    /// Code of the compression.
    pub(crate) compression: u8,
    /// Type of the object that owns the block.
    pub(crate) object_type: u8,
    /// 0 for data, more for indirect blocks.
    pub(crate) level: u8,
    /// Non-hole blocks, or allocated dnodes, at or below this one.
    pub(crate) fill: u64,
    /// Fletcher-4 of the stored bytes.
    pub(crate) checksum: Checksum,
}

impl BlockPointer {
    /// The fill count; nothing for a hole.
    pub(crate) fn fill(&self) -> u64 {
        match self {
            Self::Hole => 0,
            Self::Embedded(_) => 1,
            Self::Block(block) => block.fill,
        }
    }

    /// The pointer as it is stored.
    pub(crate) fn to_bytes(self) -> [u8; POINTER_SIZE] {
        let mut bytes = [0; POINTER_SIZE];
        match self {
            Self::Hole => {}
            Self::Embedded(block) => {
                let properties = (block.logical - 1)
                    | (block.physical - 1) << 25
                    | u64::from(block.compression) << 32
                    | EMBEDDED
                    | u64::from(block.object_type) << 48
                    | LITTLE_ENDIAN;
                let (groups, _) = block.payload.as_chunks::<8>();
                for (word, group) in PAYLOAD_WORDS.into_iter().zip(groups) {
                    bytes[8 * word..8 * word + 8].copy_from_slice(group);
                }
                put_words(&mut bytes, 48, &[properties]);
                put_words(&mut bytes, 80, &[BIRTH]);
            }
            Self::Block(block) => {
                let properties = (block.logical / SECTOR - 1)
                    | (block.physical / SECTOR - 1) << 16
                    | u64::from(block.compression) << 32
                    | FLETCHER_4 << 40
                    | u64::from(block.object_type) << 48
                    | u64::from(block.level) << 56
                    | LITTLE_ENDIAN;
                put_words(&mut bytes, 0, &[block.allocated / SECTOR, block.offset / SECTOR]);
                put_words(&mut bytes, 48, &[properties]);
                put_words(&mut bytes, 80, &[BIRTH, block.fill]);
                put_words(&mut bytes, 96, &block.checksum);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_packed_as_a_real_pool_has_them() {
        // The root block of a reference pool: 4096 bytes stored in 512 with LZJB.
        let pointer = BlockPointer::Block(Block {
            offset: 0,
            allocated: 512,
            physical: 512,
            logical: 4096,
            compression: 3,
            object_type: 11,
            level: 0,
            fill: 1,
            checksum: [0; 4],
        });
        assert_eq!(pointer.to_bytes()[48..56], 0x800b_0703_0000_0007u64.to_le_bytes());
        assert_eq!(BlockPointer::Hole.to_bytes(), [0; 128]);
    }
}
