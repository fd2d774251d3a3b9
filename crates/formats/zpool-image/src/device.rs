//! The device under the pool: allocates, writes and accounts for blocks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;
use crate::allocator::Allocator;
use crate::block_pointer::{Block, BlockPointer, Embedded};
use crate::compression::{EMBEDDED_PAYLOAD, Prepared};
use crate::dnode::PLAIN_FILE;

/// Where allocatable space begins: two labels and the boot area lie before it.
pub(crate) const SPACE_START: u64 = 0x40_0000;

/// The image while blocks are stored in it; without a file it only counts.
#[derive(Debug, Clone)]
pub(crate) struct Device<'a> {
    pub(crate) allocator: Allocator,
    /// The file, and the path for messages.
    pub(crate) file: Option<(&'a File, &'a Path)>,
    /// Where the pool begins in the file.
    pub(crate) start: u64,
    /// Blocks beyond this offset are counted, not written: the image is too small for them, and
    /// the message will say by how much.
    pub(crate) limit: u64,
}

/// Sums over blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Bytes allocated.
    pub(crate) used: u64,
    /// Bytes stored.
    pub(crate) compressed: u64,
    /// Bytes before compression; metadata counts as stored.
    pub(crate) uncompressed: u64,
    /// Number of blocks.
    pub(crate) blocks: u64,
}

impl Account {
    /// Adds another sum.
    pub(crate) fn add(&mut self, other: Account) {
        self.used += other.used;
        self.compressed += other.compressed;
        self.uncompressed += other.uncompressed;
        self.blocks += other.blocks;
    }
}

impl Device<'_> {
    /// The same state of allocation on a device that only counts.
    pub(crate) fn rehearsal(&self) -> Device<'static> {
        Device { allocator: self.allocator.clone(), file: None, start: 0, limit: 0 }
    }

    /// Stores a block and says where it is.
    pub(crate) fn store(
        &mut self,
        prepared: &Prepared,
        object_type: u8,
        level: u8,
        fill: u64,
        account: &mut Account,
    ) -> Result<BlockPointer, Error> {
        let is_data = level == 0 && object_type == PLAIN_FILE;
        let (logical, compression, bytes, checksum) = match prepared {
            Prepared::Hole => return Ok(BlockPointer::Hole),
            Prepared::Embedded { logical, compression, bytes } => {
                let mut payload = [0; EMBEDDED_PAYLOAD];
                payload[..bytes.len()].copy_from_slice(bytes);
                // It takes no space; only data count with the size they stand for.
                account.uncompressed += if is_data { *logical } else { 0 };
                return Ok(BlockPointer::Embedded(Embedded {
                    payload,
                    physical: bytes.len() as u64,
                    logical: *logical,
                    compression: *compression,
                    object_type,
                }));
            }
            Prepared::Block { logical, compression, bytes, checksum } => {
                (logical, compression, bytes, checksum)
            }
        };
        let physical = bytes.len() as u64;
        let (offset, allocated) = self.allocator.allocate(physical);
        if let Some((file, path)) = self.file
            && offset + allocated <= self.limit
        {
            file.write_all_at(bytes, self.start + SPACE_START + offset)
                .map_err(Error::io("write", path))?;
        }
        account.add(Account {
            used: allocated,
            compressed: physical,
            uncompressed: if is_data { *logical } else { physical },
            blocks: 1,
        });
        Ok(BlockPointer::Block(Block {
            offset,
            allocated,
            physical,
            logical: *logical,
            compression: *compression,
            object_type,
            level,
            fill,
            checksum: *checksum,
        }))
    }
}
