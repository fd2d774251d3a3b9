//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Why firmware was not collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A list of hashes that is none.
    #[error("{}:{line}: {problem}", .path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A manifest that says something impossible.
    #[error("the manifest {hash} ({label}): {problem}")]
    Manifest {
        /// Its hash.
        hash: String,
        /// Its label in the list.
        label: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An image that is not what its manifest says.
    #[error("{name} of the manifest {manifest}, {}: {problem}", .path.display())]
    Image {
        /// The artifact.
        name: String,
        /// The label of the manifest.
        manifest: String,
        /// The image.
        path: PathBuf,
        /// How it differs.
        problem: String,
    },
    /// A file in a directory whose contents are others than its name says.
    #[error("{} has the BLAKE3 hash {actual}: remove it, so that the right one is looked for", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The hash it has.
        actual: String,
    },
    /// Nobody has it.
    #[error("{what} is in none of the directories and there is no address to fetch it from")]
    Missing {
        /// What, with its hash.
        what: String,
    },
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
