//! A gzip member whose first bytes become known last.

use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use crate::Level;
use crate::frame::{Frame as _, Gzip};
use crate::writer::Chunked;

/// The most bytes that a stored block of deflate holds.
const STORED: usize = 65535;
/// Bytes before the data of a stored block.
const STORED_HEADER: usize = 5;

/// Writes one gzip member, compressing on several threads, before its first bytes are known.
///
/// For archives that begin with the checksum of what follows: everything is read and compressed
/// once, and the beginning is put in its place at the end. That works because the first bytes are
/// stored, not compressed, so that the room they need is known, and because the CRC of two pieces
/// follows from those of the pieces.
///
/// [`LateGzipWriter::finish`] must be called; dropping the writer leaves the member incomplete.
///
/// ```
/// use std::io::{Cursor, Read, Write};
///
/// let mut writer = gzip::LateGzipWriter::new(Cursor::new(Vec::new()), gzip::Level::Best, 5)?;
/// writer.write_all(b", world")?;
/// let file = writer.finish(b"hello")?.into_inner();
///
/// let mut text = String::new();
/// gzip::GzipReader::new(&file[..]).read_to_string(&mut text)?;
/// assert_eq!(text, "hello, world");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LateGzipWriter<W: Write + Seek> {
    rest: Chunked<W, Gzip>,
    /// Where the member begins.
    at: u64,
    /// Bytes that will be given last.
    room: usize,
    level: Level,
}

impl<W: Write + Seek> LateGzipWriter<W> {
    /// A writer with as many threads as the machine has processors, for a member whose first `room`
    /// bytes are given to [`LateGzipWriter::finish`]. They are not compressed: there should be few.
    pub fn new(inner: W, level: Level, room: usize) -> io::Result<Self> {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::with_threads(inner, level, room, threads)
    }

    /// A writer with a given number of threads. It never changes the bytes.
    pub fn with_threads(
        mut inner: W,
        level: Level,
        room: usize,
        threads: NonZeroUsize,
    ) -> io::Result<Self> {
        let at = inner.stream_position()?;
        let beginning = beginning(level, &vec![0; room]);
        inner.write_all(&beginning)?;
        Ok(Self { rest: Chunked::headless(inner, level, threads.get()), at, room, level })
    }

    /// Writes what is left, then the first bytes in their place, and gives the inner writer back,
    /// at the end of the member. There must be as many as room was left for.
    pub fn finish(self, first: &[u8]) -> io::Result<W> {
        if first.len() != self.room {
            let (room, given) = (self.room, first.len());
            let problem = format!("room was left for {room} first bytes, {given} were given");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let (mut inner, frame) = self.rest.finish()?;
        inner.write_all(&frame.behind(first).trailer())?;
        let end = inner.stream_position()?;
        inner.seek(SeekFrom::Start(self.at))?;
        inner.write_all(&beginning(self.level, first))?;
        inner.seek(SeekFrom::Start(end))?;
        Ok(inner)
    }
}

impl<W: Write + Seek> Write for LateGzipWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.rest.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rest.inner.flush()
    }
}

/// The header of the member and stored blocks, none of them the last of the stream.
fn beginning(level: Level, first: &[u8]) -> Vec<u8> {
    let mut bytes = Gzip::header(level);
    bytes.reserve(first.len() + first.len().div_ceil(STORED) * STORED_HEADER);
    for block in first.chunks(STORED) {
        let length = block.len() as u16;
        bytes.push(0);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;
    use crate::GzipReader;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * n / 1000) as u8).collect()
    }

    fn member(room: usize, first: &[u8], rest: &[u8], threads: usize) -> io::Result<Vec<u8>> {
        let mut inner = Cursor::new(b"before".to_vec());
        inner.seek(SeekFrom::End(0))?;
        let threads = NonZeroUsize::new(threads).unwrap();
        let mut writer = LateGzipWriter::with_threads(inner, Level::Best, room, threads)?;
        writer.write_all(rest)?;
        let mut inner = writer.finish(first)?;
        assert_eq!(inner.stream_position()?, inner.get_ref().len() as u64);
        assert!(inner.get_ref().starts_with(b"before"));
        Ok(inner.into_inner().split_off(6))
    }

    #[test]
    fn any_lengths_make_one_member() {
        for room in [0, 1, 65_535, 65_536, 200_000] {
            for length in [0, 1, 3_000_000] {
                let (first, rest) = (bytes(room), bytes(length));
                let stream = member(room, &first, &rest, 2).unwrap();
                assert_eq!(stream, member(room, &first, &rest, 1).unwrap());
                assert_eq!(stream, member(room, &first, &rest, 5).unwrap());
                let mut back = Vec::new();
                GzipReader::new(&stream[..]).read_to_end(&mut back).unwrap();
                assert!(back == [first, rest].concat(), "{room} {length}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_the_room_is_refused() {
        for length in [3, 5] {
            let error = member(4, &bytes(length), b"rest", 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
