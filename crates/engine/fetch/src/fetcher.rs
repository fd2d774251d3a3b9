//! Store and client together.

use std::fs::File;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use store::{Name, Record, Store};

use crate::{Client, Error, Item};

/// Gives what is in the store, and fetches what is not. Clones share everything.
#[derive(Debug, Clone)]
pub struct Fetcher {
    store: Store,
    client: Option<Client>,
    /// Items in a row that failed although somebody should have them.
    failures: Arc<AtomicU32>,
}

/// After so many failures in a row the network is given up.
const GIVE_UP: u32 = 20;

impl Fetcher {
    /// With the network.
    pub fn online(store: Store, client: Client) -> Self {
        Self { store, client: Some(client), failures: Arc::default() }
    }

    /// Without the network: only what is in the store.
    pub fn offline(store: Store) -> Self {
        Self { store, client: None, failures: Arc::default() }
    }

    /// Whether the network is not used.
    pub fn is_offline(&self) -> bool {
        self.client.is_none()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Sees that an item is in the store. Its bytes are not read if they are there.
    pub fn ensure(&self, item: &Item<'_>) -> Result<Record, Error> {
        if let Some(record) = self.store.find(&item.name)? {
            return Ok(record);
        }
        let client = self.network(item)?;
        let given_up = || self.failures.load(Ordering::Relaxed) >= GIVE_UP;
        if given_up() {
            return Err(Error::GivenUp { what: item.what.clone(), failures: GIVE_UP });
        }
        let mut partial = self.store.partial(&item.name)?;
        // Another process may have fetched it while this one waited.
        if let Some(record) = self.store.find(&item.name)? {
            partial.remove()?;
            return Ok(record);
        }
        match client.fill(item, &mut partial) {
            Ok(()) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(self.store.keep(partial, &item.name)?)
            }
            Err(error) => {
                if !error.is_absent() && !matches!(error, Error::Stopped { .. }) {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                if partial.size()? == 0 {
                    partial.remove()?;
                }
                Err(error)
            }
        }
    }

    /// Sees that many items are in the store; the answers come in the order of the items.
    pub fn ensure_all(&self, items: &[Item<'_>]) -> Vec<Result<Record, Error>> {
        self.each(items, |item| self.ensure(item))
    }

    /// Does something for each of many, as many at once as there may be transfers; the answers
    /// come in their order.
    pub fn each<T: Sync, R: Send>(&self, all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let threads = self.client.as_ref().map_or(1, |client| client.options.parallel);
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(Vec::with_capacity(all.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, all.len().max(1)) {
                scope.spawn(|| {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(one) = all.get(at)
                    {
                        let answer = work(one);
                        answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
                    }
                });
            }
        });
        let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.sort_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Opens an item after checking that the store still has its bytes; fetches it if not.
    pub fn open(&self, item: &Item<'_>) -> Result<(File, Record), Error> {
        self.have(item, |name| self.store.open_name(name))
    }

    /// Reads an item whose size is small.
    pub fn read(&self, item: &Item<'_>) -> Result<Vec<u8>, Error> {
        self.have(item, |name| self.store.read_name(name))
    }

    fn have<T>(
        &self,
        item: &Item<'_>,
        get: impl Fn(&Name) -> Result<Option<T>, store::Error>,
    ) -> Result<T, Error> {
        // The second time is for a blob that was damaged and has been fetched again.
        for _ in 0..2 {
            self.ensure(item)?;
            if let Some(there) = get(&item.name)? {
                return Ok(there);
            }
        }
        Err(Error::Offline { what: item.what.clone() })
    }

    /// Reads something small that changes: the network's present answer, or without network the
    /// last one.
    pub fn refresh(&self, item: &Item<'_>) -> Result<Vec<u8>, Error> {
        let Some(client) = &self.client else {
            return self.last(&item.name)?.ok_or_else(|| offline(item));
        };
        let mut partial = self.store.partial(&item.name)?;
        partial.clear()?;
        match client.fill(item, &mut partial) {
            Ok(()) => self.store.keep(partial, &item.name)?,
            Err(error) => {
                partial.remove()?;
                return Err(error);
            }
        };
        self.last(&item.name)?.ok_or_else(|| offline(item))
    }

    fn last(&self, name: &Name) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.store.read_name(name)?)
    }

    fn network(&self, item: &Item<'_>) -> Result<&Client, Error> {
        self.client.as_ref().ok_or_else(|| offline(item))
    }
}

fn offline(item: &Item<'_>) -> Error {
    Error::Offline { what: item.what.clone() }
}
