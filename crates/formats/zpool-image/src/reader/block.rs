//! Blocks: found by their pointers, checked and decompressed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sha2::Digest as _;

use super::decompress::decompress;
use super::fields::{bits, u64_at};
use crate::Error;
use crate::block_pointer::POINTER_SIZE;
use crate::checksum::{Checksum, fletcher_4};
use crate::device::SPACE_START;

/// The largest block any pool has.
const LARGEST_BLOCK: u64 = 16 << 20;
/// The code of a block stored as it is.
const OFF: u64 = 2;

/// The file with the image.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Where the image begins in the file.
    pub(super) start: u64,
    /// Bytes of the image.
    pub(super) size: u64,
}

/// A pointer as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer([u64; 16]);

impl Pointer {
    /// Reads a pointer at a byte offset.
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let mut words = [0; POINTER_SIZE / 8];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u64_at(bytes, at.checked_add(8 * index)?)?;
        }
        Some(Self(words))
    }

    /// Whether nothing is stored.
    pub(super) fn is_hole(&self) -> bool {
        !self.is_embedded() && self.0[0] == 0 && self.0[1] == 0
    }

    /// Whether the data are in the pointer itself.
    pub(super) fn is_embedded(&self) -> bool {
        bits(self.0[6], 39, 1) == 1
    }

    fn logical(&self) -> u64 {
        (bits(self.0[6], 0, 16) + 1) * 512
    }

    fn checksum(&self) -> Checksum {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }
}

impl Storage {
    /// An error about the image.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), problem: problem.into() }
    }

    /// An error about something this reader does not know.
    pub(super) fn unknown(&self, what: impl Into<String>) -> Error {
        Error::Unknown { path: self.path.clone(), what: what.into() }
    }

    /// Reads bytes at an offset of the device.
    pub(super) fn bytes(&self, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
        if offset.checked_add(size).is_none_or(|end| end > self.size) {
            return Err(self.damaged(format!("a block at {offset} lies beyond the end")));
        }
        let mut bytes = vec![0; size as usize];
        self.file
            .read_exact_at(&mut bytes, self.start + offset)
            .map_err(Error::io("read", &self.path))?;
        Ok(bytes)
    }

    /// The block a pointer leads to; a hole is `None`. Copies are tried in turn.
    pub(super) fn block(&self, pointer: &Pointer) -> Result<Option<Vec<u8>>, Error> {
        if pointer.is_hole() {
            return Ok(None);
        }
        if pointer.is_embedded() {
            return self.embedded(pointer).map(Some);
        }
        let mut problem = self.damaged("a block pointer without an address");
        for found in self.copies(pointer) {
            match found {
                Ok(stored) => return self.logical(pointer, stored).map(Some),
                Err(Error::Damaged { path, problem: what }) => {
                    problem = Error::Damaged { path, problem: what };
                }
                Err(error) => return Err(error),
            }
        }
        Err(problem)
    }

    /// The stored bytes of all copies of a block, each with its checksum compared.
    pub(super) fn copies(&self, pointer: &Pointer) -> impl Iterator<Item = Result<Vec<u8>, Error>> {
        let words = pointer.0;
        (0..3)
            .map(move |copy| (words[2 * copy], words[2 * copy + 1]))
            .filter(|address| *address != (0, 0))
            .map(move |(first, second)| self.copy(&Pointer(words), first, second))
    }

    fn copy(&self, pointer: &Pointer, first: u64, second: u64) -> Result<Vec<u8>, Error> {
        let properties = pointer.0[6];
        if bits(properties, 63, 1) == 0 {
            return Err(self.unknown("blocks in big-endian order"));
        }
        if bits(properties, 61, 1) == 1 {
            return Err(self.unknown("encrypted blocks"));
        }
        if bits(first, 32, 24) != 0 {
            return Err(self.unknown("more than one device"));
        }
        if second >> 63 == 1 {
            return Err(self.unknown("gang blocks"));
        }
        let offset = bits(second, 0, 55)
            .checked_mul(512)
            .and_then(|offset| offset.checked_add(SPACE_START))
            .ok_or_else(|| self.damaged("a block pointer with an impossible address"))?;
        let stored = self.bytes(offset, (bits(properties, 16, 16) + 1) * 512)?;
        self.check(pointer, &stored, offset)?;
        Ok(stored)
    }

    fn check(&self, pointer: &Pointer, stored: &[u8], offset: u64) -> Result<(), Error> {
        let sum = match bits(pointer.0[6], 40, 8) {
            2 => return Ok(()), // off
            7 => fletcher_4(stored),
            8 => {
                let digest: [u8; 32] = sha2::Sha256::digest(stored).into();
                let (groups, _) = digest.as_chunks::<8>();
                let mut sum = [0; 4];
                for (word, group) in sum.iter_mut().zip(groups) {
                    *word = u64::from_be_bytes(*group);
                }
                sum
            }
            other => return Err(self.unknown(format!("checksum {other}"))),
        };
        if sum == pointer.checksum() {
            Ok(())
        } else {
            Err(self.damaged(format!("the block at byte {offset} does not have its checksum")))
        }
    }

    /// The block that some stored bytes stand for.
    pub(super) fn logical(&self, pointer: &Pointer, stored: Vec<u8>) -> Result<Vec<u8>, Error> {
        let size = pointer.logical();
        if size > LARGEST_BLOCK {
            return Err(self.damaged(format!("a block of {size} bytes")));
        }
        let compression = bits(pointer.0[6], 32, 7);
        if compression == OFF && stored.len() as u64 == size {
            return Ok(stored);
        }
        decompress(compression, &stored, size as usize)
            .map_err(|what| self.unknown(what))?
            .ok_or_else(|| self.damaged("a block that does not decompress to its size"))
    }

    /// A block so small that it is kept in its pointer.
    pub(super) fn embedded(&self, pointer: &Pointer) -> Result<Vec<u8>, Error> {
        let properties = pointer.0[6];
        if bits(properties, 40, 8) != 0 {
            return Err(self.unknown("pointers with other things than data in them"));
        }
        let size = bits(properties, 0, 25) + 1;
        let stored = bits(properties, 25, 7) as usize + 1;
        let payload: Vec<u8> = (0..16)
            .filter(|word| ![6, 10].contains(word))
            .flat_map(|word: usize| pointer.0[word].to_le_bytes())
            .collect();
        let stored = payload
            .get(..stored)
            .filter(|_| size <= LARGEST_BLOCK)
            .ok_or_else(|| self.damaged("a pointer with too much data in it"))?;
        decompress(bits(properties, 32, 7), stored, size as usize)
            .map_err(|what| self.unknown(what))?
            .ok_or_else(|| self.damaged("data in a pointer that does not decompress to its size"))
    }
}
