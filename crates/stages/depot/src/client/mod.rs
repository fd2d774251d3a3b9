//! A depot as an origin.

mod catalogs;
mod manifests;
mod origin;
mod payloads;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fetch::{Fetcher, Item};
use ips::{CatalogAttributes, Error, Fmri, Standing};
use store::Name;
use url::Url;

use crate::publishers::{self, Versions};
use crate::site::Site;

/// `versions/0` and `publisher/1` are short.
const DESCRIPTION_LIMIT: u64 = 4 << 20;
/// What has become of packages; those that are not there are as they were.
type Standings = BTreeMap<Fmri, Standing>;

/// How a depot is used.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Mirrors, asked for payloads before those that the depot names and before the depot.
    pub mirrors: Vec<Url>,
}

/// A depot: an origin over HTTP, with everything that was fetched before in a store. Clones are
/// the same depot, as it was when it was opened.
#[derive(Debug, Clone)]
pub struct Depot {
    site: Site,
    /// The address, as a path for messages.
    location: PathBuf,
    fetcher: Fetcher,
    file_version: u32,
    /// Where payloads are, by publisher: mirrors, then the depot.
    sources: BTreeMap<String, Vec<Site>>,
    packages: Vec<Fmri>,
    /// The SHA-1 of each manifest, where the catalog says it.
    hashes: BTreeMap<Fmri, String>,
    /// What the catalog of each publisher consists of.
    catalogs: BTreeMap<String, CatalogAttributes>,
    /// What has become of packages, by publisher: read when it is asked for.
    standings: Arc<Mutex<BTreeMap<String, Arc<Standings>>>>,
    /// Payloads that could not be fetched, and why.
    failed: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Depot {
    /// Opens a depot: asks which publishers it has, and for their catalogs. Only what changed is
    /// fetched. Offline, these are as they were when the depot was last asked.
    pub fn open(url: &Url, fetcher: Fetcher, options: &Options) -> Result<Self, Error> {
        let mut depot = Self::new(url, fetcher);
        let (text, at) = depot.describe("versions/0")?;
        let versions = Versions::parse(&text);
        for (operation, known) in [("catalog", [1].as_slice()), ("manifest", &[0])] {
            if versions.choose(operation, known).is_none() {
                let problem = format!(
                    "no package depot: version {} of the operation {operation} was expected; found \
                     {text:?}",
                    known[0]
                );
                return Err(Error::damaged(at, problem.chars().take(400).collect::<String>()));
            }
        }
        depot.file_version = versions.choose("file", &[0, 1]).unwrap_or(0);
        let operation = versions.choose("publisher", &[0, 1]).unwrap_or(0);
        let (text, at) = depot.describe(&format!("publisher/{operation}"))?;
        let found = publishers::parse(&text).map_err(|problem| Error::damaged(&at, problem))?;
        for (publisher, mirrors) in found {
            depot.add_publisher(&publisher, mirrors, options)?;
            depot.load_catalog(&publisher)?;
        }
        depot.packages.sort();
        Ok(depot)
    }

    /// A depot of which nothing is asked before something is needed: for packages that are known
    /// otherwise, as a lock file has them. It lists none.
    pub fn unlisted(
        url: &Url,
        fetcher: Fetcher,
        publishers: &[String],
        options: &Options,
    ) -> Result<Self, Error> {
        let mut depot = Self::new(url, fetcher);
        for publisher in publishers {
            depot.add_publisher(publisher, Vec::new(), options)?;
        }
        Ok(depot)
    }

    fn new(url: &Url, fetcher: Fetcher) -> Self {
        let site = Site::new(url.clone());
        Self {
            location: PathBuf::from(site.shown()),
            site,
            fetcher,
            file_version: 1,
            sources: BTreeMap::new(),
            packages: Vec::new(),
            hashes: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            standings: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// The publishers, by name.
    pub fn publishers(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    fn add_publisher(
        &mut self,
        publisher: &str,
        mirrors: Vec<Url>,
        options: &Options,
    ) -> Result<(), Error> {
        // The name becomes a part of addresses and paths.
        let fmri = Fmri::parse(&format!("pkg://{publisher}/x"));
        if !fmri.is_ok_and(|fmri| fmri.publisher.as_deref() == Some(publisher)) {
            let problem = format!("{publisher:?} is no name of a publisher");
            return Err(Error::damaged(&self.location, problem));
        }
        let mut sites: Vec<Site> = Vec::new();
        for url in options.mirrors.iter().cloned().chain(mirrors) {
            let site = Site::new(url);
            if site != self.site && !sites.contains(&site) {
                sites.push(site);
            }
        }
        sites.push(self.site.clone());
        self.sources.insert(publisher.to_owned(), sites);
        Ok(())
    }

    fn error(&self, source: fetch::Error) -> Error {
        Error::Origin { location: self.site.shown(), source: source.into() }
    }

    /// Text that changes: as it is now.
    fn describe(&self, operation: &str) -> Result<(String, PathBuf), Error> {
        let url = self.site.operation(operation);
        let at = self.location.join(operation);
        let item = Item {
            name: Name::new("depot", url.as_str()),
            what: format!("{operation} of the depot"),
            urls: vec![url],
            size: None,
            limit: DESCRIPTION_LIMIT,
            check: &|file| is_text(file).map(drop),
        };
        let bytes = self.fetcher.refresh(&item).map_err(|error| self.error(error))?;
        Ok((text(bytes, &at)?, at))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_text(file: &mut File) -> Result<String, String> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn text(bytes: Vec<u8>, at: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::damaged(at, "it is not UTF-8"))
}
