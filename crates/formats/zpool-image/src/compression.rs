//! How records are stored: as they are, or compressed when that saves enough.

use std::io::Write as _;

use crate::checksum::{Checksum, fletcher_4};

/// How the records of a dataset are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Records are stored as they are.
    #[default]
    Off,
    /// Deflate at a level from 1 to 9, stored as a zlib stream, as the property `gzip-N` means.
    Gzip(u8),
}

/// The code of an uncompressed block.
const OFF: u8 = 2;

impl Compression {
    /// The number of this compression in block pointers and in the property.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Off => OFF,
            Self::Gzip(level) => 4 + level,
        }
    }
}

/// Turns logical blocks into stored ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec {
    /// Tried on every block.
    pub(crate) compression: Compression,
    /// Binary logarithm of the device's sector; stored sizes of compressed blocks are multiples.
    pub(crate) ashift: u32,
}

/// A block ready to be stored.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// All zeros: nothing is stored.
    Hole,
    /// Bytes to store.
    Block {
        /// Length before compression.
        logical: u64,
        /// Code of the compression that was used.
        compression: u8,
        /// What is stored.
        bytes: Vec<u8>,
        /// Of the stored bytes.
        checksum: Checksum,
    },
}

impl Codec {
    /// Stores everything as it is.
    pub(crate) fn plain(ashift: u32) -> Self {
        Self { compression: Compression::Off, ashift }
    }

    /// Prepares a record of a file; one of zeros becomes a hole.
    pub(crate) fn record(&self, bytes: Vec<u8>) -> Prepared {
        if is_zero(&bytes) { Prepared::Hole } else { self.block(bytes) }
    }

    /// Prepares a block that is stored whatever is in it.
    pub(crate) fn block(&self, bytes: Vec<u8>) -> Prepared {
        let logical = bytes.len() as u64;
        let (compression, bytes) = match self.compress(&bytes) {
            Some(smaller) => (self.compression.code(), smaller),
            None => (OFF, bytes),
        };
        let checksum = fletcher_4(&bytes);
        Prepared::Block { logical, compression, bytes, checksum }
    }

    /// The compressed and padded bytes, if they save at least an eighth.
    fn compress(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let limit = bytes.len() - bytes.len() / 8;
        let mut out = match self.compression {
            Compression::Off => return None,
            Compression::Gzip(level) => deflate(bytes, level, limit)?,
        };
        out.resize(out.len().next_multiple_of(1 << self.ashift), 0);
        (out.len() < bytes.len()).then_some(out)
    }
}

/// A zlib stream of at most `limit` bytes.
fn deflate(bytes: &[u8], level: u8, limit: usize) -> Option<Vec<u8>> {
    // A fresh encoder for each block: its output can depend on nothing but the block.
    let out = Vec::with_capacity(limit + 1);
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(level.into()));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|out| out.len() <= limit)
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word == &[0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(codec: Codec, bytes: Vec<u8>) -> (u8, usize) {
        match codec.block(bytes) {
            Prepared::Hole => panic!("no hole was asked for"),
            Prepared::Block { compression, bytes, .. } => (compression, bytes.len()),
        }
    }

    #[test]
    fn only_what_saves_an_eighth_is_compressed() {
        let codec = Codec { compression: Compression::Gzip(9), ashift: 9 };
        let mut noise = vec![0u8; 4096];
        let mut state = 1u32;
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        assert_eq!(stored(codec, noise.clone()), (2, 4096));
        assert_eq!(stored(codec, vec![7; 131_072]), (13, 512));
        // Half noise: saves nearly half.
        noise[2048..].fill(0);
        assert_eq!(stored(codec, noise).0, 13);
        assert_eq!(stored(codec, vec![7; 512]), (2, 512));
    }

    #[test]
    fn zeros_become_a_hole() {
        assert!(matches!(Codec::plain(9).record(vec![0; 1024]), Prepared::Hole));
        let mut last = vec![0; 1024];
        last[1023] = 1;
        assert!(matches!(Codec::plain(9).record(last), Prepared::Block { .. }));
    }
}
