//! What a run is given and what it answers.

use std::path::{Path, PathBuf};

use ips::{Fmri, Origin};
use oxide_archive::Written;
use proto::Proto;

use crate::error::PackagedPath;

/// What a baseline is made from, and how.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The proto root of the global zone, with its package metadata.
    pub proto: &'a Proto,
    /// Where payloads come from that the proto does not have, in order of preference.
    pub origins: &'a [&'a dyn Origin],
    /// The directory that gets [`ARCHIVE`](crate::ARCHIVE) and [`GZONLY`](crate::GZONLY). It is
    /// made if it is not there.
    pub output: &'a Path,
    /// Which packages the zone gets.
    pub packages: Selection,
    /// What becomes the zone's `etc/svc/repository.db`.
    pub seed: &'a Seed,
    /// Whether a packaged file with other bytes than its manifest says is an error.
    pub strict: bool,
    /// Whether files that cannot be had are left out.
    pub allow_missing: bool,
    /// The time of everything whose package names none, in seconds since the epoch. None means
    /// when the newest of the zone's packages was published, so that nothing but the proto
    /// decides.
    pub epoch: Option<i64>,
}

/// Which packages the zone gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// All of the proto's but `entire`, and those for global zones only: what a zone of a
    /// ramdisk image gets.
    #[default]
    Installed,
    /// `entire`, the ssh and time servers if they are installed, and what they need: what a zone of
    /// a development system gets. Packages that are not installed come from the origins, `entire`
    /// among them.
    Development,
}

/// What becomes the zone's service repository. Nothing here can import manifests, so none of
/// these holds more than was put in on illumos; the rest is imported when the zone boots first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seed {
    /// A copy of the packaged seed for non-global zones.
    #[default]
    Nonglobal,
    /// There is none: everything is imported at the first boot.
    None,
    /// A file that svccfg made elsewhere.
    File(PathBuf),
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `files.tar.gz`.
    pub archive: Written,
    /// `gzonly.txt`.
    pub gzonly: Written,
    /// The packages of the zone, the incorporation first.
    pub packages: Vec<Fmri>,
    /// Packages of the proto that zones do not get.
    pub global_only: Vec<Fmri>,
    /// How many paths are in the archive.
    pub entries: usize,
    /// How many paths are in `gzonly.txt`.
    pub gzonly_paths: usize,
    /// The digest that seals the archive.
    pub seal: proto::Digest,
    /// What was not as it should be.
    pub warnings: Vec<Warning>,
}

/// What was not as it should be, but not in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The proto's file has other bytes than packaged; an origin had the right ones.
    #[error("{0}: the proto's file was changed; the packaged one is taken from an origin")]
    Modified(PackagedPath),
    /// The proto's file has other bytes than packaged, and there is no other.
    #[error("{0}: the proto's file was changed, and as no origin has it, is taken as it is")]
    ModifiedTaken(PackagedPath),
    /// A file only non-global zones get was left out.
    #[error("{0}: left out, for neither the proto nor an origin has it")]
    LeftOut(PackagedPath),
}
