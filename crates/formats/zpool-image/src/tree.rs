//! The tree of indirect blocks above an object's data blocks.

use crate::Error;
use crate::block_pointer::{BlockPointer, POINTER_SHIFT, POINTER_SIZE};
use crate::compression::Codec;
use crate::device::{Account, Device};

/// The largest and smallest indirect blocks, as powers of two.
pub(crate) const LARGEST_INDIRECT: u32 = 17;
const SMALLEST_INDIRECT: u32 = 12;

/// The shape of a tree, known before its first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Binary logarithm of the size of indirect blocks.
    pub(crate) indirect_shift: u32,
    /// 1 when no indirect block is needed.
    pub(crate) levels: u8,
    /// Pointers in the dnode.
    pub(crate) pointers: usize,
}

/// Takes the pointers to data blocks in order and stores indirect blocks as they fill.
#[derive(Debug)]
pub(crate) struct Tree {
    shape: Shape,
    object_type: u8,
    codec: Codec,
    /// Pointers not yet in an indirect block, by level.
    pending: Vec<Vec<BlockPointer>>,
    blocks: u64,
    /// Everything stored for this object.
    pub(crate) account: Account,
}

impl Shape {
    /// The shape for a number of blocks: indirect blocks no larger than they need to be.
    pub(crate) fn fitting(blocks: u64, pointers: usize) -> Self {
        let each = blocks.div_ceil(pointers as u64).max(1);
        let indirect_shift = (POINTER_SHIFT + each.next_power_of_two().ilog2())
            .clamp(SMALLEST_INDIRECT, LARGEST_INDIRECT);
        Self::with_indirect(blocks, pointers, indirect_shift, 1)
    }

    /// The shape with indirect blocks of a given size and at least some levels, for objects that
    /// are expected to grow.
    pub(crate) fn with_indirect(
        blocks: u64,
        pointers: usize,
        indirect_shift: u32,
        least_levels: u8,
    ) -> Self {
        let mut levels = 1;
        let mut reach = pointers as u64;
        while reach < blocks || levels < least_levels {
            reach <<= indirect_shift - POINTER_SHIFT;
            levels += 1;
        }
        Self { indirect_shift, levels, pointers }
    }

    fn pointers_per_block(&self) -> usize {
        1 << (self.indirect_shift - POINTER_SHIFT)
    }
}

impl Tree {
    pub(crate) fn new(shape: Shape, object_type: u8, codec: Codec) -> Self {
        let pending = vec![Vec::new(); shape.levels.into()];
        Self { shape, object_type, codec, pending, blocks: 0, account: Account::default() }
    }

    /// The shape it was made with.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of the last data block.
    pub(crate) fn last_block(&self) -> u64 {
        self.blocks.saturating_sub(1)
    }

    /// Adds the next data block.
    pub(crate) fn push(
        &mut self,
        pointer: BlockPointer,
        device: &mut Device<'_>,
    ) -> Result<(), Error> {
        self.blocks += 1;
        self.pending[0].push(pointer);
        for level in 0..self.pending.len() - 1 {
            if self.pending[level].len() < self.shape.pointers_per_block() {
                break;
            }
            self.store_indirect(level, device)?;
        }
        Ok(())
    }

    /// Stores what is left and returns the pointers of the dnode, and the account.
    pub(crate) fn finish(
        mut self,
        device: &mut Device<'_>,
    ) -> Result<(Vec<BlockPointer>, Account), Error> {
        let top = self.pending.len() - 1;
        for level in 0..top {
            if !self.pending[level].is_empty() {
                self.store_indirect(level, device)?;
            }
        }
        let mut pointers = std::mem::take(&mut self.pending[top]);
        pointers.resize(self.shape.pointers, BlockPointer::Hole);
        Ok((pointers, self.account))
    }

    fn store_indirect(&mut self, level: usize, device: &mut Device<'_>) -> Result<(), Error> {
        let pointers = std::mem::take(&mut self.pending[level]);
        let pointer = if pointers.iter().all(|p| *p == BlockPointer::Hole) {
            BlockPointer::Hole
        } else {
            let mut bytes = vec![0; 1 << self.shape.indirect_shift];
            for (slot, pointer) in bytes.chunks_exact_mut(POINTER_SIZE).zip(&pointers) {
                slot.copy_from_slice(&pointer.to_bytes());
            }
            let fill = pointers.iter().map(BlockPointer::fill).sum();
            let block = self.codec.block(bytes);
            let level = level as u8 + 1;
            device.store(&block, self.object_type, level, fill, &mut self.account)?
        };
        self.pending[level + 1].push(pointer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_reach_every_block() {
        let shape = |blocks, pointers| {
            let Shape { indirect_shift, levels, .. } = Shape::fitting(blocks, pointers);
            (indirect_shift, levels)
        };
        assert_eq!(shape(0, 1), (12, 1));
        assert_eq!(shape(1, 1), (12, 1));
        assert_eq!(shape(3, 3), (12, 1));
        assert_eq!(shape(2, 1), (12, 2));
        assert_eq!(shape(33, 1), (13, 2));
        assert_eq!(shape(1024, 1), (17, 2));
        assert_eq!(shape(1025, 1), (17, 3));
        assert_eq!(shape(1 << 20, 1), (17, 3));
        assert_eq!(shape((1 << 20) + 1, 1), (17, 4));
    }
}
