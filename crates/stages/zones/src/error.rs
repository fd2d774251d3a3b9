//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Why a zone image was not made.
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
    /// The archive would become a part of itself.
    #[error(
        "{} lies in {}, the directory to pack; write it elsewhere",
        .output.display(), .directory.display()
    )]
    OutputInside {
        /// The archive.
        output: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// A path that a layer cannot hold.
    #[error("{}: {problem}", .path.display())]
    NotPackable {
        /// The path on disk.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Something is needed and not in the proto root.
    #[error(
        "{wanted} ({reason}) is not in the proto root: {problem}{}",
        if .chain.is_empty() { String::new() } else { format!("; asked for by {chain}") }
    )]
    Missing {
        /// The path or library name.
        wanted: String,
        /// Why it is needed.
        reason: String,
        /// Where it was looked for and what is wrong there.
        problem: String,
        /// The way from what the caller asked for, outermost first.
        chain: String,
    },
    /// An ELF file that cannot be read.
    #[error("{path}: a damaged ELF file: {problem}")]
    Elf {
        /// The path in the proto root.
        path: proto::ProtoPath,
        /// What is wrong with it.
        problem: String,
    },
    /// A zone that would not start.
    #[error("the zone would not start: {problem}")]
    Boot {
        /// What is wrong and what to do.
        problem: String,
    },
    /// A service manifest that cannot be read.
    #[error(transparent)]
    Smf(#[from] smf::Error),
    /// The proto root could not be read.
    #[error(transparent)]
    Proto(#[from] proto::Error),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),
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
