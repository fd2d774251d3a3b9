//! What is asked for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use fetch::Url;
use proto::Digest;
use semver::Version;

/// Which images to build, of what, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The package manifest.
    pub manifest: PathBuf,
    /// The source: where relative paths of the manifest begin.
    pub source: PathBuf,
    /// Where absolute paths of the manifest begin, if not at `/`: an illumos system's root.
    pub sysroot: Option<PathBuf>,
    /// A preset of the manifest, as the target.
    pub preset: Option<String>,
    /// Keys and values of the target, over those of the preset.
    pub target: Vec<(String, String)>,
    /// The packages to build; none for all that the target has and that are not only parts of
    /// others.
    pub names: Vec<String>,
    /// The version that images carry. Without one it is 0.0.0, and what is prebuilt stays as it
    /// is.
    pub version: Option<Version>,
    /// Programs written in Rust.
    pub programs: Programs,
    /// Directories with prebuilt archives and blobs, by file name.
    pub directories: Vec<PathBuf>,
    /// Where prebuilt archives are published.
    pub artifacts: Url,
    /// Where blobs without a commit are published.
    pub blobs: Url,
    /// Digests over those of the manifest: of prebuilt packages by their name, and of blobs without
    /// a commit, which the manifest does not pin, by theirs.
    pub pins: BTreeMap<String, Digest>,
    /// The directory of omicron's files `NAME_version` and `NAME_checksums`.
    pub tools: PathBuf,
    /// The directory that images are written to.
    pub out: PathBuf,
    /// The time of everything in the images, seconds since 1970.
    pub mtime: i64,
    /// Least time for compression instead of least space.
    pub fast: bool,
}

/// Where programs written in Rust come from.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Cargo's target directory.
    pub directory: PathBuf,
    /// The target triple they are built for; none for that of the machine.
    pub triple: Option<String>,
    /// The cargo that builds them first; none to take what is there.
    pub cargo: Option<OsString>,
}

impl Programs {
    /// Where a program is when it is built.
    pub(crate) fn path(&self, name: &str, release: bool) -> PathBuf {
        let mut path = self.directory.clone();
        path.extend(&self.triple);
        path.push(if release { "release" } else { "debug" });
        path.push(name);
        path
    }
}
