//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::ArchiveType;

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive or a file on disk could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The path on disk.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The compressed form is damaged.
    #[error("{}: {damage}{}", .path.display(), in_member(.member))]
    Compressed {
        /// The archive.
        path: PathBuf,
        /// The member that was being read, if any.
        member: Option<String>,
        /// The damage.
        damage: gzip::Error,
    },
    /// A compressed form that is not read here.
    #[error(
        "{}: is compressed with {method}, which is not read here; decompress it and give the tar, \
         for example through a pipe", .path.display()
    )]
    Method {
        /// The archive.
        path: PathBuf,
        /// The name of the form.
        method: &'static str,
    },
    /// The tar is damaged.
    #[error("{}: damaged tar at byte {offset}{}: {problem}", .path.display(), in_member(.member))]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// Offset in the tar, after decompression.
        offset: u64,
        /// The member, as far as it is known.
        member: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// `oxide.json` is missing, misplaced or wrong.
    #[error("{}: oxide.json {problem}", .path.display())]
    Metadata {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An archive of another type than the place it is meant for takes.
    #[error(
        "{}: an archive of type {found} where one of type {expected} is needed",
        .path.display()
    )]
    Type {
        /// The archive.
        path: PathBuf,
        /// What is needed.
        expected: ArchiveType,
        /// What it is.
        found: ArchiveType,
    },
    /// A member that must not be unpacked.
    #[error("{}: member {member} refused: {problem}", .path.display())]
    Refused {
        /// The archive.
        path: PathBuf,
        /// The member.
        member: String,
        /// The rule it breaks.
        problem: String,
    },
    /// The archive is not the one that was pinned.
    #[error("{}: sha256 {found} instead of the pinned {expected}", .path.display())]
    Pinned {
        /// The archive.
        path: PathBuf,
        /// The digest that was asked for.
        expected: proto::Digest,
        /// The digest of the file.
        found: proto::Digest,
    },
    /// A member that a writer cannot write.
    #[error("{}: cannot write member {member}: {problem}", .path.display())]
    Unwritable {
        /// The archive.
        path: PathBuf,
        /// The member.
        member: String,
        /// Why not.
        problem: String,
    },
    /// A key of the information map that writers must not use.
    #[error(transparent)]
    Info(#[from] crate::InfoError),
    /// The proto root could not be read or written.
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

fn in_member(member: &Option<String>) -> String {
    member.as_ref().map(|member| format!(" (member {member})")).unwrap_or_default()
}
