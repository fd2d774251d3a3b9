//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use proto::ProtoPath;

/// What can go wrong while a pool image is planned, written or read. Nothing stands under the
/// image's final name after any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory on disk could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `write`.
        doing: &'static str,
        /// The path on disk.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The manifest or the contents are not in order.
    #[error(transparent)]
    Proto(#[from] proto::Error),
    /// A file that became shorter or longer while it was read.
    #[error("{path}: changed while it was read: {problem}; build again when nothing writes to it")]
    Changed {
        /// The path in the proto.
        path: ProtoPath,
        /// How it differs.
        problem: String,
    },
    /// The size that was asked for does not hold the contents.
    #[error(
        "{}: a pool of {given} bytes does not hold these contents: at least {needed} bytes \
         ({} MiB) are needed, without any room to write",
        .path.display(), .needed.div_ceil(1 << 20)
    )]
    TooSmall {
        /// The image.
        path: PathBuf,
        /// The size that was asked for, in bytes.
        given: u64,
        /// The smallest size that holds the contents, in bytes.
        needed: u64,
    },
    /// An option that no pool can have.
    #[error("{}: pool option `{option}`: {problem}", .path.display())]
    Option {
        /// The image.
        path: PathBuf,
        /// The name of the option.
        option: &'static str,
        /// What is wrong and what is possible.
        problem: String,
    },
    /// An entry that a dataset cannot hold.
    #[error("{path}: {problem}")]
    Unsupported {
        /// The path in the proto.
        path: ProtoPath,
        /// What it is and why it cannot be.
        problem: String,
    },
    /// An image that is damaged, or no pool image at all.
    #[error("{}: {problem}", .path.display())]
    Damaged {
        /// The image.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// An image that uses what this reader does not know.
    #[error("{}: uses {what}, which this reader does not know", .path.display())]
    Unknown {
        /// The image.
        path: PathBuf,
        /// The feature.
        what: String,
    },
    /// A name that is not in the image.
    #[error("{}: there is no {name}", .path.display())]
    NotThere {
        /// The image.
        path: PathBuf,
        /// The dataset or path.
        name: String,
    },
}

impl Error {
    /// Says where in the image the damage is.
    pub(crate) fn within(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Damaged { path, problem } => {
                Self::Damaged { path, problem: format!("{place}: {problem}") }
            }
            other => other,
        }
    }

    /// Puts a verb and a path on an I/O error: `.map_err(Error::io("write", path))`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
