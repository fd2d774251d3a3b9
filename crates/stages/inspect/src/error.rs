//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Why nothing can be said about a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path on disk.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("{}: a {found}; only files can be inspected", .path.display())]
    NoFile {
        /// The path on disk.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// It is none of the formats that are known.
    #[error(
        "{}: not a format that is known here ({found}); known are baseline, layer and OS archives, \
         phase-2 and pool images, boot archives, package archives and manifests, update \
         repositories, and plain tar, gzip, zlib and zip files",
        .path.display()
    )]
    Unknown {
        /// The path on disk.
        path: PathBuf,
        /// How it begins.
        found: String,
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
