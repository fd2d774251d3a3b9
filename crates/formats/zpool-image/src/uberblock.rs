//! Uberblocks: the root of everything, in a ring of slots in each label.

use crate::block_pointer::{BIRTH, BlockPointer};
use crate::bytes::{put_u64, put_words};

/// The transaction group of the image. Readers check every block of the last three groups on
/// import; everything here is born well before.
pub(crate) const TXG: u64 = BIRTH + 4;

const MAGIC: u64 = 0x00ba_b10c;
const MULTI_MODIFIER_MAGIC: u64 = 0xa11c_ea11;
/// Bytes in the ring.
pub(crate) const RING_SIZE: usize = 128 << 10;

/// What the uberblock says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uberblock {
    pub(crate) version: u64,
    /// The sum of the identifiers of the pool and its device.
    pub(crate) guid_sum: u64,
    pub(crate) timestamp: u64,
    /// The pool's own object set.
    pub(crate) root: BlockPointer,
}

/// Bytes in a slot.
pub(crate) fn slot_size(ashift: u32) -> usize {
    1 << ashift.clamp(10, 13)
}

/// Where the slot of our transaction group begins in the ring.
pub(crate) fn slot_offset(ashift: u32) -> usize {
    let slots = RING_SIZE / slot_size(ashift);
    TXG as usize % slots * slot_size(ashift)
}

impl Uberblock {
    /// Fills in a slot, all but its trailer.
    pub(crate) fn write(&self, slot: &mut [u8]) {
        let head = [MAGIC, self.version, TXG, self.guid_sum, self.timestamp];
        put_words(slot, 0, &head);
        slot[40..168].copy_from_slice(&self.root.to_bytes());
        put_u64(slot, 168, self.version);
        put_u64(slot, 176, MULTI_MODIFIER_MAGIC);
    }
}
