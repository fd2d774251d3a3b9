//! What is to be done, and what is in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proto::ProtoPath;
use serde::Serialize;

use crate::artifact::Artifact;
use crate::download::Form;
use crate::local::Found;
use crate::{Problem, Request};

/// Everything that a manifest has, as one target sees it.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The target.
    pub target: BTreeMap<String, String>,
    /// Every package, by name.
    pub packages: BTreeMap<String, Package>,
    /// What is odd about the manifest.
    pub warnings: Vec<String>,
    /// Archives that are unpacked for others, by a name of their own.
    #[serde(skip)]
    pub(crate) archives: BTreeMap<String, Archive>,
    #[serde(skip)]
    pub(crate) request: Request,
}

/// A package of the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Package {
    /// The file that it becomes.
    pub file: String,
    /// The service it is on a system, which names the file there.
    pub service: String,
    /// Where it comes from.
    pub source: Source,
    /// What it becomes.
    pub output: Output,
    /// Whether it is only a part of others.
    pub intermediate_only: bool,
    /// Whether it was asked for.
    pub wanted: bool,
    /// Why the target does not have it, if so; then nothing else was looked at.
    pub excluded: Option<String>,
    /// The packages it is composed of.
    pub components: Vec<String>,
    /// What else goes into it.
    pub parts: Vec<Part>,
    /// What is in the way.
    pub problems: Vec<Problem>,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Files, programs and blobs.
    Local,
    /// Other packages.
    Composite,
    /// An archive that somebody else published.
    Prebuilt,
    /// An archive that somebody put into place.
    Manual,
}

/// What a package becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// An image that a zone is installed from, `NAME.tar.gz`.
    Zone,
    /// Software for the global zone, `NAME.tar`.
    Tarball,
}

/// Something that goes into a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Part {
    /// A file or directory.
    Path {
        /// Where it is.
        from: PathBuf,
        /// Where it goes.
        to: String,
        /// How many files there are.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// All of them.
        #[doc(hidden)]
        #[serde(skip)]
        found: Vec<Found>,
    },
    /// A program written in Rust.
    Program {
        /// Where it is or will be.
        from: PathBuf,
        /// Where it goes.
        to: String,
        /// Whether it is built first.
        build: bool,
        /// The same place, checked.
        #[serde(skip)]
        at: ProtoPath,
    },
    /// A single file from elsewhere.
    Blob {
        /// Where it is.
        artifact: Artifact,
        /// Where it goes.
        to: String,
        /// The same place, checked.
        #[serde(skip)]
        at: ProtoPath,
    },
    /// What is in an archive, or a part of that.
    Archive {
        /// The archive.
        archive: String,
        /// Where it is, if it is known by its digest.
        artifact: Option<Artifact>,
        /// Which paths of it go where.
        #[serde(skip)]
        maps: Vec<(ProtoPath, ProtoPath)>,
    },
}

/// An archive that is unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) from: From,
    pub(crate) kind: Kind,
}

/// Where an archive is.
#[derive(Debug, Clone)]
pub(crate) enum From {
    Artifact(Artifact),
    /// Somebody put it there; nobody said what is in it.
    Disk(PathBuf),
}

/// What an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A zone image: what is below `root/` counts.
    Zone,
    /// Software for the global zone: `VERSION` does not count.
    Tarball,
    /// Something that is downloaded for a package.
    Download(Form),
}

/// How a package stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It can be built.
    Ready,
    /// Something is in the way, of it or of a component.
    Blocked,
    /// The target does not have it.
    Excluded,
}

impl Plan {
    /// How a package stands.
    pub fn state(&self, name: &str) -> State {
        match self.packages.get(name) {
            None => State::Excluded,
            Some(package) if package.excluded.is_some() => State::Excluded,
            Some(_) if self.problems(name).is_empty() => State::Ready,
            Some(_) => State::Blocked,
        }
    }

    /// What is in the way of a package: its own problems and those of its components.
    pub fn problems(&self, name: &str) -> Vec<&Problem> {
        let packages = self.closure([name]).into_iter().filter_map(|name| self.packages.get(name));
        packages.flat_map(|package| &package.problems).collect()
    }

    /// Names of what was asked for.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().filter(|(_, package)| package.wanted).map(|(name, _)| &**name)
    }

    /// What should be known of what was asked for.
    pub fn warnings_of_wanted(&self) -> impl Iterator<Item = &str> {
        let packages = self.closure(self.wanted()).into_iter();
        let packages = packages.filter_map(|name| self.packages.get(name));
        packages.flat_map(|package| &package.warnings).map(String::as_str)
    }

    /// Some packages and all they are composed of.
    pub(crate) fn closure<'a>(
        &'a self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::new();
        let mut open: Vec<&str> = names.into_iter().collect();
        while let Some(name) = open.pop() {
            if all.insert(name)
                && let Some(package) = self.packages.get(name)
            {
                open.extend(package.components.iter().map(String::as_str));
            }
        }
        all
    }

    /// Bytes that go into a package, as far as they are known before it is built.
    pub(crate) fn weight(&self, name: &str) -> u64 {
        let packages = self.closure([name]).into_iter().filter_map(|name| self.packages.get(name));
        let parts = packages.flat_map(|package| &package.parts);
        parts.map(|part| if let Part::Path { bytes, .. } = part { *bytes } else { 0 }).sum()
    }
}
