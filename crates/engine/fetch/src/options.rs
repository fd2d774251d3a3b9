//! How to deal with the network.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use url::Url;

/// Settings of a client.
#[derive(Debug, Clone)]
pub struct Options {
    /// Transfers at once.
    pub parallel: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a connection is quiet before the system asks whether the other end is still there.
    pub keepalive: Duration,
    /// How long a transfer may bring less than [`Options::slowest`] before it is broken off.
    pub stall_timeout: Duration,
    /// The least bytes a second of a transfer that is not broken off.
    pub slowest: u64,
    /// Attempts in a row that bring nothing new before an item is given up.
    pub attempts: u32,
    /// The pause before the second attempt, at most; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, also where a server asks for a longer one.
    pub longest_pause: Duration,
    /// What pauses follow from beside that: each is shortened by up to one half, so that not all
    /// who failed at once come back at once. The default is another one each time.
    pub seed: u64,
    /// The longest chain of redirections.
    pub redirections: usize,
    /// Proxies, the first that fits an address serves it. None are found out.
    pub proxies: Vec<Proxy>,
    /// Hosts without proxy, as `NO_PROXY` names them.
    pub no_proxy: Option<String>,
    /// PEM files of certification authorities that are trusted besides the system's.
    pub authorities: Vec<PathBuf>,
    /// Once this is raised, by a signal handler perhaps, nothing more is fetched: transfers and
    /// pauses end within a moment, with [`Error::Stopped`](crate::Error::Stopped).
    pub stop: Arc<AtomicBool>,
}

/// A proxy, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// For `http:` addresses.
    Http(Url),
    /// For `https:` addresses.
    Https(Url),
    /// For all addresses.
    All(Url),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallel: 8,
            connect_timeout: Duration::from_secs(15),
            keepalive: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            slowest: 1024,
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            seed: RandomState::new().hash_one(0),
            redirections: 5,
            proxies: Vec::new(),
            no_proxy: None,
            authorities: Vec::new(),
            stop: Arc::default(),
        }
    }
}
