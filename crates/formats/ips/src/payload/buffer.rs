//! Memory for payloads.

use std::cell::RefCell;
use std::io::{self, Read};
use std::mem;

thread_local! {
    /// Memory that buffers used and the next ones take.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of one payload, in memory that is used again: there are tens of thousands of payloads, and
/// the kernel clears all memory that it gives.
#[derive(Default)]
pub(super) struct Buffer {
    /// Longer than what is in it.
    memory: Vec<u8>,
    pub(super) size: usize,
}

impl Buffer {
    /// With so many bytes, whatever they are.
    pub(super) fn of_size(size: usize) -> Self {
        let mut memory = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        if memory.len() < size {
            memory.resize(size, 0);
        }
        Self { memory, size }
    }

    /// With everything that a reader gives.
    pub(super) fn filled(reader: &mut impl Read) -> io::Result<Self> {
        let mut buffer = Self::of_size(16 << 10);
        buffer.size = 0;
        loop {
            if buffer.size == buffer.memory.len() {
                buffer.memory.resize(2 * buffer.size, 0);
            }
            match reader.read(&mut buffer.memory[buffer.size..]) {
                Ok(0) => return Ok(buffer),
                Ok(count) => buffer.size += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.size]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.size]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.memory.is_empty() {
            // Gone with the thread, if that is ending.
            let _ = SPARE.try_with(|spare| spare.borrow_mut().push(mem::take(&mut self.memory)));
        }
    }
}
