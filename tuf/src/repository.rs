//! A repository that is there: its names, its files, its metadata.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;
use rayon::prelude::*;
use serde::Serialize;
use sha2::Digest as _;

use crate::verify::{Opened, OpenedTarget, open};
use crate::{Artifact, Error, Problem, Tags};

/// An open repository: a zip, or a directory with the same files.
///
/// Opening checks the container and the signed metadata in full; a target is checked against its
/// signed length and hash before any byte of it is handed out. Whether the metadata has expired is
/// for the caller to judge by [`Listing::expires`].
pub struct Repository {
    path: PathBuf,
    opened: Opened,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a repository says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The zip or directory.
    pub path: PathBuf,
    /// The system version; none in a repository of format v1.
    pub system_version: Option<String>,
    /// The version of the last root.
    pub root_version: u64,
    /// The highest version of the other roles.
    pub version: u64,
    /// When the first metadata file expires.
    pub expires: Timestamp,
    /// When each metadata file expires.
    pub expiries: BTreeMap<String, Timestamp>,
    /// The targets, sorted by name.
    pub targets: Vec<ListedTarget>,
    /// What is odd and tolerated.
    pub warnings: Vec<Problem>,
}

/// One target of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedTarget {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Bytes it takes in the zip.
    pub stored: u64,
    /// Its signed SHA-256.
    pub sha256: Digest,
    /// The version, if it is an artifact.
    pub version: Option<String>,
    /// The tags, if it is an artifact.
    pub tags: Option<Tags>,
}

impl Repository {
    /// Opens a repository; without a trusted root its own is taken on trust.
    ///
    /// # Errors
    ///
    /// When the zip, the directory or the root cannot be read, and [`Error::Refused`] with every problem when the
    /// container or the metadata is not good. An expired repository opens.
    pub fn open(path: &Path, trust_root: Option<&Path>) -> Result<Self, Error> {
        Ok(Self { path: path.to_owned(), opened: open(path, trust_root)? })
    }

    /// What the repository says about itself.
    pub fn listing(&self) -> Listing {
        let artifacts: BTreeMap<&str, &Artifact> = self
            .opened
            .document
            .iter()
            .flat_map(|document| &document.artifacts)
            .map(|artifact| (artifact.target_name.as_str(), artifact))
            .collect();
        let listed = |(name, target): (&String, &OpenedTarget)| {
            let artifact = artifacts.get(name.as_str());
            ListedTarget {
                name: name.clone(),
                length: target.entry.size,
                stored: target.entry.stored,
                sha256: target.sha256,
                version: artifact.map(|artifact| artifact.version.clone()),
                tags: artifact.map(|artifact| artifact.tags.clone()),
            }
        };
        let opened = &self.opened;
        Listing {
            path: self.path.clone(),
            system_version: opened.document.as_ref().map(|d| d.system_version.clone()),
            root_version: opened.root_version,
            version: opened.version,
            expires: opened.expiries.values().min().copied().unwrap_or(Timestamp::MIN),
            expiries: opened.expiries.clone(),
            targets: opened.targets.iter().map(listed).collect(),
            warnings: opened.warnings.clone(),
        }
    }

    /// The names of the metadata files, without their folder.
    pub fn metadata_names(&self) -> Vec<String> {
        let entries = self.opened.archive.entries().keys();
        entries.filter_map(|name| name.strip_prefix(METADATA)).map(ToOwned::to_owned).collect()
    }

    /// A metadata file, e.g. `1.root.json`, byte for byte.
    ///
    /// # Errors
    ///
    /// When there is none of that name or the zip cannot be read.
    pub fn metadata(&self, name: &str) -> Result<Vec<u8>, Error> {
        let Some(entry) = self.opened.archive.entries().get(&format!("{METADATA}{name}")) else {
            let names = self.metadata_names().join(", ");
            return Err(self.target_error(name, format!("no such metadata; there are {names}")));
        };
        let mut bytes = Vec::new();
        self.opened
            .archive
            .stream(entry, |chunk| bytes.extend_from_slice(chunk))
            .map_err(Error::io("read", &self.path))?
            .map_err(|problem| self.target_error(name, problem))?;
        Ok(bytes)
    }

    /// Writes a target's contents.
    ///
    /// The target is read twice: once to compare it with what was signed, then to hand it out.
    ///
    /// # Errors
    ///
    /// When there is none of that name, it is not what was signed (nothing was written then), or
    /// reading or writing fails.
    pub fn show(&self, name: &str, out: &mut dyn Write) -> Result<(), Error> {
        let target = self.find(name)?;
        self.read(name, target, |_| Ok(()))?;
        self.read(name, target, |chunk| out.write_all(chunk))?;
        out.flush().map_err(Error::io("write", name))
    }

    /// Extracts targets below a directory under their names; all of them when none is named.
    ///
    /// The directory appears by one rename when every file in it is complete and as signed. It must
    /// be new or empty. Returns the names.
    ///
    /// # Errors
    ///
    /// When a name is unknown, a target is not what was signed, or reading or writing fails.
    /// Nothing is left behind then.
    pub fn extract(&self, names: &[String], directory: &Path) -> Result<Vec<String>, Error> {
        let chosen: BTreeMap<&str, &OpenedTarget> = if names.is_empty() {
            self.opened.targets.iter().map(|(name, target)| (name.as_str(), target)).collect()
        } else {
            let mut chosen = BTreeMap::new();
            for name in names {
                chosen.insert(name.as_str(), self.find(name)?);
            }
            chosen
        };
        if directory.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::input(directory, "is not empty; give a new or empty directory"));
        }
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let stage = tempfile::Builder::new()
            .prefix(".extract-")
            .tempdir_in(parent)
            .map_err(Error::io("create a directory beside", directory))?;
        let inner = stage.path().join("targets");
        let write = Error::io("write", directory);
        std::fs::create_dir(&inner).map_err(write)?;
        chosen
            .par_iter()
            .try_for_each(|(name, target)| self.extract_one(name, target, &inner.join(name)))?;
        std::fs::rename(&inner, directory).map_err(Error::io("make", directory))?;
        Ok(chosen.keys().map(|name| (*name).to_owned()).collect())
    }

    fn extract_one(&self, name: &str, target: &OpenedTarget, path: &Path) -> Result<(), Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let mut file = std::fs::File::create_new(path).map_err(Error::io("create", path))?;
        self.read(name, target, |chunk| file.write_all(chunk))?;
        file.sync_all().map_err(Error::io("write", path))
    }

    /// A reader of a target that is what was signed, if its first bytes are wanted.
    pub(crate) fn checked_reader(
        &self,
        name: &str,
        count: usize,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<impl std::io::Read + Send>, Error> {
        let target = self.find(name)?;
        let mut first = Vec::new();
        self.read(name, target, |chunk| {
            let missing = count - first.len();
            first.extend_from_slice(&chunk[..missing.min(chunk.len())]);
            Ok(())
        })?;
        Ok(is_wanted(&first).then(|| self.opened.archive.reader(&target.entry)))
    }

    /// The zip.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &str) -> Result<&OpenedTarget, Error> {
        self.opened
            .targets
            .get(name)
            .ok_or_else(|| self.target_error(name, "no such target".to_owned()))
    }

    /// Reads a target to its end and compares it with what was signed.
    fn read(
        &self,
        name: &str,
        target: &OpenedTarget,
        mut sink: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let mut sha256 = sha2::Sha256::new();
        let mut written = Ok(());
        let read = self.opened.archive.stream(&target.entry, |chunk| {
            sha256.update(chunk);
            if written.is_ok() {
                written = sink(chunk);
            }
        });
        read.map_err(Error::io("read", &self.path))?
            .map_err(|problem| self.target_error(name, problem))?;
        written.map_err(Error::io("write", name))?;
        let real = Digest(sha256.finalize().into());
        if real != target.sha256 {
            let problem = format!("its sha256 is {real}, signed is {}", target.sha256);
            return Err(self.target_error(name, problem));
        }
        Ok(())
    }

    pub(crate) fn target_error(&self, target: &str, problem: String) -> Error {
        Error::Target { path: self.path.clone(), target: target.to_owned(), problem }
    }
}

const METADATA: &str = "repo/metadata/";
