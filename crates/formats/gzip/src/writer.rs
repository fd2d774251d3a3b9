//! Writers of one gzip member or one zlib stream.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use crate::Level;
use crate::chunk::{self, Chunk};
use crate::frame::{Frame, Gzip, Zlib};
use crate::workers::{Done, Recipe, Workers};

/// More threads than this gain nothing: whoever feeds the writer is slower by then, and every
/// thread costs some 4 MiB.
const MOST_THREADS: usize = 16;

/// Writes one gzip member, compressing on several threads.
///
/// [`GzipWriter::finish`] must be called; dropping the writer leaves the member incomplete.
/// Flushing only passes on what is already compressed, so that it cannot change the bytes.
pub struct GzipWriter<W: Write>(Chunked<W, Gzip>);

/// Writes one zlib stream (RFC 1950), compressing on several threads.
///
/// [`ZlibWriter::finish`] must be called; dropping the writer leaves the stream incomplete.
/// Flushing only passes on what is already compressed, so that it cannot change the bytes.
pub struct ZlibWriter<W: Write>(Chunked<W, Zlib>);

macro_rules! face {
    ($writer:ident) => {
        impl<W: Write> $writer<W> {
            /// A writer with as many threads as the machine has processors.
            pub fn new(inner: W, level: Level) -> Self {
                let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
                Self::with_threads(inner, level, threads)
            }

            /// A writer with a given number of threads. It never changes the bytes.
            pub fn with_threads(inner: W, level: Level, threads: NonZeroUsize) -> Self {
                Self(Chunked::new(inner, level, threads.get()))
            }

            /// Writes what is left and the trailer, and gives the inner writer back.
            pub fn finish(self) -> io::Result<W> {
                let (mut inner, frame) = self.0.finish()?;
                inner.write_all(&frame.trailer())?;
                Ok(inner)
            }

            /// The inner writer. It has not yet seen everything that was written.
            pub fn get_ref(&self) -> &W {
                &self.0.inner
            }
        }

        impl<W: Write> Write for $writer<W> {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.write(data)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.0.inner.flush()
            }
        }
    };
}

face!(GzipWriter);
face!(ZlibWriter);

/// The chunks of a stream, behind its header and before its trailer.
pub(crate) struct Chunked<W, F> {
    pub(crate) inner: W,
    frame: F,
    level: Level,
    recipe: Recipe,
    header_written: bool,
    /// The chunk that is being filled.
    input: Vec<u8>,
    /// The end of the one before.
    dictionary: Vec<u8>,
    threads: usize,
    /// Started when the first chunk is full: small files need no thread.
    workers: Option<Workers>,
}

impl<W: Write, F: Frame> Chunked<W, F> {
    pub(crate) fn new(inner: W, level: Level, threads: usize) -> Self {
        Self {
            inner,
            frame: F::default(),
            level,
            recipe: Recipe { level: level.number(), sum: F::sum },
            header_written: false,
            input: Vec::new(),
            dictionary: Vec::new(),
            threads: threads.min(MOST_THREADS),
            workers: None,
        }
    }

    /// The same without a header: somebody else writes it.
    pub(crate) fn headless(inner: W, level: Level, threads: usize) -> Self {
        Self { header_written: true, ..Self::new(inner, level, threads) }
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A full chunk is only handed on when more follows, so the last is never empty unless
        // everything is.
        if self.input.len() == chunk::SIZE && !data.is_empty() {
            let chunk = self.take_chunk(false);
            self.submit(chunk)?;
        }
        let count = data.len().min(chunk::SIZE - self.input.len());
        self.input.extend_from_slice(&data[..count]);
        Ok(count)
    }

    fn take_chunk(&mut self, last: bool) -> Chunk {
        let next = Vec::with_capacity(if last { 0 } else { chunk::SIZE });
        let input = std::mem::replace(&mut self.input, next);
        let tail = input[input.len().saturating_sub(chunk::WINDOW)..].to_vec();
        let dictionary = std::mem::replace(&mut self.dictionary, tail);
        Chunk { input, dictionary, last }
    }

    fn submit(&mut self, chunk: Chunk) -> io::Result<()> {
        if self.workers.is_none() && self.threads > 1 && !chunk.last {
            self.workers = Some(Workers::start(self.threads, self.recipe)?);
        }
        let done = match &mut self.workers {
            Some(workers) => workers.submit(chunk)?,
            None => Some(self.recipe.encode(&chunk)?),
        };
        done.map_or(Ok(()), |done| self.put(&done))
    }

    fn put(&mut self, done: &Done) -> io::Result<()> {
        if !self.header_written {
            self.inner.write_all(&F::header(self.level))?;
            self.header_written = true;
        }
        self.frame.append(done.sum, done.length);
        self.inner.write_all(&done.output)
    }

    /// Writes the chunks that are left. The frame has the checksum of all of them.
    pub(crate) fn finish(mut self) -> io::Result<(W, F)> {
        let chunk = self.take_chunk(true);
        self.submit(chunk)?;
        while let Some(workers) = &mut self.workers
            && let Some(done) = workers.next()?
        {
            self.put(&done)?;
        }
        Ok((self.inner, self.frame))
    }
}
