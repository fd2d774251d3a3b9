//! Reads a stream in a thread of its own, so that inflating it and using it go on side by side.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// What is handed over at a time.
const PIECE: usize = 128 << 10;
/// As many pieces wait at most.
const PIECES: usize = 8;

/// A stream that is being read ahead of who needs it, by a megabyte at most.
pub(crate) struct ReadAhead {
    /// Pieces in order; an empty one is the end.
    pieces: Option<Receiver<io::Result<Vec<u8>>>>,
    /// Pieces that were used, to be filled again.
    used: Sender<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
    ended: bool,
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    /// Begins to read.
    pub(crate) fn new(input: impl Read + Send + 'static) -> io::Result<ReadAhead> {
        let (sender, pieces) = sync_channel(PIECES);
        let (used, free) = channel();
        let thread = std::thread::Builder::new()
            .name("read-ahead".into())
            .spawn(move || read(input, &sender, &free))?;
        Ok(ReadAhead {
            pieces: Some(pieces),
            used,
            piece: Vec::new(),
            position: 0,
            ended: false,
            thread: Some(thread),
        })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let gone = || io::Error::other("the thread that reads has ended");
        let pieces = self.pieces.as_ref().ok_or_else(gone)?;
        let piece = pieces.recv().map_err(|_| gone())??;
        // if nobody takes it back, it is not needed any more
        let _ = self.used.send(std::mem::replace(&mut self.piece, piece));
        self.position = 0;
        self.ended = self.piece.is_empty();
        Ok(())
    }
}

/// Sends pieces until the end, an error, or nobody wants them.
fn read(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>, free: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = free.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let (count, error) = fill(&mut input, &mut piece);
        piece.truncate(count);
        // what came before an error is used before the error is told
        let over = count == 0 || error.is_some();
        let pieces = [(count > 0 || error.is_none()).then_some(Ok(piece)), error.map(Err)];
        let unwanted = pieces.into_iter().flatten().any(|piece| sender.send(piece).is_err());
        if unwanted || over {
            return;
        }
    }
}

/// Reads until the buffer is full, the input ends or cannot be read. Returns the number of bytes.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.piece.len() && !self.ended {
            self.next_piece()?;
        }
        let count = buffer.len().min(self.piece.len() - self.position);
        buffer[..count].copy_from_slice(&self.piece[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        // without a receiver the thread ends
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            // it has nothing to say that matters now
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of odd sizes, and an error behind them if there is one.
    struct Odd {
        bytes: Vec<u8>,
        given: usize,
        error: Option<io::Error>,
    }

    impl Read for Odd {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = &self.bytes[self.given..];
            if rest.is_empty() {
                return self.error.take().map_or(Ok(0), Err);
            }
            let count = rest.len().min(buffer.len()).min(1 + self.given % 77_777);
            buffer[..count].copy_from_slice(&rest[..count]);
            self.given += count;
            Ok(count)
        }
    }

    fn odd(size: usize, error: Option<io::Error>) -> Odd {
        Odd { bytes: (0..size).map(|n| (n % 251) as u8).collect(), given: 0, error }
    }

    #[test]
    fn every_byte_arrives_in_order_and_then_the_end() -> io::Result<()> {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, PIECE * (PIECES + 3) + 5] {
            let mut ahead = ReadAhead::new(odd(size, None))?;
            let mut found = Vec::new();
            assert_eq!(ahead.read_to_end(&mut found)?, size);
            assert!(found == odd(size, None).bytes, "{size}");
            assert_eq!(ahead.read(&mut [0; 10])?, 0);
        }
        Ok(())
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() -> io::Result<()> {
        for size in [0, 1, PIECE, PIECE * 3 + 5] {
            let mut ahead = ReadAhead::new(odd(size, Some(io::Error::other("unreadable"))))?;
            let mut found = Vec::new();
            let error = ahead.read_to_end(&mut found).map_err(|error| error.to_string());
            assert_eq!((found.len(), error), (size, Err("unreadable".into())));
            // it is no end
            assert!(ahead.read(&mut [0; 10]).is_err());
        }
        Ok(())
    }

    #[test]
    fn what_nobody_reads_is_given_up() -> io::Result<()> {
        let mut ahead = ReadAhead::new(io::repeat(7))?;
        ahead.read_exact(&mut [0; 1000])?;
        drop(ahead);
        Ok(())
    }
}
