//! One pass over an input: hash, checksum and stored form together.
//!
//! Deflate works on chunks of a fixed size, each with the last 32 KiB before it as dictionary and
//! ended on a byte boundary, so that several are compressed at once and the bytes depend on neither
//! the number of threads nor the sizes of reads. The result is one ordinary deflate stream.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use proto::Digest;
use rayon::prelude::*;
use sha2::Digest as _;

use crate::compression::Method;

/// Bytes of one chunk. A constant of the output: another value gives other archives.
const CHUNK: usize = 1 << 20;
/// Bytes of the dictionary: deflate's window.
const WINDOW: usize = 32 << 10;
/// Chunks in memory at a time. Not a constant of the output.
const BATCH: usize = 8;

/// What went through [`copy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streamed {
    /// Bytes read.
    pub(crate) length: u64,
    /// Bytes written.
    pub(crate) stored: u64,
    /// CRC-32 of what was read.
    pub(crate) crc32: u32,
    /// SHA-256 of what was read.
    pub(crate) sha256: Digest,
}

impl Default for Streamed {
    fn default() -> Self {
        Self { length: 0, stored: 0, crc32: 0, sha256: Digest([0; 32]) }
    }
}

/// Copies all of `input` to `out` in its stored form. Memory: about 2 × 8 MiB.
pub(crate) fn copy(
    input: &mut dyn Read,
    method: Method,
    out: &mut (dyn Write + Send),
) -> io::Result<Streamed> {
    let mut sha256 = sha2::Sha256::new();
    let mut crc32 = crc32fast::Hasher::new();
    let mut streamed = Streamed::default();
    let mut buffer = vec![0; WINDOW + BATCH * CHUNK];
    let mut window = 0; // bytes of the window that are filled, just before WINDOW
    loop {
        let read = fill(input, &mut buffer[WINDOW..])?;
        let last = read < BATCH * CHUNK;
        let batch = &buffer[WINDOW..WINDOW + read];
        streamed.length += read as u64;
        let hash = || {
            sha256.update(batch);
            crc32.update(batch);
        };
        match method {
            Method::Stored => {
                rayon::join(hash, || out.write_all(batch)).1?;
                streamed.stored += read as u64;
            }
            Method::Deflate(level) => {
                let chunks = chunk_ranges(read, last);
                let (_, compressed) = rayon::join(hash, || {
                    chunks
                        .par_iter()
                        .map(|&(from, to, end)| {
                            let dictionary = if from == 0 { WINDOW - window } else { from };
                            deflate(
                                &buffer[dictionary..WINDOW + from],
                                &buffer[WINDOW + from..WINDOW + to],
                                level,
                                end,
                            )
                        })
                        .collect::<io::Result<Vec<_>>>()
                });
                for chunk in compressed? {
                    out.write_all(&chunk)?;
                    streamed.stored += chunk.len() as u64;
                }
            }
        }
        if last {
            break;
        }
        buffer.copy_within(BATCH * CHUNK.., 0);
        window = WINDOW;
    }
    streamed.crc32 = crc32.finalize();
    streamed.sha256 = Digest(sha256.finalize().into());
    Ok(streamed)
}

/// The same pass for an input that is not written.
pub(crate) fn hash_only(input: &mut dyn Read) -> io::Result<Streamed> {
    copy(input, Method::Stored, &mut io::sink())
}

/// Chunks of a batch as (from, to, whether the stream ends there).
fn chunk_ranges(length: usize, last: bool) -> Vec<(usize, usize, bool)> {
    let mut ranges: Vec<_> =
        (0..length).step_by(CHUNK).map(|from| (from, length.min(from + CHUNK), false)).collect();
    if last {
        match ranges.last_mut() {
            Some(range) => range.2 = true,
            // The input ended with the batch before: an empty chunk ends the stream.
            None => ranges.push((0, 0, true)),
        }
    }
    ranges
}

fn deflate(dictionary: &[u8], chunk: &[u8], level: u32, end: bool) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(Compression::new(level), false);
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary)?;
    }
    let flush = if end { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut out = Vec::with_capacity(chunk.len() / 2 + 64);
    loop {
        let read = compress.total_in() as usize;
        let status = compress.compress_vec(&chunk[read..], &mut out, flush)?;
        let done = match status {
            Status::StreamEnd => true,
            // A flush is complete when all input is gone and room for output is left.
            _ => !end && compress.total_in() as usize == chunk.len() && out.len() < out.capacity(),
        };
        if done {
            return Ok(out);
        }
        out.reserve(chunk.len() / 4 + 64);
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        (0..length)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if i % 5000 < 3000 { (i / 700) as u8 } else { (state >> 24) as u8 }
            })
            .collect()
    }

    #[test]
    fn one_ordinary_stream_at_every_edge() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, BATCH * CHUNK, BATCH * CHUNK + 7] {
            let data = noise(length);
            for method in [Method::Stored, Method::FAST, Method::BEST] {
                let mut out = Vec::new();
                let streamed = copy(&mut &data[..], method, &mut out).unwrap();
                assert_eq!(streamed.stored, out.len() as u64);
                assert_eq!(streamed.length, length as u64);
                assert_eq!(streamed.sha256, Digest::of(&data));
                assert_eq!(streamed.crc32, crc32fast::hash(&data));
                let back = match method {
                    Method::Stored => out,
                    Method::Deflate(_) => {
                        let mut back = Vec::new();
                        let mut decoder = flate2::read::DeflateDecoder::new(&out[..]);
                        decoder.read_to_end(&mut back).unwrap();
                        assert_eq!(decoder.total_in(), out.len() as u64);
                        back
                    }
                };
                assert!(back == data, "{length} {method:?}");
            }
        }
    }

    #[test]
    fn threads_do_not_reach_the_output() {
        let data = noise(3 * CHUNK + 17);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = Vec::new();
            pool.install(|| copy(&mut &data[..], Method::BEST, &mut out)).unwrap();
            out
        };
        assert!(with(1) == with(3));
    }
}
