//! A depot as an origin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fetch::{Check, Fetcher, Item};
use ips::{
    Action, ActionKind, Catalog, CatalogAttributes, Error, Fmri, Manifest, Missing, Origin,
    Payload, PayloadReader, Standing, StoredPayload, Wanted,
};
use proto::Digest;
use sha1::{Digest as _, Sha1};
use store::Name;
use url::Url;

use crate::publishers::{self, Versions};
use crate::site::Site;

/// `versions/0` and `publisher/1` are short.
const DESCRIPTION_LIMIT: u64 = 4 << 20;
/// The largest catalog part.
const CATALOG_LIMIT: u64 = 1 << 30;
/// The largest manifest.
const MANIFEST_LIMIT: u64 = 256 << 20;
/// The largest payload of which the size is not known.
const PAYLOAD_LIMIT: u64 = 16 << 30;

/// Payloads of at most so many bytes are read into memory.
const SMALL: u64 = 4 << 20;

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

    fn load_catalog(&mut self, publisher: &str) -> Result<(), Error> {
        let at = self.location.join(publisher).join("catalog");
        let attributes_at = at.join(CatalogAttributes::FILE);
        let url = self.site.catalog(publisher, CatalogAttributes::FILE);
        // What the check of a file that was fetched read is not read again.
        let checked = Mutex::new(None);
        let check = |file: &mut File| {
            let attributes = CatalogAttributes::parse(&attributes_at, &is_text(file)?);
            *lock(&checked) = Some(attributes.map_err(|error| error.to_string())?);
            Ok(())
        };
        let item = Item {
            name: Name::new("catalog", url.as_str()),
            what: format!("the catalog of {publisher}"),
            urls: vec![url],
            size: None,
            limit: DESCRIPTION_LIMIT,
            check: &check,
        };
        let bytes = self.fetcher.refresh(&item).map_err(|error| self.error(error))?;
        let attributes = match lock(&checked).take() {
            Some(attributes) => attributes,
            None => CatalogAttributes::parse(&attributes_at, &text(bytes, &attributes_at)?)?,
        };
        let base = CatalogAttributes::BASE;
        let catalog = self.part(publisher, &attributes, base, Catalog::parse)?.unwrap_or_default();
        self.catalogs.insert(publisher.to_owned(), attributes);
        let base_at = at.join(base);
        for entry in catalog.entries {
            if entry.fmri.publisher.as_deref() != Some(publisher) {
                let problem = format!("{} does not belong to {publisher}", entry.fmri);
                return Err(Error::damaged(base_at, problem));
            }
            if let Some(sha1) = entry.manifest_sha1 {
                self.hashes.insert(entry.fmri.clone(), sha1);
            }
            self.packages.push(entry.fmri);
        }
        Ok(())
    }

    /// A part of a catalog, if it has it.
    fn part<T: Send>(
        &self,
        publisher: &str,
        attributes: &CatalogAttributes,
        name: &str,
        parse: fn(&Path, &CatalogAttributes, &str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(signature) = attributes.parts.get(name) else { return Ok(None) };
        let at = self.location.join(publisher).join("catalog").join(name);
        let url = self.site.catalog(publisher, name);
        // What the check of a file that was fetched read is not read again.
        let checked = Mutex::new(None);
        let check = |file: &mut File| {
            let part = parse(&at, attributes, &is_text(file)?);
            *lock(&checked) = Some(part.map_err(|error| error.to_string())?);
            Ok(())
        };
        let item = Item {
            // A part that is signed is the same wherever it is.
            name: match signature {
                Some(signature) => Name::new("catalog", format!("sha1:{signature}")),
                None => Name::new("catalog", url.as_str()),
            },
            what: format!("{name} of {publisher}"),
            urls: vec![url],
            size: None,
            limit: CATALOG_LIMIT,
            check: &check,
        };
        let bytes = match signature {
            Some(_) => self.fetcher.read(&item),
            None => self.fetcher.refresh(&item),
        };
        let bytes = bytes.map_err(|error| self.error(error))?;
        let part = match lock(&checked).take() {
            Some(part) => part,
            None => parse(&at, attributes, &text(bytes, &at)?)?,
        };
        Ok(Some(part))
    }

    /// Calls `then` with the item that a manifest is.
    fn with_manifest<T>(
        &self,
        fmri: &Fmri,
        sha256: Option<&Digest>,
        then: impl FnOnce(&Item<'_>) -> T,
    ) -> Result<T, Error> {
        let missing =
            || Error::NoPackage { path: self.location.clone(), fmri: Box::new(fmri.clone()) };
        let sha1 = self.hashes.get(fmri);
        if sha1.is_none() && sha256.is_none() && self.packages.binary_search(fmri).is_err() {
            return Err(missing());
        }
        let url = self.site.manifest(fmri).ok_or_else(missing)?;
        let check = |file: &mut File| {
            let bytes = is_text(file)?.into_bytes();
            let found = hex::encode(Sha1::digest(&bytes));
            match sha1 {
                Some(expected) if *expected != found => {
                    return Err(format!("its SHA-1 is {found}; the catalog says {expected}"));
                }
                _ => {}
            }
            let found = Digest::of(&bytes);
            match sha256 {
                Some(expected) if *expected != found => {
                    Err(format!("its SHA-256 is {found}; {expected} was expected"))
                }
                _ => Ok(()),
            }
        };
        Ok(then(&Item {
            name: Name::new(
                "manifest",
                match (sha256, sha1) {
                    (Some(sha256), _) => format!("sha256:{sha256}"),
                    (None, Some(sha1)) => format!("sha1:{sha1}"),
                    (None, None) => url.to_string(),
                },
            ),
            what: format!("the manifest of {}", fmri.short()),
            urls: vec![url],
            size: None,
            limit: MANIFEST_LIMIT,
            check: &check,
        }))
    }

    /// The item that a payload is. `check` must be [`Check`] of the same.
    fn payload_item<'a>(
        &self,
        publisher: &str,
        sha1: &str,
        action: Option<&Action>,
        check: &'a Check<'a>,
    ) -> Item<'a> {
        let number = |key: &str| action?.get(key)?.parse::<u64>().ok();
        let sites = self.sources.get(publisher).map(Vec::as_slice);
        let sites = sites.unwrap_or(std::slice::from_ref(&self.site));
        Item {
            name: Name::new("payload", sha1),
            what: match action.and_then(Action::path) {
                Some(path) => format!("the payload {sha1} ({path})"),
                None => format!("the payload {sha1}"),
            },
            urls: sites.iter().map(|at| at.file(publisher, self.file_version, sha1)).collect(),
            size: number("pkg.csize"),
            // Compressing makes nothing much larger.
            limit: number("pkg.size").map_or(PAYLOAD_LIMIT, |size| {
                size.saturating_add(size / 100).saturating_add(1 << 16)
            }),
            check,
        }
    }

    /// Fetches the manifests of what a package needs, and of what those need, many at once: whoever
    /// asks for one of them will ask for the others, one after the other. What fails here fails
    /// again, and is told, when it is asked for.
    fn look_ahead(&self, fmri: &Fmri, text: &str) {
        let mut newest: BTreeMap<&str, &Fmri> = BTreeMap::new();
        for other in self.packages.iter().filter(|other| other.publisher == fmri.publisher) {
            // They are in order.
            newest.insert(&other.stem, other);
        }
        newest.remove(fmri.stem.as_str());
        let mut texts = vec![text.to_owned()];
        while !texts.is_empty() {
            let stems: Vec<String> = texts.iter().flat_map(|text| needed(text)).collect();
            let next: Vec<&Fmri> =
                stems.iter().filter_map(|stem| newest.remove(stem.as_str())).collect();
            let read = self
                .fetcher
                .each(&next, |fmri| self.with_manifest(fmri, None, |item| self.fetcher.read(item)));
            texts = read
                .into_iter()
                .filter_map(|read| String::from_utf8(read.ok()?.ok()?).ok())
                .collect();
        }
    }

    fn failure(&self, sha1: &str) -> Option<String> {
        lock(&self.failed).get(sha1).cloned()
    }

    fn open_payload(
        &self,
        publisher: &str,
        sha1: &str,
        action: Option<&Action>,
    ) -> Result<StoredPayload, Error> {
        check_name(&self.location, sha1)?;
        // What was tried for long and failed is not tried again.
        if let Some(problem) = self.failure(sha1) {
            return Err(Error::Origin { location: self.site.shown(), source: problem.into() });
        }
        let check = |file: &mut File| check_payload(file, sha1, action);
        let item = self.payload_item(publisher, sha1, action, &check);
        let open = || -> Result<StoredPayload, fetch::Error> {
            // A small one is read once, for its check and its use.
            Ok(match self.fetcher.ensure(&item)?.size {
                size if size <= SMALL => {
                    let bytes = self.fetcher.read(&item)?;
                    StoredPayload { size, reader: Box::new(Cursor::new(bytes)) }
                }
                size => StoredPayload { size, reader: Box::new(self.fetcher.open(&item)?.0) },
            })
        };
        match open() {
            Ok(stored) => Ok(stored),
            // Whoever has no action looks at several places, as for what may not be anywhere.
            Err(error) if error.is_absent() && (action.is_none() || !self.fetcher.is_offline()) => {
                Err(Error::NoPayload { path: self.location.clone(), hash: sha1.to_owned() })
            }
            Err(error) => Err(self.error(error)),
        }
    }
}

impl Origin for Depot {
    fn location(&self) -> &Path {
        &self.location
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        let read = self.with_manifest(fmri, None, |item| {
            let is_new = self.fetcher.store().find(&item.name).is_ok_and(|found| found.is_none());
            self.fetcher.read(item).map(|bytes| (bytes, is_new))
        })?;
        let (bytes, is_new) = read.map_err(|error| self.error(error))?;
        let text = text(bytes, &self.location)?;
        if is_new && !self.fetcher.is_offline() {
            self.look_ahead(fmri, &text);
        }
        Ok(text)
    }

    fn known_manifest_text(&self, fmri: &Fmri, sha256: &Digest) -> Result<String, Error> {
        let blob = self.fetcher.store().read_blob(sha256);
        if let Some(bytes) = blob.map_err(|error| self.error(error.into()))? {
            return text(bytes, &self.location);
        }
        // Whoever asks compares the digests, and knows what to say when they differ: what the
        // catalog lists is fetched as the catalog says.
        if self.hashes.contains_key(fmri) {
            return self.manifest_text(fmri);
        }
        let read = self.with_manifest(fmri, Some(sha256), |item| self.fetcher.read(item))?;
        text(read.map_err(|error| self.error(error))?, &self.location)
    }

    /// As the catalog says: no manifest is fetched for it.
    fn standing(&self, fmri: &Fmri) -> Result<Standing, Error> {
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let Some(attributes) = self.catalogs.get(publisher) else {
            return Ok(Standing::of(&self.manifest(fmri)?));
        };
        let mut standings = lock(&self.standings);
        let known = match standings.get(publisher) {
            Some(known) => Arc::clone(known),
            None => {
                let part = CatalogAttributes::DEPENDENCY;
                let read = self.part(publisher, attributes, part, Standing::read)?;
                let read = Arc::new(read.unwrap_or_default());
                standings.insert(publisher.to_owned(), Arc::clone(&read));
                read
            }
        };
        Ok(known.get(fmri).copied().unwrap_or_default())
    }

    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error> {
        self.open_payload(publisher, sha1, None)
    }

    fn payload(&self, publisher: &str, action: &Action) -> Result<Box<dyn Read + Send>, Error> {
        let sha1 = action.payload.as_deref().unwrap_or_default();
        let stored = self.open_payload(publisher, sha1, Some(action))?;
        let reader = PayloadReader::new(stored.reader, action)
            .map_err(|error| Error::damaged(&self.location, format!("{action}: {error}")))?;
        Ok(Box::new(reader))
    }

    fn prefetch(&self, wanted: &[Wanted<'_>]) {
        // Without network there is nothing to do before something is asked for.
        if self.fetcher.is_offline() {
            return;
        }
        let mut seen = BTreeSet::new();
        let unique: Vec<(&str, &str, &Action)> = wanted
            .iter()
            .filter_map(|wanted| {
                let sha1 = wanted.action.payload.as_deref()?;
                let publisher = wanted.fmri.publisher.as_deref()?;
                check_name(&self.location, sha1).ok()?;
                seen.insert(sha1).then_some((publisher, sha1, wanted.action))
            })
            .collect();
        let checks: Vec<Box<Check<'_>>> = unique
            .iter()
            .map(|(_, sha1, action)| -> Box<Check<'_>> {
                Box::new(|file| check_payload(file, sha1, Some(action)))
            })
            .collect();
        let items: Vec<Item<'_>> = unique
            .iter()
            .zip(&checks)
            .map(|((publisher, sha1, action), check)| {
                self.payload_item(publisher, sha1, Some(action), check)
            })
            .collect();
        let answers = self.fetcher.ensure_all(&items);
        let mut failed = lock(&self.failed);
        for ((_, sha1, _), answer) in unique.iter().zip(answers) {
            if let Err(error) = answer {
                failed.insert((*sha1).to_owned(), error.to_string());
            }
        }
    }

    fn prefetch_manifests(&self, wanted: &[(&Fmri, Option<&Digest>)]) -> Result<(), Error> {
        let mut missing = Vec::new();
        let answers = self.fetcher.each(wanted, |(fmri, sha256)| {
            if let Some(sha256) = sha256
                && self.fetcher.store().has_blob(sha256)
            {
                return Ok(Ok(()));
            }
            // As above: the caller compares digests.
            let sha256 = sha256.filter(|_| !self.hashes.contains_key(fmri));
            self.with_manifest(fmri, sha256, |item| self.fetcher.ensure(item).map(drop))
        });
        for ((fmri, sha256), answer) in wanted.iter().zip(answers) {
            let problem = match answer {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            let sha1 = self.hashes.get(fmri);
            missing.push(Missing {
                package: fmri.short(),
                path: None,
                hash: sha256.map(Digest::to_string).or_else(|| sha1.cloned()).unwrap_or_default(),
                problem,
            });
        }
        missing.sort();
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of the packages that a manifest says it needs.
fn needed(text: &str) -> Vec<String> {
    let Ok(manifest) = Manifest::parse("manifest", text) else { return Vec::new() };
    manifest
        .of_kind(ActionKind::Depend)
        .filter(|depend| {
            let kind = depend.get("type").unwrap_or_default();
            matches!(kind, "require" | "require-any" | "group" | "group-any" | "conditional")
        })
        .flat_map(|depend| depend.attributes.list("fmri"))
        .filter_map(|fmri| Some(Fmri::parse(fmri).ok()?.stem))
        .collect()
}

fn is_text(file: &mut File) -> Result<String, String> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn text(bytes: Vec<u8>, at: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::damaged(at, "it is not UTF-8"))
}

/// The name of a payload becomes a part of addresses.
fn check_name(location: &Path, sha1: &str) -> Result<(), Error> {
    if sha1.len() == 40 && sha1.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    let problem = format!("{sha1:?} is no payload name; 40 hex digits were expected");
    Err(Error::damaged(location, problem))
}

/// Inflates a payload and compares it with what is known of it: its name in any case, as all who
/// deliver a payload of that name will get this one.
fn check_payload(file: &mut File, sha1: &str, action: Option<&Action>) -> Result<(), String> {
    let say = |error: io::Error| error.to_string();
    let reader = BufReader::with_capacity(128 << 10, file);
    let found = match action {
        Some(action) => {
            let mut reader = PayloadReader::new(reader, action).map_err(say)?;
            let mut hasher = Sha1::new();
            let mut buffer = vec![0; 128 << 10];
            loop {
                match reader.read(&mut buffer).map_err(say)? {
                    0 => break hex::encode(hasher.finalize()),
                    count => hasher.update(&buffer[..count]),
                }
            }
        }
        None => Payload::of_stored(reader).map_err(say)?.sha1,
    };
    if found == sha1 { Ok(()) } else { Err(format!("its SHA-1 is {found}")) }
}
