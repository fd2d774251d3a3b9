//! How records are stored: as they are, or compressed when that saves enough.

mod deflate;
mod lz4;
mod lzjb;
mod zle;

pub use deflate::DENSEST;

use std::fmt;
use std::str::FromStr;

use crate::Feature;
use crate::checksum::{Checksum, fletcher_4};
use crate::options::PoolOptions;

/// How the records of a dataset are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Records are stored as they are.
    #[default]
    Off,
    /// LZ4; needs the feature `lz4_compress`.
    Lz4,
    /// Only runs of zeros are shortened.
    Zle,
    /// Deflate at a level from 1 to 9, stored as a zlib stream, as the property `gzip-N` means.
    Gzip(u8),
}

/// How much time compression may take. What is stored can be read by the same systems either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// What the level says, `gzip-9` at the densest that pays: for images that are kept.
    #[default]
    Dense,
    /// The fastest, whatever the level: for images that are tried and thrown away.
    Fast,
}

/// There is no compression of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no compression; there are off, lz4, zle and gzip-1 to gzip-9")]
pub struct UnknownCompression {
    name: String,
}

/// The code of an uncompressed block.
const OFF: u8 = 2;
/// The largest payload of a pointer that holds its block itself.
pub(crate) const EMBEDDED_PAYLOAD: usize = 112;

impl Compression {
    /// The number of this compression in block pointers and in the property.
    pub(crate) fn code(self) -> u8 {
        Method::of(self).code()
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Lz4 => formatter.write_str("lz4"),
            Self::Zle => formatter.write_str("zle"),
            Self::Gzip(level) => write!(formatter, "gzip-{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    /// Takes the values of the property `compression`. `gzip` is `gzip-6`, as the property has it.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let level = || name.strip_prefix("gzip-")?.parse().ok().filter(|l| (1..=9).contains(l));
        match name {
            "off" => Ok(Self::Off),
            "lz4" => Ok(Self::Lz4),
            "zle" => Ok(Self::Zle),
            "gzip" => Ok(Self::Gzip(6)),
            _ => level().map(Self::Gzip).ok_or_else(|| UnknownCompression { name: name.into() }),
        }
    }
}

/// A way to compress a block. Beyond what the property offers there is the one that metadata get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Off,
    Lzjb,
    Lz4,
    Zle,
    Gzip(u8),
}

impl Method {
    fn of(compression: Compression) -> Self {
        match compression {
            Compression::Off => Self::Off,
            Compression::Lz4 => Self::Lz4,
            Compression::Zle => Self::Zle,
            Compression::Gzip(level) => Self::Gzip(level),
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Off => OFF,
            Self::Lzjb => 3,
            Self::Gzip(level) => 4 + level,
            Self::Zle => 14,
            Self::Lz4 => 15,
        }
    }
}

/// Turns logical blocks into stored ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec {
    method: Method,
    effort: Effort,
    /// Binary logarithm of the device's sector; stored sizes of compressed blocks are multiples.
    ashift: u32,
    /// Whether small blocks may be kept in their pointers.
    embed: bool,
}

/// A block ready to be stored.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// All zeros: nothing is stored.
    Hole,
    /// So small that its pointer holds it.
    Embedded {
        /// Length before compression.
        logical: u64,
        /// Code of the compression that was used.
        compression: u8,
        /// At most [`EMBEDDED_PAYLOAD`] bytes.
        bytes: Vec<u8>,
    },
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
        Self { method: Method::Off, effort: Effort::Fast, ashift, embed: false }
    }

    /// For the records of files.
    pub(crate) fn data(compression: Compression, options: &PoolOptions) -> Self {
        Self {
            method: Method::of(compression),
            effort: options.effort,
            ashift: options.ashift,
            embed: options.has(Feature::EmbeddedData),
        }
    }

    /// For everything else: compressed in any case, as every system does it, with what the version
    /// of the pool has, or as densely as the data.
    pub(crate) fn metadata(compression: Compression, options: &PoolOptions) -> Self {
        let method = match compression {
            Compression::Gzip(level) => Method::Gzip(level),
            _ if options.has(Feature::Lz4Compress) => Method::Lz4,
            _ => Method::Lzjb,
        };
        Self { method, ..Self::data(compression, options) }
    }

    /// Prepares a record of a file; one of zeros becomes a hole.
    pub(crate) fn record(&self, bytes: Vec<u8>) -> Prepared {
        if is_zero(&bytes) { Prepared::Hole } else { self.leaf(bytes) }
    }

    /// Prepares a data block of an object, which may end up in its pointer.
    pub(crate) fn leaf(&self, bytes: Vec<u8>) -> Prepared {
        let logical = bytes.len() as u64;
        match self.compress(&bytes) {
            Some(smaller) if self.embed && smaller.len() <= EMBEDDED_PAYLOAD => {
                Prepared::Embedded { logical, compression: self.method.code(), bytes: smaller }
            }
            smaller => self.padded(bytes, smaller),
        }
    }

    /// Prepares a block that is stored whatever is in it.
    pub(crate) fn block(&self, bytes: Vec<u8>) -> Prepared {
        let smaller = self.compress(&bytes);
        self.padded(bytes, smaller)
    }

    /// The compressed form, if it is still smaller in whole sectors.
    fn padded(&self, bytes: Vec<u8>, smaller: Option<Vec<u8>>) -> Prepared {
        let logical = bytes.len() as u64;
        let padded = smaller.and_then(|mut smaller| {
            smaller.resize(smaller.len().next_multiple_of(1 << self.ashift), 0);
            (smaller.len() < bytes.len()).then_some(smaller)
        });
        let (compression, bytes) = match padded {
            Some(padded) => (self.method.code(), padded),
            None => (OFF, bytes),
        };
        let checksum = fletcher_4(&bytes);
        Prepared::Block { logical, compression, bytes, checksum }
    }

    /// The compressed bytes, if they save at least an eighth.
    fn compress(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let limit = bytes.len() - bytes.len() / 8;
        match self.method {
            Method::Off => None,
            Method::Lzjb => lzjb::compress(bytes, limit),
            Method::Lz4 => lz4::compress(bytes, limit),
            Method::Zle => zle::compress(bytes, limit),
            Method::Gzip(level) => deflate::compress(bytes, level, self.effort, limit),
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word == &[0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::decompressed;

    fn codec(method: Method) -> Codec {
        Codec { method, effort: Effort::Dense, ashift: 9, embed: false }
    }

    fn stored(codec: Codec, bytes: Vec<u8>) -> (u8, usize) {
        match codec.block(bytes) {
            Prepared::Block { compression, bytes, .. } => (compression, bytes.len()),
            other => panic!("{other:?}"),
        }
    }

    /// Bytes without any pattern.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect()
    }

    #[test]
    fn only_what_saves_an_eighth_is_compressed() {
        let codec = codec(Method::Gzip(9));
        let mut bytes = noise(4096);
        assert_eq!(stored(codec, bytes.clone()), (2, 4096));
        assert_eq!(stored(codec, vec![7; 131_072]), (13, 512));
        // Half noise: saves nearly half.
        bytes[2048..].fill(0);
        assert_eq!(stored(codec, bytes).0, 13);
        assert_eq!(stored(codec, vec![7; 512]), (2, 512));
    }

    #[test]
    fn zeros_become_a_hole() {
        assert!(matches!(Codec::plain(9).record(vec![0; 1024]), Prepared::Hole));
        let mut last = vec![0; 1024];
        last[1023] = 1;
        assert!(matches!(Codec::plain(9).record(last), Prepared::Block { .. }));
    }

    #[test]
    fn small_blocks_are_kept_in_their_pointers() {
        let embedding = Codec { embed: true, ..codec(Method::Lz4) };
        let small = vec![7; 512];
        assert!(matches!(embedding.leaf(small.clone()), Prepared::Embedded { logical: 512, .. }));
        assert!(matches!(embedding.block(small.clone()), Prepared::Block { .. }));
        assert!(matches!(codec(Method::Lz4).leaf(small), Prepared::Block { .. }));
        assert!(matches!(embedding.leaf(noise(512)), Prepared::Block { .. }));
    }

    #[test]
    fn every_method_is_undone_by_the_reader() {
        let text: Vec<u8> =
            (0..20_000u32).flat_map(|i| format!("{} ", i * i).into_bytes()).collect();
        let mut mixed = noise(60_000);
        mixed[10_000..30_000].fill(0);
        mixed[40_000..50_000].copy_from_slice(&text[..10_000]);
        let inputs = [text[..131_072].to_vec(), mixed, vec![0; 4096], vec![9; 512], noise(512)];
        for method in [Method::Lzjb, Method::Lz4, Method::Zle, Method::Gzip(1), Method::Gzip(9)] {
            let mut compressed = 0;
            for bytes in &inputs {
                if let Some(smaller) = codec(method).compress(bytes) {
                    compressed += 1;
                    let back = decompressed(method.code(), &smaller, bytes.len());
                    assert!(back.as_ref() == Some(bytes), "{method:?}, {} bytes", bytes.len());
                }
            }
            assert!(compressed >= 2, "{method:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_property() {
        for name in ["off", "lz4", "zle", "gzip-1", "gzip-9"] {
            assert_eq!(name.parse::<Compression>().unwrap().to_string(), name);
        }
        assert!("gzip-10".parse::<Compression>().is_err());
        assert!("zstd".parse::<Compression>().unwrap_err().to_string().contains("gzip-9"));
    }
}
