//! Memory for blocks that are looked at and dropped: used again for the next one.

use std::cell::RefCell;

use super::block::Storage;
use crate::Error;

/// Bytes read together where blocks follow each other: they fit into the cache of a processor.
const AHEAD: u64 = 256 << 10;
/// Blocks that are no further from each other are taken to follow each other.
const GAP: u64 = 64 << 10;

/// Where the system copies file contents to fastest.
const PAGE: usize = 4096;

/// Bytes that begin at a page and grow as needed.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

/// What a thread needs to read a block and to decompress it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// For the bytes as they are stored.
    pub(super) stored: Buffer,
    /// For the bytes after decompression.
    pub(super) logical: Buffer,
    /// For blocks that mostly follow each other.
    pub(super) window: Window,
}

/// A piece of an image, read a little further than was asked for when that is likely to be next.
#[derive(Debug, Default)]
pub(super) struct Window {
    buffer: Buffer,
    /// Who reads: what one has read is nothing to another, who may see a changed file.
    reader: u64,
    start: u64,
    length: usize,
    /// Where the last block that was asked for ended.
    next: u64,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Buffer {
    /// The first bytes, with whatever is in them.
    pub(super) fn space(&mut self, size: usize) -> &mut [u8] {
        if self.0.len() < size + PAGE {
            self.0.resize(size + PAGE, 0);
        }
        let start = self.0.as_ptr().align_offset(PAGE).min(PAGE);
        &mut self.0[start..start + size]
    }
}

impl Window {
    /// Some bytes at an offset of the device.
    pub(super) fn bytes(
        &mut self,
        reader: u64,
        storage: &Storage,
        offset: u64,
        size: usize,
    ) -> Result<&[u8], Error> {
        let end = offset.saturating_add(size as u64);
        if self.reader != reader {
            *self = Self { buffer: std::mem::take(&mut self.buffer), reader, ..Self::default() };
        }
        if offset < self.start || end > self.start + self.length as u64 {
            let follows = offset.checked_sub(self.next).is_some_and(|gap| gap <= GAP);
            let ahead = if follows { AHEAD.min(storage.size.saturating_sub(offset)) } else { 0 };
            let length = size.max(ahead as usize);
            self.length = 0;
            storage.fill(offset, self.buffer.space(length))?;
            (self.start, self.length) = (offset, length);
        }
        self.next = end;
        let at = (offset - self.start) as usize;
        Ok(&self.buffer.space(self.length)[at..at + size])
    }
}

/// Lends the scratch memory of this thread. What uses it must not hand work to other threads:
/// waiting for them, this thread could be given work that needs the same memory.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_begins_at_a_page() {
        let mut buffer = Buffer::default();
        for size in [1, 512, 131_072, 7] {
            let space = buffer.space(size);
            assert_eq!((space.len(), space.as_ptr().align_offset(PAGE)), (size, 0));
        }
    }

    #[test]
    fn a_window_shows_what_its_reader_would_read() {
        use std::os::unix::fs::FileExt;

        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let storage = Storage::for_test(file, bytes.len() as u64);
        let mut window = Window::default();
        // One after the other, with gaps, back, across the end of what is there, and the last.
        for (offset, size) in
            [(0, 512), (512, 100_000), (120_000, 300_000), (7, 9), (500_000, 64), (1_048_575, 1)]
        {
            let there = window.bytes(1, &storage, offset, size).unwrap();
            assert_eq!(there, &bytes[offset as usize..][..size], "{size} bytes at {offset}");
        }
        storage.file.write_all_at(&[0xff; 64], 1_048_512).unwrap();
        assert_eq!(window.bytes(2, &storage, 1_048_575, 1).unwrap(), [0xff]);
        let beyond = window.bytes(2, &storage, 1_048_570, 7).unwrap_err();
        assert!(beyond.to_string().contains("beyond the end"), "{beyond}");
    }
}
