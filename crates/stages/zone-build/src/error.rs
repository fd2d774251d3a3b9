//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::Problem;

/// Why images were not planned or not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory on disk could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path on disk.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A manifest that cannot be read.
    #[error("{} cannot be used\n{problem}", .path.display())]
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        problem: String,
    },
    /// A manifest that contradicts itself.
    #[error(
        "{} cannot be used{}{}", .path.display(), list(.problems), crate::manifest::listed(.warnings)
    )]
    Broken {
        /// The manifest.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
        /// What is odd besides, and may be why.
        warnings: Vec<String>,
    },
    /// A package or preset that the manifest does not have, or not for this target.
    #[error("{}: {problem}", .path.display())]
    Choice {
        /// The manifest.
        path: PathBuf,
        /// What was asked for, and what there is.
        problem: String,
    },
    /// A file of pins that cannot be understood.
    #[error("{}: {problem}", .path.display())]
    Pins {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Packages that cannot be built here.
    #[error("{} cannot be built here{}", .packages.join(", "), list(.problems))]
    Blocked {
        /// The packages that were asked for.
        packages: Vec<String>,
        /// What they lack.
        problems: Vec<Problem>,
    },
    /// Something that is not what its pin says.
    #[error("{}: sha256 {found} instead of the pinned {expected}", .path.display())]
    Pinned {
        /// The file.
        path: PathBuf,
        /// The pin.
        expected: proto::Digest,
        /// The digest of the file.
        found: proto::Digest,
    },
    /// Two things of different types would stand at one path of an image.
    #[error("{image}: {path} is a {there} from {first} and a {new} from {second}")]
    Conflict {
        /// The package.
        image: String,
        /// The path in it.
        path: proto::ProtoPath,
        /// What is there.
        there: &'static str,
        /// Who brought it.
        first: String,
        /// What should stand there.
        new: &'static str,
        /// Who brings that.
        second: String,
    },
    /// A path that no zone can be installed with.
    #[error("{image}: the path of a member has {length} bytes, and at most 1023 are read: {path}")]
    Long {
        /// The package.
        image: String,
        /// The path in it.
        path: proto::ProtoPath,
        /// With what stands before it in the archive.
        length: usize,
    },
    /// An archive that a zone could not be installed from, or that cannot be written.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),
    /// The contents of archives could not be kept.
    #[error(transparent)]
    Proto(#[from] proto::Error),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The jobs cannot run.
    #[error(transparent)]
    Jobs(#[from] jobs::Error),
}

impl Error {
    /// Puts a verb and a path on an I/O error.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
