//! Package depots, asked over HTTP.

use std::error::Error;
use std::path::Path;

use ips::Origin;

#[cfg(feature = "depots")]
pub(crate) use online::Depots;

#[cfg(feature = "depots")]
mod online {
    use super::{Error, Origin, Path};
    use depot::Depot;
    use fetch::{Client, Fetcher, Url};
    use store::Store;
    use tokio::runtime::{Builder, Runtime};

    /// The network, and the store of what comes from it. Its depots work as long as it lives.
    pub(crate) struct Depots {
        fetcher: Fetcher,
        _runtime: Runtime,
    }

    impl Depots {
        pub(crate) fn new(store: &Path) -> Result<Self, Box<dyn Error>> {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let client = Client::new(runtime.handle().clone(), fetch::Options::default())?;
            let fetcher = Fetcher::online(Store::open(store)?, client);
            Ok(Self { fetcher, _runtime: runtime })
        }

        pub(crate) fn open(&self, url: &str) -> Result<Box<dyn Origin>, Box<dyn Error>> {
            let options = depot::Options::default();
            Ok(Box::new(Depot::open(&Url::parse(url)?, self.fetcher.clone(), &options)?))
        }
    }
}

/// Stands where this program is built without what asks depots.
#[cfg(not(feature = "depots"))]
pub(crate) struct Depots;

#[cfg(not(feature = "depots"))]
impl Depots {
    pub(crate) fn new(_: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self)
    }

    pub(crate) fn open(&self, _: &str) -> Result<Box<dyn Origin>, Box<dyn Error>> {
        Err("this program was built without depots; name a repository or a .p5p".into())
    }
}
