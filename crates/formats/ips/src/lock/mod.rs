//! Lock files: which packages a build takes, and from where.
//!
//! A [`Lock`] names every package with its version, its publisher, the SHA-256 of its manifest and
//! the origin that had it. As the manifest has the hashes of all payloads, a lock settles every
//! byte that packages put into an image. [`Lock::view`] shows an origin as the lock knows it.

mod diff;
mod incorporation;
mod text;
mod view;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use proto::Digest;

pub use diff::{Change, ChangeKind, diff};
pub use view::LockedOrigin;

use crate::atomic::write_atomically;
use crate::{Error, Fmri, Origin};

/// The packages of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Where packages come from, in search order.
    origins: Vec<LockOrigin>,
    /// By name, publisher and version.
    packages: Vec<LockedPackage>,
}

/// An origin that a lock names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOrigin {
    /// What it is called: a path or a URI, as the configuration has it.
    pub location: String,
    /// The publishers whose packages it has, whether locked or not, by name.
    pub publishers: Vec<String>,
}

/// A package that a lock names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name, with publisher and full version.
    pub fmri: Fmri,
    /// The SHA-256 of its manifest, as the origin gives it.
    pub digest: Digest,
    /// The [`LockOrigin::location`] that has it.
    pub origin: String,
}

impl Lock {
    /// A lock of packages; their order does not matter. What is wrong with them is said in a
    /// sentence: an unknown origin or publisher, a package named twice, a version without
    /// timestamp.
    pub fn new(origins: Vec<LockOrigin>, mut packages: Vec<LockedPackage>) -> Result<Self, String> {
        for (at, origin) in origins.iter().enumerate() {
            check_origin(origin, &origins[..at])?;
        }
        for package in &packages {
            check_package(package, &origins)?;
        }
        packages.sort_by(|a, b| key(&a.fmri).cmp(&key(&b.fmri)));
        for pair in packages.windows(2) {
            if pair[0].fmri == pair[1].fmri {
                return Err(format!("{} is named twice", pair[0].fmri));
            }
        }
        Ok(Self { origins, packages })
    }

    /// Reads a lock; `source` is only for messages, which name it and the line.
    pub fn parse(source: impl AsRef<Path>, text: &str) -> Result<Self, Error> {
        text::parse(source.as_ref(), text)
    }

    /// Reads a lock file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(path, &text)
    }

    /// Writes a lock file, which appears complete or not at all.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        write_atomically(path.as_ref(), self.to_string().as_bytes())
    }

    /// The origins, in search order.
    pub fn origins(&self) -> &[LockOrigin] {
        &self.origins
    }

    /// The packages, by name, publisher and version.
    pub fn packages(&self) -> &[LockedPackage] {
        &self.packages
    }

    /// The SHA-256 of the lock as it prints.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }

    /// An origin as this lock knows it: nothing but the locked packages that came from
    /// `location`, with the locked manifests.
    pub fn view(&self, location: &str, origin: Box<dyn Origin>) -> LockedOrigin {
        let ours = self.packages.iter().filter(|package| package.origin == location);
        LockedOrigin::new(origin, ours.map(|package| (package.fmri.clone(), package.digest)))
    }

    /// The same lock without some packages: those that may be chosen anew.
    pub fn without(&self, dropped: impl Fn(&LockedPackage) -> bool) -> Self {
        let kept = self.packages.iter().filter(|package| !dropped(package));
        Self { origins: self.origins.clone(), packages: kept.cloned().collect() }
    }

    /// The same lock without packages that are not in `used`.
    pub fn retain(&self, used: &BTreeSet<Fmri>) -> Self {
        self.without(|package| !used.contains(&package.fmri))
    }
}

/// The order of the packages in a lock.
fn key(fmri: &Fmri) -> (&str, &Fmri) {
    (&fmri.stem, fmri)
}

fn check_origin(origin: &LockOrigin, before: &[LockOrigin]) -> Result<(), String> {
    if origin.location.is_empty() {
        return Err("the location of an origin is empty".to_owned());
    }
    if before.iter().any(|other| other.location == origin.location) {
        return Err(format!("the origin `{}` is named twice", origin.location));
    }
    for (at, publisher) in origin.publishers.iter().enumerate() {
        crate::fmri::check_publisher(publisher)?;
        if origin.publishers[..at].contains(publisher) {
            return Err(format!(
                "the publisher `{publisher}` of the origin `{}` is named twice",
                origin.location
            ));
        }
    }
    Ok(())
}

fn check_package(package: &LockedPackage, origins: &[LockOrigin]) -> Result<(), String> {
    let LockedPackage { fmri, origin, .. } = package;
    if fmri.version.as_ref().is_none_or(|version| version.timestamp.is_none()) {
        return Err(format!("`{fmri}`: a full version with its timestamp was expected"));
    }
    let publisher = fmri.publisher.as_ref().ok_or_else(|| format!("`{fmri}` has no publisher"))?;
    let origin = origins.iter().find(|there| there.location == *origin).ok_or_else(|| {
        format!("`{}` comes from `{origin}`, which no [[origin]] names", fmri.stem)
    })?;
    if !origin.publishers.contains(publisher) {
        return Err(format!(
            "`{}` comes from publisher `{publisher}`, which the origin `{}` does not name",
            fmri.stem, origin.location
        ));
    }
    Ok(())
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::print(self, formatter)
    }
}
