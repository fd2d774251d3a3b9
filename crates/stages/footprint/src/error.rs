//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when an image is built to fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image could not be planned or written.
    #[error(transparent)]
    Pool(#[from] zpool_image::Error),
    /// The image is larger than it may be.
    #[error(
        "{}: the image takes {} MiB, {} MiB more than its budget of {} MiB\n{explanation}",
        .path.display(), .size.div_ceil(1 << 20), (.size - .budget).div_ceil(1 << 20),
        .budget >> 20
    )]
    Budget {
        /// The image.
        path: PathBuf,
        /// Bytes of the image.
        size: u64,
        /// Bytes it may have.
        budget: u64,
        /// What is largest, and what grew if an earlier record is known.
        explanation: String,
    },
    /// A record could not be read or written.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The record's file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that is no record.
    #[error("{}: is no record of a footprint: {problem}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
