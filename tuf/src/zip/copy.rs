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
    let mut out = Vec::with_capacity(chunk.len() / 2 + 64);
    let mut from = 0;
    for (to, noise) in runs(chunk, level) {
        let run = &chunk[from..to];
        let end = end && to == chunk.len();
        if noise {
            store(run, end, &mut out);
        } else {
            // Behind noise there is nothing worth referring to.
            compress(if from == 0 { dictionary } else { &[] }, run, level, end, &mut out)?;
        }
        from = to;
    }
    Ok(out)
}

fn compress(
    dictionary: &[u8],
    run: &[u8],
    level: u32,
    end: bool,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut compress = Compress::new(Compression::new(level), false);
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary)?;
    }
    let flush = if end { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let read = compress.total_in() as usize;
        let status = compress.compress_vec(&run[read..], out, flush)?;
        let done = match status {
            Status::StreamEnd => true,
            // A flush is complete when all input is gone and room for output is left.
            _ => !end && compress.total_in() as usize == run.len() && out.len() < out.capacity(),
        };
        if done {
            return Ok(());
        }
        out.reserve(run.len() / 4 + 64);
    }
}

/// Writes bytes as stored blocks of a deflate stream, which is at a byte boundary.
fn store(run: &[u8], end: bool, out: &mut Vec<u8>) {
    let mut blocks = run.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16; // a chunk is no longer than that
        out.push(u8::from(end && blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
}

/// Bytes that are looked at together to see whether they compress. A constant of the output.
const PIECE: usize = 4 << 10;

/// The runs of a chunk that are stored or compressed, as (end, whether it is stored).
///
/// The fast level would spend most of its time, and its readers most of theirs, on bytes that are
/// compressed already, of which the image of a pool is full: those are stored.
fn runs(chunk: &[u8], level: u32) -> Vec<(usize, bool)> {
    if Method::Deflate(level) != Method::FAST || chunk.is_empty() {
        return vec![(chunk.len(), false)];
    }
    let mut runs: Vec<(usize, bool)> = Vec::new();
    for piece in chunk.chunks(PIECE) {
        let noise = is_noise(piece);
        match runs.last_mut() {
            Some(run) if run.1 == noise => run.0 += piece.len(),
            before => {
                let from = before.map_or(0, |run| run.0);
                runs.push((from + piece.len(), noise));
            }
        }
    }
    runs
}

/// Whether all byte values are about equally frequent, as in what is compressed or encrypted.
fn is_noise(piece: &[u8]) -> bool {
    // Several tables, so that equal neighbours need not wait for each other.
    let mut counts = [[0_u32; 256]; 4];
    let (fours, rest) = piece.as_chunks::<4>();
    for four in fours {
        for (table, byte) in counts.iter_mut().zip(four) {
            table[usize::from(*byte)] += 1;
        }
    }
    for byte in rest {
        counts[0][usize::from(*byte)] += 1;
    }
    let squares: u64 = (0..256)
        .map(|value| u64::from(counts.iter().map(|table| table[value]).sum::<u32>()).pow(2))
        .sum();
    // Of chance the sum is length + length² / 256; text and programs have three times that and more.
    let length = piece.len() as u64;
    squares < length + length * length / 256 + length * length / 1024
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

    /// Pieces of chance and pieces of text, as in the image of a pool.
    fn mixed(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let pieces = (0..length.div_ceil(PIECE)).flat_map(|number| {
            (0..PIECE)
                .map(move |at| (number, at))
                .map(|(number, at)| match number % 3 {
                    0 => {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        (state >> 24) as u8
                    }
                    _ => b"what compresses well "[at * (number + 1) % 21],
                })
                .collect::<Vec<_>>()
        });
        pieces.take(length).collect()
    }

    #[test]
    fn what_is_compressed_already_is_not_compressed_again() {
        for length in [1, PIECE, 3 * PIECE + 5, CHUNK, CHUNK + PIECE + 1, 2 * BATCH * CHUNK + 9] {
            let data = mixed(length);
            let mut out = Vec::new();
            copy(&mut &data[..], Method::FAST, &mut out).unwrap();
            let mut back = Vec::new();
            flate2::read::DeflateDecoder::new(&out[..]).read_to_end(&mut back).unwrap();
            assert!(back == data, "{length}");
            // A third is chance, and little more than that is there.
            assert!(out.len() < length / 3 + length / 40 + PIECE + 64, "{length}: {}", out.len());
        }
        assert!(is_noise(&mixed(PIECE)) && !is_noise(&mixed(2 * PIECE)[PIECE..]));
        let base64: Vec<u8> = mixed(PIECE).iter().map(|byte| b'0' + byte % 64).collect();
        assert!(!is_noise(&base64));
        assert!(!is_noise(&[0; PIECE]) && !is_noise(&[7]) && !is_noise(&[]));
    }

    #[test]
    fn threads_do_not_reach_the_output() {
        let data = mixed(3 * CHUNK + 17);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = Vec::new();
            pool.install(|| copy(&mut &data[..], Method::FAST, &mut out)).unwrap();
            out
        };
        assert!(with(1) == with(3));
    }
}
