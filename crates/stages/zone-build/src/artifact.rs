//! Files from elsewhere, known by their digest.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use fetch::{Fetcher, Item, Url};
use proto::Digest;
use serde::{Serialize, Serializer};
use sha2::Digest as _;
use store::Name;

use crate::Error;

/// No archive or blob is larger.
const LIMIT: u64 = 16 << 30;

/// A file from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Its file name.
    pub file: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Where it is.
    pub place: Place,
}

impl Artifact {
    /// Whether it is to be fetched.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.place, Place::Network(_))
    }
}

/// Where an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the store.
    Store,
    /// On disk.
    Disk(PathBuf),
    /// It is to be fetched from this address.
    Network(#[serde(serialize_with = "as_text")] Url),
}

fn as_text<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// Finds artifacts: in the store, in directories, in the network.
#[derive(Debug, Clone)]
pub(crate) struct Finder {
    pub(crate) fetcher: Fetcher,
    pub(crate) directories: Vec<PathBuf>,
}

impl Finder {
    /// Where an artifact can be had; what is in the way if nowhere.
    pub(crate) fn find(&self, file: &str, sha256: Digest, url: Url) -> Result<Artifact, Absence> {
        let artifact = |place| Ok(Artifact { file: file.to_owned(), sha256, place });
        if self.has(&sha256) {
            return artifact(Place::Store);
        }
        for directory in &self.directories {
            let path = directory.join(file);
            if path.is_file() {
                let found = digest_of(&path).map_err(Absence::Error)?;
                return match found == sha256 {
                    true => artifact(Place::Disk(path)),
                    false => Err(Absence::Wrong { path, found }),
                };
            }
        }
        match self.fetcher.is_offline() {
            true => Err(Absence::Offline),
            false => artifact(Place::Network(url)),
        }
    }

    /// Whether the store has a digest.
    pub(crate) fn has(&self, sha256: &Digest) -> bool {
        self.fetcher.store().has_blob(sha256)
    }

    /// A file of the given directories.
    pub(crate) fn on_disk(&self, file: &str) -> Option<PathBuf> {
        self.directories.iter().map(|directory| directory.join(file)).find(|path| path.is_file())
    }

    /// Opens an artifact whose bytes were compared with its digest.
    pub(crate) fn open(&self, artifact: &Artifact) -> Result<File, Error> {
        match &artifact.place {
            Place::Disk(path) => {
                let mut file = File::open(path).map_err(Error::io("open", path))?;
                let found = sum(&mut file).map_err(Error::io("read", path))?;
                if found != artifact.sha256 {
                    let (path, expected) = (path.clone(), artifact.sha256);
                    return Err(Error::Pinned { path, expected, found });
                }
                file.rewind().map_err(Error::io("read", path))?;
                Ok(file)
            }
            Place::Network(_) => self.with_item(artifact, |item| Ok(self.fetcher.open(item)?.0)),
            Place::Store => match self.fetcher.store().open_blob(&artifact.sha256)? {
                Some(file) => Ok(file),
                // It was damaged or collected since it was found, and nobody has said where else
                // it is.
                None => self.with_item(artifact, |item| Ok(self.fetcher.open(item)?.0)),
            },
        }
    }

    /// Sees that artifacts of the network are in the store, many at once; what went wrong.
    pub(crate) fn fetch_all(&self, artifacts: &[Artifact]) -> Vec<Error> {
        let answers = self.fetcher.each(artifacts, |artifact| {
            self.with_item(artifact, |item| self.fetcher.ensure(item).map(drop))
        });
        answers.into_iter().filter_map(Result::err).collect()
    }

    fn with_item<T>(
        &self,
        artifact: &Artifact,
        action: impl FnOnce(&Item<'_>) -> Result<T, fetch::Error>,
    ) -> Result<T, Error> {
        let expected = artifact.sha256;
        let check = |file: &mut File| {
            let found = sum(file).map_err(|error| error.to_string())?;
            match found == expected {
                true => Ok(()),
                false => Err(format!("its sha256 is {found}, not the pinned {expected}")),
            }
        };
        let urls = match &artifact.place {
            Place::Network(url) => vec![url.clone()],
            Place::Store | Place::Disk(_) => Vec::new(),
        };
        let item = Item {
            name: Name::new("artifact", expected.to_string()),
            what: artifact.file.clone(),
            urls,
            size: None,
            limit: LIMIT,
            check: &check,
        };
        Ok(action(&item)?)
    }
}

/// Why an artifact cannot be had.
#[derive(Debug)]
pub(crate) enum Absence {
    /// A file of that name has other bytes.
    Wrong { path: PathBuf, found: Digest },
    /// The network must not be used.
    Offline,
    /// A file could not be read.
    Error(Error),
}

/// The SHA-256 of a file on disk.
fn digest_of(path: &Path) -> Result<Digest, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    sum(&mut file).map_err(Error::io("read", path))
}

fn sum(file: &mut File) -> io::Result<Digest> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
