//! Blocks: found by their pointers, checked and decompressed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sha2::Digest as _;

use super::buffer::{Scratch, with_scratch};
use super::decompress::decompress;
use super::pointer::{Address, Pointer};
use crate::Error;
use crate::checksum::fletcher_4;
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
    /// Checksums are taken to be right.
    #[cfg(feature = "fuzzing")]
    pub(super) trusting: bool,
}

impl Storage {
    /// An image that is a whole file.
    #[cfg(test)]
    pub(super) fn for_test(file: File, size: u64) -> Self {
        let path = PathBuf::from("image");
        Self {
            file,
            path,
            start: 0,
            size,
            #[cfg(feature = "fuzzing")]
            trusting: false,
        }
    }

    /// An error about the image.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), problem: problem.into() }
    }

    /// An error about something this reader does not know.
    pub(super) fn unknown(&self, what: impl Into<String>) -> Error {
        Error::Unknown { path: self.path.clone(), what: what.into() }
    }

    /// Fills `into` from an offset of the device.
    pub(super) fn fill(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > self.size) {
            return Err(self.damaged(format!("a block at {offset} lies beyond the end")));
        }
        self.file.read_exact_at(into, self.start + offset).map_err(Error::io("read", &self.path))
    }

    /// Reads bytes at an offset of the device.
    pub(super) fn bytes(&self, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; size.min(self.size) as usize];
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The block a pointer leads to; a hole is `None`. Copies are tried in turn.
    pub(super) fn block(&self, pointer: &Pointer) -> Result<Option<Vec<u8>>, Error> {
        if pointer.is_hole() {
            return Ok(None);
        }
        let mut block = vec![0; self.logical_size(pointer)?];
        if pointer.is_embedded() {
            self.embedded(pointer, &mut block)?;
            return Ok(Some(block));
        }
        let mut problem = self.damaged("a block pointer without an address");
        for address in pointer.addresses() {
            match self.copy(pointer, address, &mut block) {
                Ok(()) => return Ok(Some(block)),
                Err(error @ Error::Damaged { .. }) => problem = error,
                Err(error) => return Err(error),
            }
        }
        Err(problem)
    }

    /// Bytes of a block after decompression.
    pub(super) fn logical_size(&self, pointer: &Pointer) -> Result<usize, Error> {
        match pointer.logical() {
            size if size > LARGEST_BLOCK => Err(self.damaged(format!("a block of {size} bytes"))),
            size => Ok(size as usize),
        }
    }

    /// Reads one copy of a block.
    pub(super) fn copy(
        &self,
        pointer: &Pointer,
        address: Address,
        block: &mut [u8],
    ) -> Result<(), Error> {
        if is_plain(pointer) {
            return self.stored(pointer, address, block);
        }
        with_scratch(|Scratch { stored, .. }| {
            let stored = stored.space(pointer.physical() as usize);
            self.stored(pointer, address, stored)?;
            self.logical(pointer, stored, block)
        })
    }

    /// Reads one copy of a block, to see whether it can be read.
    pub(super) fn check_copy(&self, pointer: &Pointer, address: Address) -> Result<(), Error> {
        let size = self.logical_size(pointer)?;
        with_scratch(|Scratch { stored, logical, .. }| {
            let stored = stored.space(pointer.physical() as usize);
            self.stored(pointer, address, stored)?;
            self.check_logical(pointer, stored, logical.space(size))
        })
    }

    /// The same for a block of data that others follow; `reader` is who reads them.
    pub(super) fn check_data(
        &self,
        pointer: &Pointer,
        address: Address,
        reader: u64,
    ) -> Result<(), Error> {
        let size = self.logical_size(pointer)?;
        let offset = self.place(pointer, address)?;
        with_scratch(|Scratch { logical, window, .. }| {
            let stored = window.bytes(reader, self, offset, pointer.physical() as usize)?;
            self.check(pointer, stored, offset)?;
            self.check_logical(pointer, stored, logical.space(size))
        })
    }

    fn check_logical(
        &self,
        pointer: &Pointer,
        stored: &[u8],
        block: &mut [u8],
    ) -> Result<(), Error> {
        if is_plain(pointer) { Ok(()) } else { self.logical(pointer, stored, block) }
    }

    /// Reads the stored bytes of one copy and compares their checksum.
    pub(super) fn stored(
        &self,
        pointer: &Pointer,
        address: Address,
        stored: &mut [u8],
    ) -> Result<(), Error> {
        let offset = self.place(pointer, address)?;
        self.fill(offset, stored)?;
        self.check(pointer, stored, offset)
    }

    /// Where on the device one copy of a block is stored.
    fn place(&self, pointer: &Pointer, address: Address) -> Result<u64, Error> {
        if pointer.property(63, 1) == 0 {
            return Err(self.unknown("blocks in big-endian order"));
        }
        if pointer.property(61, 1) == 1 {
            return Err(self.unknown("encrypted blocks"));
        }
        if address.device != 0 {
            return Err(self.unknown("more than one device"));
        }
        if address.is_gang {
            return Err(self.unknown("gang blocks"));
        }
        address
            .offset
            .and_then(|offset| offset.checked_add(SPACE_START))
            .ok_or_else(|| self.damaged("a block pointer with an impossible address"))
    }

    fn check(&self, pointer: &Pointer, stored: &[u8], offset: u64) -> Result<(), Error> {
        #[cfg(feature = "fuzzing")]
        if self.trusting {
            return Ok(());
        }
        let sum = match pointer.property(40, 8) {
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
    fn logical(&self, pointer: &Pointer, stored: &[u8], block: &mut [u8]) -> Result<(), Error> {
        match decompress(pointer.compression(), stored, block) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.damaged("a block that does not decompress to its size")),
            Err(what) => Err(self.unknown(what)),
        }
    }

    /// A block so small that it is kept in its pointer.
    pub(super) fn embedded(&self, pointer: &Pointer, block: &mut [u8]) -> Result<(), Error> {
        if pointer.property(40, 8) != 0 {
            return Err(self.unknown("pointers with other things than data in them"));
        }
        let payload = pointer.payload();
        let stored = payload
            .get(..pointer.physical() as usize)
            .ok_or_else(|| self.damaged("a pointer with too much data in it"))?;
        self.logical(pointer, stored, block)
    }
}

/// Whether a block is stored as it is.
fn is_plain(pointer: &Pointer) -> bool {
    pointer.compression() == OFF && pointer.physical() == pointer.logical()
}
