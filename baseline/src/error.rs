//! Errors of this crate.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use proto::ProtoPath;

/// Why there is no baseline.
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
    /// The proto root could not be read.
    #[error(transparent)]
    Proto(#[from] proto::Error),
    /// The proto's packages could not be read, or the zone's could not be installed.
    #[error(transparent)]
    Packages(#[from] ips::Error),
    /// The archive could not be written or read.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),
    /// There is nothing that says which packages the proto is made of.
    #[error(
        "the proto has no package metadata ({missing} is missing); a baseline is made from the \
         manifests that pkg(7) keeps in an installed image"
    )]
    NoPackageMetadata {
        /// The file that should be there.
        missing: &'static str,
    },
    /// Not exactly one package holds the versions of the operating system together.
    #[error(
        "{} in the proto, and exactly one is needed to say which release this is",
        incorporations(.found)
    )]
    Incorporation {
        /// Those that are there.
        found: Vec<String>,
    },
    /// Development mode needs the package that stands for the whole system.
    #[error("package {package} is not installed; give the image to be examined with -R")]
    NotInstalled {
        /// The package.
        package: &'static str,
    },
    /// A package of the zone needs one that zones cannot have.
    #[error("{package} requires {needed}, which is for global zones only")]
    GlobalOnly {
        /// The package of the zone.
        package: String,
        /// What it needs.
        needed: String,
    },
    /// Paths of the proto are not what its packages say.
    #[error("the proto is not what its packages say:{}", lines(.problems))]
    Mismatch {
        /// Each path.
        problems: Vec<Mismatch>,
    },
    /// Files of the zone have the right name in the proto and other bytes than packaged.
    #[error("packaged files were changed, and --strict is given:{}", lines(.files))]
    Modified {
        /// Each file.
        files: Vec<PackagedPath>,
    },
    /// Files that only non-global zones get cannot be had.
    #[error(
        "the proto does not have these files, for only non-global zones get them, and no origin \
         has them:{}\ngive the repository or package archive they are in with --origin, or leave \
         them out with --allow-missing",
        lines(.files)
    )]
    MissingPayloads {
        /// Each file.
        files: Vec<PackagedPath>,
    },
    /// The zone has no packaged service repository to copy.
    #[error(
        "the zone has no {path}, of which its service repository would be a copy; choose another \
         seed with --smf-seed none or --smf-seed FILE"
    )]
    NoSeed {
        /// Its path.
        path: &'static str,
    },
    /// The account files do not have what the baseline needs.
    #[error("{path}{}: {problem}", .line.map(|l| format!(":{l}")).unwrap_or_default())]
    Accounts {
        /// The path in the zone.
        path: &'static str,
        /// The line, from 1, if one is to blame.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// A time outside of what archives and packages can hold.
    #[error("{seconds} seconds after 1970 is no time that packages can name; check the epoch")]
    Epoch {
        /// The time.
        seconds: i64,
    },
    /// A time of the proto cannot be written in an archive.
    #[error("{path}: timestamp={text} of {package} is not a time of the form YYYYMMDDThhmmssZ")]
    Timestamp {
        /// The path.
        path: ProtoPath,
        /// The package.
        package: String,
        /// The text.
        text: String,
    },
    /// An archive that is no sealed baseline.
    #[error("{}: {problem}", .path.display())]
    NotSealed {
        /// The archive.
        path: PathBuf,
        /// What it lacks.
        problem: String,
    },
}

/// A path and the package that delivers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackagedPath {
    /// The path.
    pub path: String,
    /// The package.
    pub package: String,
}

/// A path of the proto that is not what a package says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mismatch {
    /// The path and the package.
    pub at: PackagedPath,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for PackagedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of package {}", self.path, self.package)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

impl Error {
    /// Puts a verb and a path on an I/O error: `.map_err(Error::io("read", path))`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// At most this many lines of a list are printed.
const SHOWN: usize = 20;

fn lines<T: fmt::Display>(items: &[T]) -> String {
    let mut text: String = items.iter().take(SHOWN).map(|item| format!("\n  {item}")).collect();
    if items.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", items.len() - SHOWN));
    }
    text
}

fn incorporations(found: &[String]) -> String {
    match found {
        [] => "no package consolidation/osnet/osnet-incorporation is".to_owned(),
        found => format!("the packages {} are", found.join(" and ")),
    }
}
