//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when the sample is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A source tree cannot be read.
    #[error(transparent)]
    Proto(#[from] proto::Error),
    /// An archive cannot be written.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),
}

impl Error {
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
