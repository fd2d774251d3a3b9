//! Threads that compress chunks; results are given back in the order of the chunks.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::chunk::{self, Chunk};

/// A compressed chunk.
pub(crate) struct Done {
    /// Its bytes in the stream.
    pub(crate) output: Vec<u8>,
    /// The checksum of its input.
    pub(crate) sum: u32,
    /// The length of its input.
    pub(crate) length: u64,
}

/// What turns a chunk into its compressed form: level and checksum.
#[derive(Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) level: i32,
    pub(crate) sum: fn(&[u8]) -> u32,
}

impl Recipe {
    pub(crate) fn encode(self, chunk: &Chunk) -> io::Result<Done> {
        Ok(Done {
            output: chunk::encode(self.level, chunk)?,
            sum: (self.sum)(&chunk.input),
            length: chunk.input.len() as u64,
        })
    }
}

struct Job {
    chunk: Chunk,
    reply: SyncSender<io::Result<Done>>,
}

/// A fixed number of threads and the chunks that are under way, oldest first.
pub(crate) struct Workers {
    jobs: Option<Sender<Job>>,
    under_way: VecDeque<Receiver<io::Result<Done>>>,
    limit: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(count: usize, recipe: Recipe) -> io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..count)
            .map(|_| {
                let queue = Arc::clone(&queue);
                Builder::new().name("compress".into()).spawn(move || work(&queue, recipe))
            })
            .collect::<io::Result<_>>()?;
        // Two chunks per thread keep every thread busy while the oldest is written out.
        Ok(Self { jobs: Some(jobs), under_way: VecDeque::new(), limit: 2 * count, threads })
    }

    /// Hands in a chunk. When as many as may be are under way, the oldest is waited for and
    /// returned.
    pub(crate) fn submit(&mut self, chunk: Chunk) -> io::Result<Option<Done>> {
        let oldest = if self.under_way.len() >= self.limit { self.next()? } else { None };
        let (reply, result) = sync_channel(1);
        self.jobs
            .as_ref()
            .and_then(|jobs| jobs.send(Job { chunk, reply }).ok())
            .ok_or_else(thread_lost)?;
        self.under_way.push_back(result);
        Ok(oldest)
    }

    /// Waits for the oldest chunk under way.
    pub(crate) fn next(&mut self) -> io::Result<Option<Done>> {
        match self.under_way.pop_front() {
            Some(result) => result.recv().map_err(|_| thread_lost())?.map(Some),
            None => Ok(None),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Threads end when the queue does; what is still in it is compressed for nothing, at most
        // `limit` chunks.
        self.jobs = None;
        self.under_way.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, recipe: Recipe) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { chunk, reply }) = job else { return };
        let done = recipe.encode(&chunk);
        drop(chunk);
        // Nobody listens any more when the writer was dropped.
        let _ = reply.send(done);
    }
}

fn thread_lost() -> io::Error {
    io::Error::other("a compressing thread ended before its work was done")
}
