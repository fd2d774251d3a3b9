//! Memory for blocks that are looked at and dropped: used again for the next one.

use std::cell::RefCell;

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
}
