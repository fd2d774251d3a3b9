//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use proto::{Digest, ProtoPath};

/// What can go wrong with a boot image.
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
    /// A pool image that cannot become a phase-2 image.
    #[error("{}: cannot make a phase-2 image of it: {problem}", .path.display())]
    Image {
        /// The pool image.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A phase-2 image whose header breaks a rule.
    #[error("{}: not a good phase-2 image: {problem}", .path.display())]
    Header {
        /// The phase-2 image.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A phase-2 image whose data are not those its header describes.
    #[error("{}: its data have sha256 {found}, its header says {stated}", .path.display())]
    Digest {
        /// The phase-2 image.
        path: PathBuf,
        /// The digest in the header.
        stated: Digest,
        /// The digest of the data.
        found: Digest,
    },
    /// A line of the boot archive's file list.
    #[error("{}:{line}: {problem}", .path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file that a cpio cannot hold.
    #[error("{path}: cannot be in the boot archive: {problem}")]
    Unwritable {
        /// The path in the proto.
        path: ProtoPath,
        /// Why not.
        problem: String,
    },
    /// A cpio that is damaged.
    #[error("{}: damaged cpio at byte {offset}{}: {problem}", .path.display(), .member.as_ref().map(|m| format!(" (member {m})")).unwrap_or_default())]
    Cpio {
        /// The archive.
        path: PathBuf,
        /// Where, in bytes from its start.
        offset: u64,
        /// The member, as far as it is known.
        member: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// A ROM or other part of an OS archive has a name that it cannot have there.
    #[error("{}: a member of an OS archive cannot be named `{name}`: {problem}", .path.display())]
    Name {
        /// The archive.
        path: PathBuf,
        /// The name.
        name: String,
        /// Why not.
        problem: &'static str,
    },
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),
    /// The proto root could not be read.
    #[error(transparent)]
    Proto(#[from] proto::Error),
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
