//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Digest, PathError, ProtoPath};

/// What can go wrong with a proto root.
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
    /// A path that no proto root can hold.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A path that is already taken.
    #[error("{path} is already there as a {there}; a {new} cannot take its place")]
    Duplicate {
        /// The path in the proto.
        path: ProtoPath,
        /// The type that is there.
        there: &'static str,
        /// The type that was to be added.
        new: &'static str,
    },
    /// An entry whose parent is missing or no directory.
    #[error("{path}: its parent {parent} is {problem}")]
    Parent {
        /// The path of the entry.
        path: ProtoPath,
        /// The path of its parent.
        parent: ProtoPath,
        /// `missing`, or the type that is there.
        problem: &'static str,
    },
    /// A hard link to something that is not a regular file of the same proto.
    #[error("{path}: hard link to {target}, which is {problem}")]
    Hardlink {
        /// The path of the link.
        path: ProtoPath,
        /// What it names.
        target: ProtoPath,
        /// `missing`, or the type that is there.
        problem: &'static str,
    },
    /// A file on disk of a type that a proto root cannot hold.
    #[error("{}: a {kind} cannot be part of a proto root", .path.display())]
    Special {
        /// The path on disk.
        path: PathBuf,
        /// The type.
        kind: &'static str,
    },
    /// A file on disk with an extended attribute, which would be lost.
    #[error(
        "{}: has {}, which would be lost; remove it, or ask for extended attributes to be dropped",
        .path.display(), attribute_words(.attribute)
    )]
    ExtendedAttribute {
        /// The path on disk.
        path: PathBuf,
        /// The name of the attribute.
        attribute: String,
    },
    /// A path on disk that the manifest of its tree does not have.
    #[error("{}: is not in the manifest {}", .path.display(), .manifest.display())]
    Unlisted {
        /// The path on disk.
        path: PathBuf,
        /// The manifest's file.
        manifest: PathBuf,
    },
    /// A line of a written manifest that cannot be read.
    #[error("{}:{line}: {problem}", .path.display())]
    Mtree {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A regular file whose bytes are nowhere.
    #[error("{path}: its contents are missing{}", .digest.map(|d| format!(" (sha256 {d})")).unwrap_or_default())]
    NoContent {
        /// The path in the proto.
        path: ProtoPath,
        /// Its digest, where known.
        digest: Option<Digest>,
    },
    /// A file that is not what its manifest says.
    #[error("{path}: {}: {problem}", .file.display())]
    Changed {
        /// The path in the proto.
        path: ProtoPath,
        /// The file with the bytes.
        file: PathBuf,
        /// How it differs.
        problem: String,
    },
}

impl Error {
    /// Puts a verb and a path on an I/O error: `.map_err(Error::io("read", path))`.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn attribute_words(name: &str) -> String {
    match name {
        "system.posix_acl_access" | "system.posix_acl_default" => {
            format!("an access control list (`{name}`)")
        }
        _ => format!("the extended attribute `{name}`"),
    }
}
