//! What a repository is built from, and how each input becomes targets and artifacts.

pub(crate) mod corpus;
pub(crate) mod firmware;
mod guess;
mod os_images;
mod zone;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::Digest;

use crate::artifact::{Kind, Variant};
use crate::zip::{Archive, Entry, Streamed};
use crate::{Error, fakes, names};

pub use firmware::Firmware;
pub use os_images::BOARDS;
pub(crate) use zone::read_layer;

/// One thing to put into a repository.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The output folder of an OS image build: `gimlet.rom`, `cosmo.rom` and `zfs.img`, all
    /// required, and `unix.z`, `cpio.z` and text files where they are.
    OsImages {
        /// The folder.
        directory: PathBuf,
        /// Which of the two OS images it is.
        variant: Variant,
    },
    /// A zone image.
    Zone {
        /// The `.tar.gz` file.
        path: PathBuf,
        /// The file's name on the rack, if it is not the last segment of the path.
        file_name: Option<String>,
    },
    /// A Hubris build archive.
    Firmware {
        /// The archive.
        path: PathBuf,
        /// What it is; without it, its `image-name` says.
        firmware: Option<Firmware>,
    },
    /// Reference measurements: a CoRIM document.
    MeasurementCorpus(PathBuf),
    /// Stand-ins for everything that a complete repository has, for trying what handles one.
    Fakes,
}

impl Input {
    /// A zone image under its own name.
    pub fn zone(path: impl Into<PathBuf>) -> Self {
        Self::Zone { path: path.into(), file_name: None }
    }
}

/// A target to be written, and what it is.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) target_name: String,
    pub(crate) source: Source,
    /// Kind and version; none for an extra target.
    pub(crate) artifact: Option<(Kind, String)>,
}

/// Where a target's bytes are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a file that must not change until it is written.
    File(PinnedFile),
    /// In memory, from a place to name in messages.
    Memory(Vec<u8>, PathBuf),
    /// In another repository, from where it is taken in its compressed form.
    Taken(Taken),
}

/// A target of another repository.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) archive: Arc<Archive>,
    pub(crate) entry: Entry,
    /// The hash that the other repository signed for.
    pub(crate) sha256: Digest,
    /// The other repository, for messages.
    pub(crate) repository: PathBuf,
}

impl Taken {
    /// What its bytes are, by what the other repository says.
    pub(crate) fn streamed(&self) -> Streamed {
        let Entry { size: length, stored, crc32, .. } = self.entry;
        Streamed { length, stored, crc32, sha256: self.sha256 }
    }
}

impl Source {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(file) => &file.path,
            Self::Memory(_, path) => path,
            Self::Taken(taken) => &taken.repository,
        }
    }
}

/// A file as it was when it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PinnedFile {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    /// Its digest, where all of it had to be read to know what it is.
    pub(crate) digest: Option<Digest>,
}

/// What changes when a file is changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl PinnedFile {
    /// Notes what a file is now.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::input(path, "is no regular file"));
        }
        Ok(Self { path: path.to_owned(), stamp: Stamp::of(&metadata), digest: None })
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.stamp.length
    }

    /// Opens the file, if it is still the one that was planned.
    pub(crate) fn open(&self) -> Result<std::fs::File, Error> {
        let file = std::fs::File::open(&self.path).map_err(Error::io("read", &self.path))?;
        self.check(&file)?;
        Ok(file)
    }

    /// Says whether an open file is still as it was planned.
    pub(crate) fn check(&self, file: &std::fs::File) -> Result<(), Error> {
        let now = Stamp::of(&file.metadata().map_err(Error::io("read", &self.path))?);
        if now == self.stamp {
            return Ok(());
        }
        let problem = if (now.device, now.inode) != (self.stamp.device, self.stamp.inode) {
            "it was replaced by another file".to_owned()
        } else if now.length != self.stamp.length {
            format!("it had {} bytes and has {} now", self.stamp.length, now.length)
        } else {
            "it was written to".to_owned()
        };
        Err(Error::Changed { path: self.path.clone(), problem })
    }
}

/// Finds out what targets an input makes.
pub(crate) fn plan(input: &Input, system_version: &str) -> Result<Vec<Planned>, Error> {
    match input {
        Input::OsImages { directory, variant } => {
            os_images::plan(directory, *variant, system_version)
        }
        Input::Zone { path, file_name } => Ok(vec![zone::plan(path, file_name.as_deref())?]),
        Input::Firmware { path, firmware } => Ok(vec![firmware::plan(path, *firmware)?]),
        Input::MeasurementCorpus(path) => Ok(vec![corpus::plan(path)?]),
        Input::Fakes => fakes::all(system_version),
    }
}

/// A planned artifact of a file.
fn artifact(
    target_name: String,
    file: PinnedFile,
    kind: Kind,
    version: String,
) -> Result<Planned, Error> {
    names::check_name(&target_name).map_err(|problem| {
        Error::input(&file.path, format!("cannot become the target {target_name:?}: {problem}"))
    })?;
    names::check_version(&version).map_err(|problem| Error::Version {
        what: format!("the version in {}", file.path.display()),
        version: version.clone(),
        problem,
    })?;
    Ok(Planned { target_name, source: Source::File(file), artifact: Some((kind, version)) })
}

/// The last segment of a path, which becomes part of a target name.
fn base_name(path: &Path) -> Result<String, Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(ToOwned::to_owned)
        .ok_or_else(|| Error::input(path, "has no file name that can become a target name"))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
