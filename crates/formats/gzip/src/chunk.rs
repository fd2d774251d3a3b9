//! One chunk of input and its compressed form.

use std::io;

use zlib_rs::{Deflate, DeflateFlush, Status};

/// Bytes of input per chunk. Part of the output: never change it.
pub(crate) const SIZE: usize = 1 << 20;
/// Bytes before a chunk that it may refer back to: the window of deflate.
pub(crate) const WINDOW: usize = 32 << 10;

/// A chunk to be compressed.
pub(crate) struct Chunk {
    /// The bytes.
    pub(crate) input: Vec<u8>,
    /// Up to [`WINDOW`] bytes that precede them.
    pub(crate) dictionary: Vec<u8>,
    /// Whether the stream ends with it.
    pub(crate) last: bool,
}

/// Compresses one chunk. Every chunk but the last ends on a byte boundary.
///
/// Each chunk gets a new encoder: one that was used and reset gives other bytes at level 1, and
/// then the output would depend on which thread compressed what before.
pub(crate) fn encode(level: i32, chunk: &Chunk) -> io::Result<Vec<u8>> {
    let mut encoder = Deflate::new(level, false, 15);
    if !chunk.dictionary.is_empty() {
        encoder.set_dictionary(&chunk.dictionary).map_err(failed)?;
    }
    let flush = if chunk.last { DeflateFlush::Finish } else { DeflateFlush::SyncFlush };
    // Room for the worst case: incompressible data grow by a few bytes per block.
    let mut output = vec![0; chunk.input.len() * 9 / 8 + 1024];
    loop {
        let (taken, given) = (encoder.total_in() as usize, encoder.total_out() as usize);
        let status =
            encoder.compress(&chunk.input[taken..], &mut output[given..], flush).map_err(failed)?;
        let given = encoder.total_out() as usize;
        // A sync flush is complete when the encoder leaves room in the output.
        let complete = if chunk.last {
            status == Status::StreamEnd
        } else {
            encoder.total_in() as usize == chunk.input.len() && given < output.len()
        };
        if complete {
            output.truncate(given);
            return Ok(output);
        }
        if given == output.len() {
            output.resize(given * 2, 0);
        }
    }
}

fn failed(error: zlib_rs::DeflateError) -> io::Error {
    io::Error::other(format!("the deflate encoder failed: {}", error.as_str()))
}
