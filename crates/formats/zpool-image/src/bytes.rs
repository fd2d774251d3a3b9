//! Little-endian numbers at fixed places of a block.

/// Puts a 16-bit number at a byte offset.
pub(crate) fn put_u16(block: &mut [u8], at: usize, value: u16) {
    block[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Puts a 32-bit number at a byte offset.
pub(crate) fn put_u32(block: &mut [u8], at: usize, value: u32) {
    block[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Puts a 64-bit number at a byte offset.
pub(crate) fn put_u64(block: &mut [u8], at: usize, value: u64) {
    block[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Puts consecutive 64-bit numbers, beginning at a byte offset.
pub(crate) fn put_words(block: &mut [u8], at: usize, words: &[u64]) {
    for (index, word) in words.iter().enumerate() {
        put_u64(block, at + 8 * index, *word);
    }
}
