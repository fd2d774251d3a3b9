//! What stands around the deflate data: headers, checksums and trailers.

use crate::Level;

/// The frame of a stream that is being written.
pub(crate) trait Frame: Default {
    /// The bytes before the deflate data.
    fn header(level: Level) -> Vec<u8>;
    /// The checksum of one chunk.
    fn sum(chunk: &[u8]) -> u32;
    /// Appends a chunk with a known checksum.
    fn append(&mut self, sum: u32, length: u64);
    /// The bytes after the deflate data.
    fn trailer(&self) -> Vec<u8>;
}

/// RFC 1952.
#[derive(Default)]
pub(crate) struct Gzip {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Gzip {
    /// The frame of these bytes and then those that `self` has seen.
    pub(crate) fn behind(&self, first: &[u8]) -> Self {
        let mut all = Self::default();
        all.append(Self::sum(first), first.len() as u64);
        all.append(self.crc.clone().finalize(), self.length);
        all
    }
}

impl Frame for Gzip {
    /// No name, no time, system unknown: nothing of the machine gets in.
    fn header(level: Level) -> Vec<u8> {
        let extra = match level {
            Level::Fast => 4,
            Level::Normal => 0,
            Level::Best => 2,
        };
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, extra, 255]
    }

    fn sum(chunk: &[u8]) -> u32 {
        crc32fast::hash(chunk)
    }

    fn append(&mut self, sum: u32, length: u64) {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(sum, length));
        self.length += length;
    }

    fn trailer(&self) -> Vec<u8> {
        let mut trailer = self.crc.clone().finalize().to_le_bytes().to_vec();
        trailer.extend_from_slice(&(self.length as u32).to_le_bytes());
        trailer
    }
}

/// RFC 1950.
pub(crate) struct Zlib {
    adler: u32,
}

impl Default for Zlib {
    fn default() -> Self {
        Self { adler: 1 }
    }
}

impl Frame for Zlib {
    /// Deflate with a window of 32 KiB; the low bits make it a multiple of 31.
    fn header(level: Level) -> Vec<u8> {
        let flags = match level {
            Level::Fast => 0x01,
            Level::Normal => 0x9c,
            Level::Best => 0xda,
        };
        vec![0x78, flags]
    }

    fn sum(chunk: &[u8]) -> u32 {
        zlib_rs::adler32::adler32(1, chunk)
    }

    fn append(&mut self, sum: u32, length: u64) {
        self.adler = zlib_rs::adler32::adler32_combine(self.adler, sum, length);
    }

    fn trailer(&self) -> Vec<u8> {
        self.adler.to_be_bytes().to_vec()
    }
}
