//! Block pointers as they are stored.

use super::fields::{bits, u64_at};
use crate::block_pointer::POINTER_SIZE;
use crate::checksum::Checksum;

/// A pointer as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer([u64; 16]);

/// One of the places where a block is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// The device.
    pub(super) device: u64,
    /// Bytes from the begin of allocatable space; `None` when there is no such number.
    pub(super) offset: Option<u64>,
    /// Bytes allocated there.
    pub(super) allocated: u64,
    /// A block of pointers to the pieces.
    pub(super) is_gang: bool,
}

impl Pointer {
    /// Reads a pointer at a byte offset.
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let mut words = [0; POINTER_SIZE / 8];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u64_at(bytes, at.checked_add(8 * index)?)?;
        }
        Some(Self(words))
    }

    /// The pointer as it is stored.
    #[cfg(feature = "fuzzing")]
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Whether nothing is stored.
    pub(super) fn is_hole(&self) -> bool {
        !self.is_embedded() && self.0[0] == 0 && self.0[1] == 0
    }

    /// Whether the data are in the pointer itself.
    pub(super) fn is_embedded(&self) -> bool {
        self.property(39, 1) == 1
    }

    /// Some bits of the word of properties.
    pub(super) fn property(&self, first: u32, count: u32) -> u64 {
        bits(self.0[6], first, count)
    }

    /// Bytes of the block after decompression.
    pub(super) fn logical(&self) -> u64 {
        match self.is_embedded() {
            true => self.property(0, 25) + 1,
            false => (self.property(0, 16) + 1) * 512,
        }
    }

    /// Bytes of the block as it is stored.
    pub(super) fn physical(&self) -> u64 {
        match self.is_embedded() {
            true => self.property(25, 7) + 1,
            false => (self.property(16, 16) + 1) * 512,
        }
    }

    /// The code of the compression.
    pub(super) fn compression(&self) -> u64 {
        self.property(32, 7)
    }

    /// The transaction group in which the block was written.
    pub(super) fn birth(&self) -> u64 {
        self.0[10]
    }

    /// Blocks, or objects, at or below this block.
    pub(super) fn fill(&self) -> u64 {
        if self.is_embedded() { 1 } else { self.0[11] }
    }

    /// Whether the block may rightly be used more than once.
    pub(super) fn is_deduplicated(&self) -> bool {
        self.property(62, 1) == 1
    }

    /// The checksum of the stored bytes.
    pub(super) fn checksum(&self) -> Checksum {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }

    /// The places of all copies.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> + use<> {
        let words = match self.is_embedded() {
            true => [0; 6],
            false => [self.0[0], self.0[1], self.0[2], self.0[3], self.0[4], self.0[5]],
        };
        let copies = (0..3).map(move |copy| (words[2 * copy], words[2 * copy + 1]));
        copies.filter(|words| *words != (0, 0)).map(|(first, second)| Address {
            device: bits(first, 32, 24),
            offset: bits(second, 0, 63).checked_mul(512),
            allocated: bits(first, 0, 24) * 512,
            is_gang: second >> 63 == 1,
        })
    }

    /// Bytes allocated for all copies.
    pub(super) fn allocated(&self) -> u64 {
        self.addresses().map(|address| address.allocated).sum()
    }

    /// The bytes in an embedded pointer.
    pub(super) fn payload(&self) -> [u8; 112] {
        let mut payload = [0; 112];
        let words = (0..16).filter(|word| ![6, 10].contains(word));
        for (word, place) in words.zip(payload.chunks_exact_mut(8)) {
            place.copy_from_slice(&self.0[word].to_le_bytes());
        }
        payload
    }
}
