//! The phase-2 image: a header of 4096 bytes, then a pool image, raw or as one zlib stream.
//!
//! All integers are little-endian; texts have at most 127 bytes and are filled up with NUL.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `0x1DEB0075` |
//! | 4 | 4 | version, 2 |
//! | 8 | 8 | flags; bit 0: the data are compressed |
//! | 16 | 8 | data size: bytes stored after the header |
//! | 24 | 8 | image size: bytes of the pool image |
//! | 32 | 8 | target size: bytes of the ramdisk to create |
//! | 40 | 32 | SHA-256 of the pool image, uncompressed |
//! | 72 | 128 | name of the root dataset |
//! | 200 | 128 | name of the image |
//! | 328 | 3768 | zero |

mod make;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use gzip::ZlibReader;
use oxide_archive::Written;
use proto::Digest;

pub use self::make::{Options, Phase2, seal, write, write_checksum};
use crate::Error;
use crate::pass::pass;
use crate::pending::Pending;
use crate::sparse::Sparse;

/// The first four bytes, as a little-endian integer.
pub const MAGIC: u32 = 0x1deb_0075;
/// The only version that is read.
pub const VERSION: u32 = 2;
/// Bytes before the data.
pub const HEADER_SIZE: usize = 4096;
/// The root dataset of every image.
pub const DATASET: &str = "rpool/ROOT/ramdisk";
/// The ramdisk that is created unless something else is asked for, in bytes.
pub const DEFAULT_TARGET_SIZE: u64 = 4096 << 20;

const LONGEST_NAME: usize = 127;
const COMPRESSED: u64 = 1;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whether the data are one zlib stream.
    pub compressed: bool,
    /// Bytes stored after the header.
    pub data_size: u64,
    /// Bytes of the pool image.
    pub image_size: u64,
    /// Bytes of the ramdisk to create.
    pub target_size: u64,
    /// SHA-256 of the pool image.
    pub sha256: Digest,
    /// The root dataset.
    pub dataset: String,
    /// The name of the image, free text.
    pub name: String,
}

impl Header {
    /// The header as it is stored; the error says which rule it breaks.
    pub fn encode(&self) -> Result<[u8; HEADER_SIZE], String> {
        self.check()?;
        let mut block = [0; HEADER_SIZE];
        block[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        block[4..8].copy_from_slice(&VERSION.to_le_bytes());
        let flags = if self.compressed { COMPRESSED } else { 0 };
        for (offset, value) in
            [(8, flags), (16, self.data_size), (24, self.image_size), (32, self.target_size)]
        {
            block[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        }
        block[40..72].copy_from_slice(&self.sha256.0);
        for (offset, text) in [(72, &self.dataset), (200, &self.name)] {
            block[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        }
        Ok(block)
    }

    /// Reads a stored header; the error says what is wrong. Unknown flags are left aside.
    pub fn decode(block: &[u8; HEADER_SIZE]) -> Result<Self, String> {
        let int = |offset| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[offset..offset + 8]);
            u64::from_le_bytes(bytes)
        };
        let (magic, version) = (int(0) as u32, (int(0) >> 32) as u32);
        if magic != MAGIC {
            return Err(format!("the magic number is {magic:#010x} instead of {MAGIC:#010x}"));
        }
        if version != VERSION {
            return Err(format!("the header has version {version}; only {VERSION} is known"));
        }
        let text = |offset, what| {
            let field: &[u8] = &block[offset..offset + LONGEST_NAME + 1];
            let end = field
                .iter()
                .position(|&b| b == 0)
                .ok_or_else(|| format!("the {what} does not end with a NUL"))?;
            if field[end..].iter().any(|&b| b != 0) {
                return Err(format!("there are bytes after the end of the {what}"));
            }
            String::from_utf8(field[..end].to_vec()).map_err(|_| format!("the {what} is not UTF-8"))
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&block[40..72]);
        let header = Self {
            compressed: int(8) & COMPRESSED != 0,
            data_size: int(16),
            image_size: int(24),
            target_size: int(32),
            sha256: Digest(sha256),
            dataset: text(72, "dataset name")?,
            name: text(200, "image name")?,
        };
        if let Some(index) = block[328..].iter().position(|&b| b != 0) {
            return Err(format!("byte {} of the header should be zero", 328 + index));
        }
        header.check()?;
        Ok(header)
    }

    /// Checks the header against the length of the file it stands in.
    pub fn check_length(&self, length: u64) -> Result<(), String> {
        let stored = length.saturating_sub(HEADER_SIZE as u64);
        if stored == self.data_size {
            return Ok(());
        }
        let how = if stored < self.data_size { "cut short" } else { "too long" };
        let stated = self.data_size;
        Err(format!("it is {how}: {stored} bytes follow the header, which says {stated}"))
    }

    /// Reads the data after the header to their end and checks their digest. `path` is what errors
    /// call the image.
    pub fn verify(&self, data: impl Read, path: &Path) -> Result<(), Error> {
        let found = copy_image(self, data, path, &mut io::sink(), path)?;
        if found != self.sha256 {
            return Err(Error::Digest { path: path.to_owned(), stated: self.sha256, found });
        }
        Ok(())
    }

    /// The rules that writers and readers share.
    fn check(&self) -> Result<(), String> {
        let Self { data_size, image_size, target_size, .. } = *self;
        for (what, text) in [("dataset name", &self.dataset), ("image name", &self.name)] {
            if text.len() > LONGEST_NAME {
                let length = text.len();
                return Err(format!("the {what} has {length} bytes; {LONGEST_NAME} is the most"));
            }
            if text.contains('\0') {
                return Err(format!("the {what} has a NUL"));
            }
        }
        if data_size == 0 {
            return Err("there are no data".to_owned());
        }
        if image_size > target_size {
            return Err(format!(
                "the image has {image_size} bytes, which is more than the {target_size} of the \
                 ramdisk it is for"
            ));
        }
        if data_size > image_size {
            return Err(format!(
                "{data_size} bytes are stored for an image of {image_size} bytes; an image that \
                 does not get smaller is stored raw"
            ));
        }
        if !self.compressed && data_size != image_size {
            return Err(format!(
                "{data_size} bytes are stored for a raw image of {image_size} bytes"
            ));
        }
        Ok(())
    }
}

/// Reads the header of a phase-2 image and checks it against the length of the file.
pub fn read_header(path: &Path) -> Result<Header, Error> {
    open(path).map(|(header, _)| header)
}

/// Reads a phase-2 image to its end and checks its digest.
pub fn verify(path: &Path) -> Result<Header, Error> {
    let (header, file) = open(path)?;
    header.verify(file, path)?;
    Ok(header)
}

/// Writes the pool image inside a phase-2 image to a file, after checking it. What is zero stays a
/// hole.
pub fn extract(path: &Path, output: &Path) -> Result<Written, Error> {
    let (header, file) = open(path)?;
    let pending = Pending::create(output)?;
    let mut pool = Sparse::new(pending.file(), 0);
    let found = copy_image(&header, file, path, &mut pool, output)?;
    if found != header.sha256 {
        return Err(Error::Digest { path: path.to_owned(), stated: header.sha256, found });
    }
    let size = pool.finish().map_err(Error::io("write", output))?;
    pending.commit()?;
    Ok(Written { path: output.to_owned(), size, sha256: found })
}

fn open(path: &Path) -> Result<(Header, File), Error> {
    let bad = |problem| Error::Header { path: path.to_owned(), problem };
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(Error::io("examine", path))?.len();
    if length < HEADER_SIZE as u64 {
        return Err(bad(format!("it has only {length} bytes, the header alone has {HEADER_SIZE}")));
    }
    let mut block = [0; HEADER_SIZE];
    file.read_exact(&mut block).map_err(Error::io("read", path))?;
    let header = Header::decode(&block).map_err(bad)?;
    header.check_length(length).map_err(bad)?;
    Ok((header, file))
}

/// Copies the pool image out of the data; gives its digest.
fn copy_image(
    header: &Header,
    data: impl Read,
    path: &Path,
    output: &mut impl Write,
    output_path: &Path,
) -> Result<Digest, Error> {
    if !header.compressed {
        let mut data = data.take(header.data_size);
        return pass(&mut data, path, output, output_path).map(|(_, digest)| digest);
    }
    // One byte more than there should be shows a stream that is too long without reading it all.
    let mut image = ZlibReader::new(data).take(header.image_size + 1);
    let (size, digest) = pass(&mut image, path, output, output_path)?;
    if size != header.image_size {
        let problem = format!(
            "its data decompress to {} bytes instead of {}",
            if size > header.image_size { "more".to_owned() } else { size.to_string() },
            header.image_size
        );
        return Err(Error::Header { path: path.to_owned(), problem });
    }
    // The stream's own checksum stands after the last byte.
    let mut stream = image.into_inner();
    stream.read(&mut [0]).map_err(Error::io("read", path))?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header {
            compressed: false,
            data_size: 512,
            image_size: 512,
            target_size: 1024,
            sha256: Digest([7; 32]),
            dataset: DATASET.to_owned(),
            name: "α image".to_owned(),
        }
    }

    #[test]
    fn every_field_is_where_readers_look_for_it() {
        let block = header().encode().unwrap();
        assert_eq!(block[..8], [0x75, 0x00, 0xeb, 0x1d, 2, 0, 0, 0]);
        assert_eq!(block[8..40].iter().filter(|&&b| b != 0).count(), 3);
        assert_eq!(block[40..72], [7; 32]);
        assert_eq!(&block[72..91], b"rpool/ROOT/ramdisk\0");
        assert_eq!(&block[200..208], "α image".as_bytes());
        assert!(block[328..].iter().all(|&b| b == 0));
    }

    #[test]
    fn each_rule_is_kept() {
        let problem = |change: fn(&mut Header)| {
            let mut header = header();
            change(&mut header);
            header.encode().unwrap_err()
        };
        assert!(problem(|h| h.name = "x".repeat(128)).contains("128 bytes"));
        assert!(problem(|h| h.name = "a\0b".into()).contains("NUL"));
        assert!(problem(|h| h.data_size = 0).contains("no data"));
        assert!(problem(|h| h.target_size = 511).contains("ramdisk"));
        assert!(problem(|h| h.data_size = 513).contains("stored raw"));
        assert!(problem(|h| h.data_size = 511).contains("raw image"));
        let mut longest = header();
        longest.name = "x".repeat(127);
        let block = longest.encode().unwrap();
        assert_eq!(Header::decode(&block), Ok(longest));
    }

    #[test]
    fn unknown_flags_are_left_aside_and_other_changes_found() {
        let mut block = header().encode().unwrap();
        block[15] = 0x80;
        assert_eq!(Header::decode(&block), Ok(header()));
        for index in [0, 4, 100, 327, 328, 4095] {
            let mut block = block;
            block[index] ^= 1;
            assert!(Header::decode(&block).is_err(), "{index}");
        }
    }

    proptest! {
        #[test]
        fn no_block_makes_the_reader_panic(
            changes in proptest::collection::vec((0..HEADER_SIZE, any::<u8>()), 0..40)
        ) {
            let mut block = header().encode().unwrap();
            for (index, byte) in changes {
                block[index] = byte;
            }
            if let Ok(header) = Header::decode(&block) {
                let again = header.encode().unwrap();
                prop_assert_eq!(Header::decode(&again), Ok(header));
            }
        }
    }
}
