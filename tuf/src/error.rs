//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::Problem;

/// What kept a repository from being built or read.
///
/// What is wrong *inside* a repository is not an error but a [`Problem`](crate::Problem).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file on disk could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path on disk.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An input that is not what it was given as.
    #[error("{}: {problem}", .path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// An input whose bytes changed between planning and writing.
    #[error("{} changed while the repository was being written: {problem}; nothing was written", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// How it differs.
        problem: String,
    },
    /// Two inputs that ask for one target name.
    #[error("target name collision: {} and {} both become {target}, {problem}", .first.display(), .second.display())]
    Collision {
        /// The target name.
        target: String,
        /// The input that had it.
        first: PathBuf,
        /// The input that wants it.
        second: PathBuf,
        /// In what they differ.
        problem: String,
    },
    /// Two artifacts that nothing tells apart.
    #[error(
        "{first} and {second} have the same tags ({tags}); a repository holds one artifact of each"
    )]
    SameTags {
        /// The target name of the one.
        first: String,
        /// The target name of the other.
        second: String,
        /// The tags.
        tags: String,
    },
    /// A version that the format cannot hold.
    #[error("{what} {version:?}: {problem}")]
    Version {
        /// Whose version.
        what: String,
        /// The version.
        version: String,
        /// What is wrong.
        problem: String,
    },
    /// A build time or expiry that the format cannot hold.
    #[error("{0}")]
    Time(String),
    /// A key file that cannot be used.
    #[error("{}: {problem}", .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// A signer that did not sign.
    #[error("cannot sign {role}: {problem}")]
    Sign {
        /// The metadata file.
        role: String,
        /// The signer's answer.
        problem: String,
    },
    /// A repository that would be larger than the format or its readers allow.
    #[error("{}: {problem}", .path.display())]
    TooLarge {
        /// The zip.
        path: PathBuf,
        /// What is too large, and the limit.
        problem: String,
    },
    /// A repository that cannot be worked with, because of what is wrong inside.
    #[error("{} is refused: {}", .path.display(), .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Refused {
        /// The zip.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// A name that a repository does not have, or whose contents are not as signed.
    #[error("{target} in {}: {problem}", .path.display())]
    Target {
        /// The zip.
        path: PathBuf,
        /// The target or the metadata file.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// A repository that cannot be changed in the way that was asked for.
    #[error("{} cannot be changed: {problem}", .path.display())]
    Edit {
        /// The zip.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A change that would take away what a complete repository has.
    #[error(
        "{} cannot be changed: no rack could be updated from it any more, without {gone}",
        .path.display()
    )]
    Incomplete {
        /// The zip.
        path: PathBuf,
        /// The tags of what would be gone.
        gone: String,
    },
    /// A repository that the given keys cannot sign for.
    #[error("{} cannot be signed: {problem}", .path.display())]
    Unsigned {
        /// The zip.
        path: PathBuf,
        /// Which role lacks which signatures.
        problem: String,
    },
}

impl Error {
    /// Puts a verb and a path on an I/O error: `.map_err(Error::io("read", path))`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn input(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_owned(), problem: problem.into() }
    }
}
