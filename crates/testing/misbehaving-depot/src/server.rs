//! Listening and counting.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Fault, answer};

/// What has been sent for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The path.
    pub path: String,
    /// The first byte that was asked for.
    pub from: u64,
    /// Bytes of the body that went out.
    pub bytes: u64,
    /// What was done to it.
    pub fault: Option<Fault>,
}

pub(crate) type Content = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

pub(crate) struct Shared {
    pub(crate) content: Box<Content>,
    orders: Mutex<VecDeque<(String, Fault)>>,
    served: Mutex<Vec<Served>>,
    pub(crate) stopped: AtomicBool,
}

/// A server that runs until it is dropped.
pub struct MisbehavingDepot {
    address: SocketAddr,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MisbehavingDepot {
    /// Starts a server on a free port of the loopback. `content` has the body for a path, with
    /// its leading `/` and as it was sent, still percent-encoded.
    pub fn start(
        content: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            content: Box::new(content),
            orders: Mutex::default(),
            served: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(stream), ours) = (stream, Arc::clone(&ours)) else { continue };
                // A client that goes away is no news.
                thread::spawn(move || drop(answer::answer(&stream, &ours)));
            }
        });
        Ok(Self { address, shared })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Orders a fault for the next request whose path begins so. Orders are carried out one
    /// after the other, each once.
    pub fn order(&self, path: &str, fault: Fault) {
        lock(&self.shared.orders).push_back((path.to_owned(), fault));
    }

    /// Orders a fault several times.
    pub fn order_times(&self, times: usize, path: &str, fault: &Fault) {
        for _ in 0..times {
            self.order(path, fault.clone());
        }
    }

    /// Every request so far, in the order in which they came.
    pub fn served(&self) -> Vec<Served> {
        lock(&self.shared.served).clone()
    }

    /// Bytes of bodies that went out for paths that begin so.
    pub fn bytes(&self, path: &str) -> u64 {
        self.served().iter().filter(|one| one.path.starts_with(path)).map(|one| one.bytes).sum()
    }

    /// Requests for paths that begin so.
    pub fn requests(&self, path: &str) -> usize {
        self.served().iter().filter(|one| one.path.starts_with(path)).count()
    }
}

impl Drop for MisbehavingDepot {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    pub(crate) fn fault(&self, path: &str) -> Option<Fault> {
        let mut orders = lock(&self.orders);
        let at = orders.iter().position(|(prefix, _)| path.starts_with(prefix.as_str()))?;
        orders.remove(at).map(|(_, fault)| fault)
    }

    /// Notes a request, and returns its number.
    pub(crate) fn note(&self, served: Served) -> usize {
        let mut all = lock(&self.served);
        all.push(served);
        all.len() - 1
    }

    /// Notes bytes that go out for a request: before they do, so that whoever has them sees them
    /// counted.
    pub(crate) fn count(&self, number: usize, bytes: usize) {
        if let Some(served) = lock(&self.served).get_mut(number) {
            served.bytes += bytes as u64;
        }
    }
}
