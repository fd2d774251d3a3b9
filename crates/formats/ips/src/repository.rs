//! File repositories, version 4.
//!
//! ```text
//! pkg5.repository
//! publisher/PUB/catalog/         see `catalog`
//! publisher/PUB/pkg/QSTEM/QVERSION   manifests
//! publisher/PUB/file/HH/SHA1     payloads, gzip
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use crate::atomic::{beside, create_directory, persist, write_atomically};
use crate::catalog::CatalogBuilder;
use crate::image::ini::Ini;
use crate::origin::{Origin, StoredPayload};
use crate::payload::is_hash;
use crate::{Action, Catalog, Error, Fmri, Manifest, Payload, Timestamp, unquote};

/// A file repository.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    prefix: Option<String>,
    publishers: Vec<String>,
    packages: Vec<Fmri>,
    /// The SHA-1 of each manifest, where a catalog says it.
    hashes: BTreeMap<Fmri, String>,
}

const CONFIGURATION: &str = "pkg5.repository";

impl Repository {
    /// Opens a repository: reads its configuration and every publisher's catalog. A publisher
    /// without a catalog has the packages whose manifests are there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let configuration = path.join(CONFIGURATION);
        let text = match fs::read_to_string(&configuration) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => {
                return Err(Error::damaged(
                    path,
                    format!("no repository: {CONFIGURATION} is missing"),
                ));
            }
            read => read.map_err(Error::io("read", &configuration))?,
        };
        let settings = Ini::parse(&text).map_err(|(line, problem)| Error::Manifest {
            path: configuration.clone(),
            line,
            column: 1,
            problem,
        })?;
        let get = |section: &str, key: &str| settings.get(section).and_then(|s| s.get(key));
        match get("repository", "version") {
            Some("4") => {}
            other => {
                let found = other.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
                let problem = format!("repository version 4 was expected; found {found}");
                return Err(Error::damaged(configuration, problem));
            }
        }
        let mut repository = Self {
            path: path.to_owned(),
            prefix: get("publisher", "prefix").filter(|p| !p.is_empty()).map(str::to_owned),
            publishers: Vec::new(),
            packages: Vec::new(),
            hashes: BTreeMap::new(),
        };
        repository.publishers = names(&path.join("publisher"))?
            .into_iter()
            .filter(|name| crate::fmri::check_publisher(name).is_ok())
            .collect();
        for publisher in repository.publishers.clone() {
            repository.load_publisher(&publisher)?;
        }
        Ok(repository)
    }

    fn load_publisher(&mut self, publisher: &str) -> Result<(), Error> {
        let catalog = self.directory(publisher).join("catalog");
        if !catalog.join("catalog.attrs").exists() {
            let manifests = self.manifests_on_disk(publisher)?;
            self.packages.extend(manifests);
            return Ok(());
        }
        for entry in Catalog::read(&catalog)?.entries {
            if entry.fmri.publisher.as_deref() != Some(publisher) {
                let problem = format!("{} does not belong to {publisher}", entry.fmri);
                return Err(Error::damaged(catalog.join("catalog.base.C"), problem));
            }
            if let Some(sha1) = entry.manifest_sha1 {
                self.hashes.insert(entry.fmri.clone(), sha1);
            }
            self.packages.push(entry.fmri);
        }
        Ok(())
    }

    /// Makes an empty repository whose default publisher is `prefix`, or opens the one that is
    /// there. A directory that holds anything else is refused.
    pub fn create(path: impl AsRef<Path>, prefix: &str) -> Result<Self, Error> {
        let path = path.as_ref();
        crate::fmri::check_publisher(prefix).map_err(|problem| Error::damaged(path, problem))?;
        if path.join(CONFIGURATION).exists() {
            return Self::open(path);
        }
        create_directory(path)?;
        if !names(path)?.is_empty() {
            let problem =
                format!("a repository cannot be made here: not empty, and no {CONFIGURATION}");
            return Err(Error::damaged(path, problem));
        }
        let configuration = format!(
            "[publisher]\nprefix = {prefix}\n\n[repository]\nversion = 4\n\
             trust-anchor-directory = /etc/ssl/pkg/\nsignature-required-names = []\n\
             check-certificate-revocation = False\n\n[CONFIGURATION]\nversion = 4\n\n"
        );
        create_directory(&path.join("publisher"))?;
        write_atomically(&path.join(CONFIGURATION), configuration.as_bytes())?;
        Self::open(path)
    }

    /// The publisher of packages that name none.
    pub fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// The publishers, by name.
    pub fn publishers(&self) -> &[String] {
        &self.publishers
    }

    fn directory(&self, publisher: &str) -> PathBuf {
        self.path.join("publisher").join(publisher)
    }

    fn manifest_path(&self, fmri: &Fmri) -> Result<PathBuf, Error> {
        let (Some(publisher), Some((stem, version))) = (&fmri.publisher, fmri.quoted()) else {
            return Err(Error::NoPackage { path: self.path.clone(), fmri: Box::new(fmri.clone()) });
        };
        Ok(self.directory(publisher).join("pkg").join(stem).join(version))
    }

    /// Where the payload of that name is to be, and where older programs put it.
    fn payload_paths(&self, publisher: &str, sha1: &str) -> Result<[PathBuf; 2], Error> {
        let files = self.directory(publisher).join("file");
        crate::fmri::check_publisher(publisher).map_err(|p| Error::damaged(&self.path, p))?;
        if !is_hash(sha1) {
            let problem = format!("{sha1:?} is no payload name; 40 hex digits were expected");
            return Err(Error::damaged(files, problem));
        }
        let group = files.join(&sha1[..2]);
        Ok([group.join(sha1), group.join(&sha1[2..8]).join(sha1)])
    }

    /// Where the payload of that name is or would be.
    fn payload_path(&self, publisher: &str, sha1: &str) -> Result<PathBuf, Error> {
        let [path, older] = self.payload_paths(publisher, sha1)?;
        Ok(if !path.exists() && older.exists() { older } else { path })
    }

    fn manifests_on_disk(&self, publisher: &str) -> Result<Vec<Fmri>, Error> {
        let directory = self.directory(publisher).join("pkg");
        let mut packages = Vec::new();
        for stem in names(&directory)? {
            let below = directory.join(&stem);
            for version in names(&below)? {
                let fmri = unquote(&stem).zip(unquote(&version)).and_then(|(stem, version)| {
                    Fmri::parse(&format!("pkg://{publisher}/{stem}@{version}")).ok()
                });
                // Temporary files of an interrupted publisher begin with a dot.
                match fmri {
                    Some(fmri) => packages.push(fmri),
                    None if version.starts_with('.') => {}
                    None => {
                        return Err(Error::damaged(below.join(version), "its name is no package"));
                    }
                }
            }
        }
        packages.sort();
        Ok(packages)
    }

    /// Stores a payload and describes it. What is stored already is checked and kept, damage
    /// repaired.
    pub fn add_payload(&self, publisher: &str, content: &Path) -> Result<Payload, Error> {
        let files = self.directory(publisher).join("file");
        create_directory(&files)?;
        let source = File::open(content).map_err(Error::io("read", content))?;
        let new = beside(&files.join("new"))?;
        let payload =
            Payload::store(source, new.as_file()).map_err(Error::io("compress", content))?;
        let path = self.payload_path(publisher, &payload.sha1)?;
        if let Ok(there) = File::open(&path)
            && let Ok(stored) = Payload::of_stored(BufReader::new(there))
            && stored.sha1 == payload.sha1
        {
            return Ok(stored);
        }
        if let Some(parent) = path.parent() {
            create_directory(parent)?;
        }
        persist(new, &path)?;
        Ok(payload)
    }

    /// Copies a payload of one of another origin's publishers as it is stored, after checking it.
    pub(crate) fn copy_payload(
        &self,
        publisher: &str,
        sha1: &str,
        from: &dyn Origin,
        theirs: &str,
    ) -> Result<(), Error> {
        let path = self.payload_path(publisher, sha1)?;
        if path.exists() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            create_directory(parent)?;
        }
        let mut stored = from.stored_payload(theirs, sha1)?.reader;
        let mut new = beside(&path)?;
        io::copy(&mut stored, &mut new).map_err(Error::io("write", &path))?;
        let again = new.reopen().map_err(Error::io("read", &path))?;
        let found = Payload::of_stored(BufReader::new(again))
            .map_err(|error| Error::damaged(from.location(), format!("payload {sha1}: {error}")))?;
        if found.sha1 != sha1 {
            let problem = format!("payload {sha1} has the SHA-1 {}", found.sha1);
            return Err(Error::damaged(from.location(), problem));
        }
        persist(new, &path)
    }

    /// Whether a manifest can be added: nothing else is published under its name. True when the
    /// very same is there.
    pub(crate) fn check_manifest(&self, fmri: &Fmri, text: &str) -> Result<bool, Error> {
        let path = self.manifest_path(fmri)?;
        match fs::read(&path) {
            Ok(there) if there == text.as_bytes() => Ok(true),
            Ok(_) => {
                let problem = format!(
                    "{fmri} is already published with other contents; publish with another \
                     version or timestamp"
                );
                Err(Error::damaged(path, problem))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Adds a manifest whose payloads are stored. It is listed after
    /// [`Repository::write_catalogs`]. A different manifest of the same name is an error.
    pub(crate) fn add_manifest(&mut self, fmri: &Fmri, text: &str) -> Result<(), Error> {
        if !self.check_manifest(fmri, text)? {
            let path = self.manifest_path(fmri)?;
            if let Some(parent) = path.parent() {
                create_directory(parent)?;
            }
            write_atomically(&path, text.as_bytes())?;
        }
        let publisher = fmri.publisher.clone().unwrap_or_default();
        if let Err(place) = self.publishers.binary_search(&publisher) {
            self.publishers.insert(place, publisher);
        }
        if let Err(place) = self.packages.binary_search(fmri) {
            self.packages.insert(place, fmri.clone());
        }
        self.hashes.insert(fmri.clone(), hex::encode(Sha1::digest(text.as_bytes())));
        Ok(())
    }

    /// Copies packages with their payloads from another origin, and writes the catalogs.
    pub fn copy_packages(
        &mut self,
        from: &dyn Origin,
        packages: &[Fmri],
        timestamp: Timestamp,
    ) -> Result<(), Error> {
        for fmri in packages {
            let text = from.manifest_text(fmri)?;
            let manifest = Manifest::parse(format!("{} {fmri}", from.location().display()), &text)?;
            let publisher = fmri.publisher.clone().unwrap_or_default();
            for sha1 in manifest.actions().flat_map(Action::stored) {
                self.copy_payload(&publisher, sha1, from, &publisher)?;
            }
            self.add_manifest(fmri, &text)?;
        }
        self.write_catalogs(timestamp)
    }

    /// Writes every publisher's catalog anew from its manifests. `timestamp` becomes the time
    /// of the catalogs' creation.
    pub fn write_catalogs(&self, timestamp: Timestamp) -> Result<(), Error> {
        for publisher in &self.publishers {
            let directory = self.directory(publisher);
            let mut builder = CatalogBuilder::default();
            let ours = |fmri: &&Fmri| fmri.publisher.as_ref() == Some(publisher);
            for fmri in self.packages.iter().filter(ours) {
                let text = self.manifest_text(fmri)?;
                let manifest = Manifest::parse(self.manifest_path(fmri)?, &text)?;
                builder.add(fmri, &text, &manifest, None);
            }
            create_directory(&directory.join("pkg"))?;
            create_directory(&directory.join("file"))?;
            builder.write(&directory.join("catalog"), timestamp)?;
        }
        Ok(())
    }
}

impl Origin for Repository {
    fn location(&self) -> &Path {
        &self.path
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        let path = self.manifest_path(fmri)?;
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoPackage {
                    path: self.path.clone(),
                    fmri: Box::new(fmri.clone()),
                });
            }
            read => read.map_err(Error::io("read", &path))?,
        };
        if let Some(expected) = self.hashes.get(fmri) {
            let actual = hex::encode(Sha1::digest(text.as_bytes()));
            if actual != *expected {
                let problem = format!("its SHA-1 is {actual}; the catalog says {expected}");
                return Err(Error::damaged(path, problem));
            }
        }
        Ok(text)
    }

    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error> {
        let [path, older] = self.payload_paths(publisher, sha1)?;
        let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let file = match File::open(&path) {
            Err(error) if is_absent(&error) => File::open(&older),
            opened => opened,
        };
        let file = match file {
            Err(error) if is_absent(&error) => {
                return Err(Error::NoPayload { path, hash: sha1.to_owned() });
            }
            opened => opened.map_err(Error::io("read", &path))?,
        };
        let size = file.metadata().map_err(Error::io("read", &path))?.len();
        Ok(StoredPayload { size, reader: Box::new(file.take(size)) })
    }
}

/// The UTF-8 names in a directory, sorted; none when it does not exist.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", directory))?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(Error::io("read", directory))?;
    names.sort();
    Ok(names)
}
