//! Who signs, under which root, for how long.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tough::schema::Targets;

use crate::metadata::{self, Files, Roots, Written};
use crate::verify::{Opened, check_roots};
use crate::{Error, Key};

/// The root that a repository which is there is signed under again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SigningRoot {
    /// The one that it has, so that whoever trusts it accepts the result. Where it expires too soon
    /// and the keys may sign for it, a next version with the new expiry is added.
    #[default]
    Own,
    /// A new one, made of the keys.
    New,
    /// Given files, `1.root.json` to the last, which are taken over byte for byte.
    Given(Vec<PathBuf>),
}

/// Says beforehand whether keys can sign under roots, or, without roots, under one made of them.
///
/// # Errors
///
/// When the roots are no chain from version 1, or the keys are not enough for all roles.
pub fn check_signers(keys: &[Key], roots: &[PathBuf]) -> Result<(), Error> {
    let path = roots.last().cloned().unwrap_or_default();
    let signing =
        Signing { keys: Keys::Given(keys), roots: None, consistent: false, renew: false, path };
    match roots {
        [] => signing.check_at(Timestamp::MIN),
        roots => Signing { roots: Some(check_roots(roots)?), ..signing }.check_at(Timestamp::MIN),
    }
}

/// From when until when metadata is good, and its version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) build_time: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) version: NonZeroU64,
}

impl Lease {
    /// From a time for some days; the version is the time in seconds.
    pub(crate) fn new(build_time: Timestamp, days: u32) -> Result<Self, Error> {
        let (expires, version) = metadata::expiry(build_time, days)?;
        Ok(Self { build_time, expires, version })
    }

    /// The same with a version that is higher than one that was there.
    pub(crate) fn after(self, version: u64) -> Result<Self, String> {
        let next = version
            .checked_add(1)
            .and_then(NonZeroU64::new)
            .ok_or_else(|| format!("no version comes after its version {version}"))?;
        Ok(Self { version: self.version.max(next), ..self })
    }
}

/// Keys and the root they sign under.
#[derive(Debug)]
pub(crate) struct Signing<'a> {
    keys: Keys<'a>,
    /// None for a root that is made of the keys.
    roots: Option<Roots>,
    /// Whether a root that is made asks for consistent snapshots.
    consistent: bool,
    /// Whether a next version of the root may be added.
    renew: bool,
    /// The repository, for messages.
    path: PathBuf,
}

#[derive(Debug)]
enum Keys<'a> {
    Given(&'a [Key]),
    Throwaway([Key; 1]),
}

impl<'a> Signing<'a> {
    /// For a new repository: under the given roots, or under one made of the keys, or of a
    /// throwaway key if there are none.
    pub(crate) fn given(keys: &'a [Key], roots: &[PathBuf], path: &Path) -> Result<Self, Error> {
        if roots.is_empty() {
            return Self::new(keys, path);
        }
        let roots = Some(check_roots(roots)?);
        let path = path.to_owned();
        Ok(Self { keys: Keys::Given(keys), roots, consistent: false, renew: false, path })
    }

    /// For a repository that is there.
    pub(crate) fn again(
        keys: &'a [Key],
        root: &SigningRoot,
        opened: &Opened,
        path: &Path,
    ) -> Result<Self, Error> {
        match root {
            SigningRoot::New => Self::new(keys, path),
            SigningRoot::Given(roots) => Self::given(keys, roots, path),
            SigningRoot::Own => {
                let roots = Some(own_roots(opened, path)?);
                let path = path.to_owned();
                Ok(Self { keys: Keys::Given(keys), roots, consistent: false, renew: true, path })
            }
        }
    }

    fn new(keys: &'a [Key], path: &Path) -> Result<Self, Error> {
        let keys = match keys {
            [] => Keys::Throwaway([Key::throwaway()?]),
            keys => Keys::Given(keys),
        };
        Ok(Self { keys, roots: None, consistent: false, renew: false, path: path.to_owned() })
    }

    /// The keys that sign.
    pub(crate) fn keys(&self) -> &[Key] {
        match &self.keys {
            Keys::Given(keys) => keys,
            Keys::Throwaway(key) => key,
        }
    }

    /// Whether files are named by version and hash.
    pub(crate) fn consistent(&self) -> bool {
        self.roots.as_ref().map_or(self.consistent, Roots::consistent)
    }

    /// The same, and a root that is made asks for consistent snapshots.
    pub(crate) fn consistent_if_new(self) -> Self {
        Self { consistent: true, ..self }
    }

    /// Says beforehand whether the keys are enough.
    pub(crate) fn check(&self, lease: Lease) -> Result<(), Error> {
        self.check_at(lease.build_time)
    }

    fn check_at(&self, time: Timestamp) -> Result<(), Error> {
        let Some(roots) = &self.roots else {
            // A key that is given twice is seen here.
            return metadata::key_ids(self.keys()).map(drop);
        };
        let problem = match self.keys() {
            [] => Err("no key was given".to_owned()),
            keys => roots.check(keys, time, self.renew)?,
        };
        problem.map_err(|problem| Error::Unsigned { path: self.path.clone(), problem })
    }

    /// Signs all roles.
    pub(crate) fn sign(&self, targets: Targets, lease: Lease) -> Result<Written, Error> {
        let Lease { expires, version, .. } = lease;
        match &self.roots {
            None => metadata::write(self.keys(), targets, expires, version, self.consistent),
            Some(roots) => {
                metadata::write_under(self.keys(), roots, self.renew, targets, expires, version)
            }
        }
    }
}

/// The roots of a repository as they are.
fn own_roots(opened: &Opened, path: &Path) -> Result<Roots, Error> {
    let mut files = Files::new();
    let mut last = String::new();
    for version in 1..=opened.root_version {
        let name = format!("{version}.root.json");
        let entry = opened.archive.entries().get(&format!("repo/metadata/{name}"));
        let mut text = Vec::new();
        if let Some(entry) = entry {
            opened
                .archive
                .stream(entry, |chunk| text.extend_from_slice(chunk))
                .map_err(Error::io("read", path))?
                .map_err(|problem| Error::Unsigned {
                    path: path.to_owned(),
                    problem: format!("{name}: {problem}"),
                })?;
        }
        files.insert(name.clone(), text);
        last = name;
    }
    Roots::new(files, &last)
}
