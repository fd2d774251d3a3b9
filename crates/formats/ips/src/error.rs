//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Fmri, FmriError};

/// What can go wrong with packages.
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
    /// A line of a manifest that cannot be read or must not be published.
    #[error("{}:{line}:{column}: {problem}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A line of a lock file that cannot be used.
    #[error("{}:{line}: {problem}", .path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A text that should name a package does not.
    #[error("{}: {error}", .path.display())]
    Fmri {
        /// The file that holds the text.
        path: PathBuf,
        /// What is wrong with it.
        error: FmriError,
    },
    /// A file or directory of a repository, archive or image that is not what it must be.
    #[error("{}: {problem}", .path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, where in it, and what was expected.
        problem: String,
    },
    /// A package that an origin does not have.
    #[error("{} has no package {fmri}", .path.display())]
    NoPackage {
        /// The origin.
        path: PathBuf,
        /// What was asked for.
        fmri: Box<Fmri>,
    },
    /// A payload that an origin does not have.
    #[error("{}: the payload {hash} is missing", .path.display())]
    NoPayload {
        /// Where it would be.
        path: PathBuf,
        /// Its name: the SHA-1 of the uncompressed bytes.
        hash: String,
    },
    /// An origin elsewhere did not do what it was asked.
    #[error("{location}")]
    Origin {
        /// Where it is.
        location: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Things that no origin has, or that cannot be fetched.
    #[error("{}", missing(.0))]
    Missing(Vec<Missing>),
    /// An image of a format that is not read here.
    #[error(
        "{}: image format {version:?} is not known, only 4 and 5 are; install its packages with \
         the template steps", .path.display()
    )]
    ImageFormat {
        /// The image's settings.
        path: PathBuf,
        /// The format it names.
        version: String,
    },
    /// A path of a package that a root does not have as the package says, or that cannot be
    /// installed.
    #[error("{path} (package {package}): {problem}")]
    Packaged {
        /// The path, or what else the action delivers.
        path: String,
        /// The package.
        package: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// Paths of a root that no package delivers.
    #[error(
        "{}: {} not delivered by any package: {}{}; package them, remove them, or accept \
         unpackaged paths",
        .root.display(),
        if .paths.len() == 1 { "1 path is".to_owned() } else { format!("{} paths are", .paths.len()) },
        .paths.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", "),
        if .paths.len() > 10 { ", ..." } else { "" }
    )]
    Unpackaged {
        /// The root.
        root: PathBuf,
        /// All of them, sorted.
        paths: Vec<proto::ProtoPath>,
    },
    /// Two packages that contradict each other.
    #[error("{path} {problem}: {first} and {second} cannot be installed together")]
    Conflict {
        /// The path, or what else both deliver.
        path: String,
        /// One package.
        first: String,
        /// The other, which may be the same.
        second: String,
        /// How they contradict each other.
        problem: String,
    },
    /// A package named by a request that cannot be told.
    #[error("package `{pattern}` {problem}")]
    Pattern {
        /// What was asked for.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A request that no set of packages satisfies.
    #[error(
        "no version of {package} fits:{}{}",
        .reasons.iter().map(|reason| format!("\n  {reason}")).collect::<String>(),
        if .known.is_empty() { String::new() }
        else { format!("\n  known versions of {package}: {}", .known.join(", ")) }
    )]
    Unsolvable {
        /// The package of which no version fits.
        package: String,
        /// Who asks for what.
        reasons: Vec<String>,
        /// The versions there are, newest first.
        known: Vec<String>,
    },
    /// A proto root refused something.
    #[error(transparent)]
    Proto(#[from] proto::Error),
}

/// Something that is needed and cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Which package it is of.
    pub package: String,
    /// The path that it is for; none for the manifest of the package.
    pub path: Option<String>,
    /// Its digest, or what else names it.
    pub hash: String,
    /// Why it cannot be had.
    pub problem: String,
}

/// More lines than this are counted, not shown.
const SHOWN: usize = 50;

fn missing(all: &[Missing]) -> String {
    let manifests = all.iter().filter(|one| one.path.is_none()).count();
    let count = |number: usize, thing: &str| match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    };
    let verb = if all.len() == 1 { "is" } else { "are" };
    let mut text = match (manifests, all.len() - manifests) {
        (0, payloads) => count(payloads, "payload"),
        (manifests, 0) => count(manifests, "manifest"),
        (manifests, payloads) => {
            format!("{} and {}", count(manifests, "manifest"), count(payloads, "payload"))
        }
    };
    text += &format!(" {verb} missing:");
    for one in all.iter().take(SHOWN) {
        let path = one.path.as_deref().unwrap_or("(manifest)");
        text += &format!("\n  {} {path} of {}", one.hash, one.package);
    }
    if all.len() > SHOWN {
        text += &format!("\n  and {} more", all.len() - SHOWN);
    }
    if let Some(first) = all.first() {
        text += &format!("\n  the first because {}", first.problem);
    }
    text
}

impl Error {
    /// Puts a verb and a path on an I/O error: `.map_err(Error::io("read", path))`.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// A damaged file: `Error::damaged(path, "what is wrong")`.
    pub fn damaged(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.as_ref().to_owned(), problem: problem.into() }
    }
}
