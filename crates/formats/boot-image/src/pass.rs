//! One reading of an image, in which everything is done that needs its bytes.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::Builder;

use proto::Digest;
use sha2::Digest as _;

use crate::Error;

/// Bytes that are handed on together.
const BLOCK: usize = 1 << 20;
/// Blocks in memory: one being read and stored, the others waiting to be hashed.
const BLOCKS: usize = 4;

/// Reads the source to its end and gives all of it to the sink. A thread of its own hashes
/// meanwhile, so that this takes as long as the slower of the two. Gives length and digest. The
/// paths are what errors call source and sink.
pub(crate) fn pass(
    source: &mut impl Read,
    source_path: &Path,
    sink: &mut impl Write,
    sink_path: &Path,
) -> Result<(u64, Digest), Error> {
    let (full, blocks) = sync_channel::<Vec<u8>>(BLOCKS);
    let (hashed, empty) = channel();
    std::thread::scope(|scope| {
        let hash = move || {
            let mut hasher = sha2::Sha256::new();
            for block in blocks {
                hasher.update(&block);
                // Nobody takes it when the other side has failed.
                let _ = hashed.send(block);
            }
            Digest(hasher.finalize().into())
        };
        let thread = Builder::new()
            .name("hash".into())
            .spawn_scoped(scope, hash)
            .map_err(Error::io("start a thread for hashing", source_path))?;
        let size = feed(source, source_path, sink, sink_path, full, &empty)?;
        let digest = thread.join().map_err(|_| {
            Error::io("hash", source_path)(io::Error::other("the hashing thread panicked"))
        })?;
        Ok((size, digest))
    })
}

/// Takes `full` for itself: the thread at its other end stops waiting when this returns.
fn feed(
    source: &mut impl Read,
    source_path: &Path,
    sink: &mut impl Write,
    sink_path: &Path,
    full: SyncSender<Vec<u8>>,
    empty: &Receiver<Vec<u8>>,
) -> Result<u64, Error> {
    let mut size = 0;
    for number in 0.. {
        let mut block = match number {
            0..BLOCKS => Vec::with_capacity(BLOCK),
            _ => empty.recv().unwrap_or_default(),
        };
        block.clear();
        let count = source
            .by_ref()
            .take(BLOCK as u64)
            .read_to_end(&mut block)
            .map_err(Error::io("read", source_path))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        sink.write_all(&block).map_err(Error::io("write", sink_path))?;
        if full.send(block).is_err() {
            break;
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reaches_both_sides() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5] {
            let bytes: Vec<u8> = (0..length).map(|n| (n / 3) as u8).collect();
            let (mut sink, path) = (Vec::new(), Path::new("x"));
            let (size, digest) = pass(&mut &bytes[..], path, &mut sink, path).unwrap();
            assert_eq!((size, digest), (length as u64, Digest::of(&bytes)));
            assert!(sink == bytes);
        }
    }

    #[test]
    fn failures_of_either_side_end_it_and_say_where() {
        struct Bad;
        impl Read for Bad {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad"))
            }
        }
        let (from, to) = (Path::new("from"), Path::new("to"));
        let mut source = io::repeat(1).take(5 << 20).chain(Bad);
        let error = pass(&mut source, from, &mut io::sink(), to).unwrap_err();
        assert_eq!(error.to_string(), "cannot read from");
        let mut room = vec![0; 3 << 20];
        let error = pass(&mut io::repeat(1), from, &mut &mut room[..], to).unwrap_err();
        assert_eq!(error.to_string(), "cannot write to");
    }
}
