//! Package depots, asked over HTTP.

use std::error::Error;
use std::path::Path;

use ips::Origin;

#[cfg(feature = "depots")]
pub(crate) use online::Depots;

#[cfg(feature = "depots")]
mod online {
    use std::cell::OnceCell;

    use super::{Error, Origin, Path};
    use depot::Depot;
    use fetch::{Client, Fetcher, Url};
    use store::Store;
    use tokio::runtime::{Builder, Runtime};

    /// The network, and the store of what comes from it: begun with the first depot. Depots work as
    /// long as it lives.
    pub(crate) struct Depots<'a> {
        store: &'a Path,
        opened: OnceCell<(Fetcher, Runtime)>,
    }

    impl<'a> Depots<'a> {
        pub(crate) fn new(store: &'a Path) -> Self {
            Self { store, opened: OnceCell::new() }
        }

        pub(crate) fn open(&self, url: &str) -> Result<Box<dyn Origin>, Box<dyn Error>> {
            let (fetcher, _) = match self.opened.get() {
                Some(opened) => opened,
                None => {
                    let opened = self.begin()?;
                    self.opened.get_or_init(|| opened)
                }
            };
            let options = depot::Options::default();
            Ok(Box::new(Depot::open(&Url::parse(url)?, fetcher.clone(), &options)?))
        }

        fn begin(&self) -> Result<(Fetcher, Runtime), Box<dyn Error>> {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let client = Client::new(runtime.handle().clone(), fetch::Options::default())?;
            Ok((Fetcher::online(Store::open(self.store)?, client), runtime))
        }
    }
}

/// Stands where this program is built without what asks depots.
#[cfg(not(feature = "depots"))]
pub(crate) struct Depots<'a>(std::marker::PhantomData<&'a Path>);

#[cfg(not(feature = "depots"))]
impl<'a> Depots<'a> {
    pub(crate) fn new(_: &'a Path) -> Self {
        Self(std::marker::PhantomData)
    }

    pub(crate) fn open(&self, _: &str) -> Result<Box<dyn Origin>, Box<dyn Error>> {
        Err("this program was built without depots; name a repository or a .p5p".into())
    }
}
