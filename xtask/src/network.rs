//! The network of a run, and the store of what was fetched.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use depot::Depot;
use fetch::{Client, Fetcher, Proxy, Url};
use ips::{Fmri, Origin as _};
use jobs::Stop;
use proto::Digest;
use store::{Collected, Limits, Store};
use tokio::runtime::{Builder, Runtime};

use crate::environment;
use crate::failure::Failure;
use crate::releng::config::Packages;

/// Opens depots. Nothing is done before the first one; clones share everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    /// Only what is in the store.
    offline: bool,
    /// Asked for payloads before the depots.
    mirrors: Vec<Url>,
    /// The store, where it is not the user's.
    directory: Option<PathBuf>,
    /// PEM files of authorities that are trusted besides those of the system and the environment.
    authorities: Vec<PathBuf>,
    /// Ends what is under way.
    stop: Arc<AtomicBool>,
    opened: Arc<Mutex<Option<Opened>>>,
    /// A client that stores nothing.
    sender: Arc<Mutex<Option<(Client, Runtime)>>>,
}

/// The only runtime of this program, and what runs on it.
#[derive(Debug)]
struct Opened {
    fetcher: Fetcher,
    _runtime: Option<Runtime>,
}

/// Reads an address of a depot.
pub(crate) fn url(text: &str) -> Result<Url, Failure> {
    let refuse = |problem: &str| {
        Failure::usage(format!("{text} is no address of a package depot: {problem}"))
            .hint("an address is http://HOST[:PORT][/PATH] or the same with https")
    };
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    match Client::supports(&url) {
        true => Ok(url),
        false => Err(refuse("http or https was expected")),
    }
}

/// A runtime whose threads drive the network.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the threads of the network: {error}")))
}

impl Network {
    /// As a config has it; offline, only what is in the store is there.
    pub(crate) fn new(offline: bool, packages: &Packages) -> Result<Self, Failure> {
        let mirrors =
            packages.mirrors.iter().map(|mirror| url(mirror)).collect::<Result<_, _>>()?;
        Ok(Self {
            offline,
            mirrors,
            directory: packages.cache.clone(),
            authorities: packages.authorities.clone(),
            ..Self::default()
        })
    }

    /// Has a request to stop end what is under way. To be called before a depot is opened.
    pub(crate) fn stop_with(&mut self, stop: &Stop) {
        self.stop = stop.flag();
    }

    /// The store and, unless offline, the network.
    pub(crate) fn fetcher(&self) -> Result<Fetcher, Failure> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(opened.fetcher.clone());
        }
        let directory = environment::cache_directory(self.directory.as_deref())?;
        let store = Store::open(&directory)?;
        let (fetcher, runtime) = if self.offline {
            (Fetcher::offline(store), None)
        } else {
            let runtime = runtime()?;
            let client = Client::new(runtime.handle().clone(), self.options()?)?;
            (Fetcher::online(store, client), Some(runtime))
        };
        let _ = opened.insert(Opened { fetcher: fetcher.clone(), _runtime: runtime });
        Ok(fetcher)
    }

    /// The network alone, for what is not fetched. It lasts as long as this value.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let mut opened = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((client, _)) = &*opened {
            return Ok(client.clone());
        }
        let runtime = runtime()?;
        let client = Client::new(runtime.handle().clone(), self.options()?)?;
        let _ = opened.insert((client.clone(), runtime));
        Ok(client)
    }

    /// Proxies and authorities as the environment names them, further authorities, and what ends
    /// it all.
    fn options(&self) -> Result<fetch::Options, Failure> {
        let network = environment::network();
        let proxies = [
            proxy(network.http_proxy)?.map(Proxy::Http),
            proxy(network.https_proxy)?.map(Proxy::Https),
            proxy(network.all_proxy)?.map(Proxy::All),
        ];
        let authorities = network.certificates.into_iter().chain(self.authorities.iter().cloned());
        Ok(fetch::Options {
            proxies: proxies.into_iter().flatten().collect(),
            no_proxy: network.no_proxy,
            authorities: authorities.collect(),
            stop: Arc::clone(&self.stop),
            ..fetch::Options::default()
        })
    }

    /// Opens a depot: its publishers and catalogs.
    pub(crate) fn open(&self, text: &str) -> Result<Depot, Failure> {
        let options = depot::Options { mirrors: self.mirrors.clone() };
        Depot::open(&url(text)?, self.fetcher()?, &options).map_err(|error| self.failure(error))
    }

    /// A depot of which only what a lock names is wanted, with the manifests of that. What is in
    /// the store is not asked for.
    pub(crate) fn locked(
        &self,
        text: &str,
        publishers: &[String],
        packages: &[(&Fmri, Option<&Digest>)],
    ) -> Result<Depot, Failure> {
        let options = depot::Options { mirrors: self.mirrors.clone() };
        let depot = Depot::unlisted(&url(text)?, self.fetcher()?, publishers, &options);
        let depot = depot.map_err(|error| self.failure(error))?;
        depot.prefetch_manifests(packages).map_err(|error| self.failure(error))?;
        Ok(depot)
    }

    /// Lets go of the store, and removes from it what was not used for longest until it has so many
    /// bytes. Nothing happens if it was not used; none if another run uses it. To be called when no
    /// depot is open any more.
    pub(crate) fn leave(&self, most: u64) -> Result<Option<Collected>, Failure> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Opened { fetcher, _runtime }) = opened else {
            return Ok(Some(Collected::default()));
        };
        let root = fetcher.store().root().to_owned();
        drop(fetcher);
        let limits = Limits { size: Some(most), ..Limits::default() };
        // The ages of files in a cache: nothing of it gets into a result.
        match store::collect(&root, &limits, SystemTime::now()) {
            Err(store::Error::InUse { .. }) => Ok(None),
            collected => Ok(Some(collected?)),
        }
    }

    /// What a depot could not do, with what to do about it.
    fn failure(&self, error: ips::Error) -> Failure {
        if self.offline {
            return Failure::missing(error)
                .hint("run once without --offline, or with the store of a run that did");
        }
        let refused = matches!(&error, ips::Error::Origin { source, .. }
            if source.downcast_ref().is_some_and(fetch::Error::is_untrusted));
        let failure = Failure::new(error);
        match refused {
            true => failure.hint(
                "authorities are added as PEM files: SSL_CERT_FILE in the environment, or \
                 `authorities` in [packages] of a config",
            ),
            false => failure,
        }
    }
}

/// Reads the address of a proxy. As for curl, one without scheme speaks HTTP.
fn proxy(value: Option<String>) -> Result<Option<Url>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let text = if value.contains("://") { value } else { format!("http://{value}") };
    let url = Url::parse(&text).map_err(|error| {
        Failure::usage(format!("the proxy {text} is no address: {error}"))
            .hint("see http_proxy, https_proxy and all_proxy in the environment")
    })?;
    Ok(Some(url))
}
