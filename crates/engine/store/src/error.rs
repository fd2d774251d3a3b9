//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error(
        "{} is no store: {problem}; give an empty directory, or remove it if nothing in it is \
         needed", .path.display()
    )]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// Another process has the store, so that nothing can be removed from it.
    #[error(
        "the store {} is in use by another run; nothing was removed, try again when that has \
         ended", .path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
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
