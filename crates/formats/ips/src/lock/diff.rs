//! What changed between two locks, in words.

use std::collections::BTreeMap;
use std::fmt;

use super::{Lock, LockedPackage};
use crate::Version;

/// How a package differs between two locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is there no longer.
    Removed,
    /// It is newer.
    Upgraded,
    /// It is older.
    Downgraded,
    /// It comes from another publisher.
    Moved,
    /// The same version of the same publisher has another manifest.
    Republished,
    /// The same package comes from another origin.
    Fetched,
}

impl ChangeKind {
    /// One word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Moved => "moved-publisher",
            Self::Republished => "changed-manifest",
            Self::Fetched => "other-origin",
        }
    }
}

/// One package that differs between two locks. Prints as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How it differs.
    pub kind: ChangeKind,
    /// The package in the first lock; none if it was added.
    pub before: Option<LockedPackage>,
    /// The package in the second lock; none if it was removed.
    pub after: Option<LockedPackage>,
}

impl Change {
    /// The name of the package.
    pub fn stem(&self) -> &str {
        let either = self.after.as_ref().or(self.before.as_ref());
        either.map_or("", |package| &package.fmri.stem)
    }
}

/// What is different in `after`, by package name.
pub fn diff(before: &Lock, after: &Lock) -> Vec<Change> {
    type Versions<'a> = (Vec<&'a LockedPackage>, Vec<&'a LockedPackage>);
    let mut stems: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for package in &before.packages {
        stems.entry(&package.fmri.stem).or_default().0.push(package);
    }
    for package in &after.packages {
        stems.entry(&package.fmri.stem).or_default().1.push(package);
    }
    let mut changes = Vec::new();
    for (mut old, mut new) in stems.into_values() {
        // Where a build takes several versions of a package, those that stay are no change.
        old.retain(|package| {
            let Some(at) = new.iter().position(|other| other.fmri == package.fmri) else {
                return true;
            };
            let same = new.remove(at);
            let kind = if same.digest != package.digest {
                ChangeKind::Republished
            } else if same.origin != package.origin {
                ChangeKind::Fetched
            } else {
                return false;
            };
            changes.push(change(kind, Some(package), Some(same)));
            false
        });
        let pairs = old.len().min(new.len());
        for (package, other) in old.drain(..pairs).zip(new.drain(..pairs)) {
            let kind = if package.fmri.publisher != other.fmri.publisher {
                ChangeKind::Moved
            } else if package.fmri.version < other.fmri.version {
                ChangeKind::Upgraded
            } else {
                ChangeKind::Downgraded
            };
            changes.push(change(kind, Some(package), Some(other)));
        }
        changes.extend(old.into_iter().map(|p| change(ChangeKind::Removed, Some(p), None)));
        changes.extend(new.into_iter().map(|p| change(ChangeKind::Added, None, Some(p))));
    }
    changes
}

fn change(
    kind: ChangeKind,
    before: Option<&LockedPackage>,
    after: Option<&LockedPackage>,
) -> Change {
    Change { kind, before: before.cloned(), after: after.cloned() }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stem = self.stem();
        let version = |package: &Option<LockedPackage>| {
            let version = package.as_ref().and_then(|package| package.fmri.version.as_ref());
            version.map(Version::short).unwrap_or_default()
        };
        let publisher = |package: &Option<LockedPackage>| {
            package.as_ref().and_then(|p| p.fmri.publisher.clone()).unwrap_or_default()
        };
        let origin = |package: &Option<LockedPackage>| {
            package.as_ref().map(|package| package.origin.clone()).unwrap_or_default()
        };
        let Self { kind, before, after } = self;
        let (old, new) = (version(before), version(after));
        match kind {
            ChangeKind::Added => write!(out, "added {stem} {new} from {}", publisher(after)),
            ChangeKind::Removed => write!(out, "removed {stem} {old} from {}", publisher(before)),
            ChangeKind::Upgraded => write!(out, "upgraded {stem} from {old} to {new}"),
            ChangeKind::Downgraded => write!(out, "downgraded {stem} from {old} to {new}"),
            ChangeKind::Moved => {
                let (from, to) = (publisher(before), publisher(after));
                write!(out, "moved {stem} from publisher {from} to {to}")?;
                match old == new {
                    true => write!(out, ", still {new}"),
                    false => write!(out, ", from {old} to {new}"),
                }
            }
            ChangeKind::Republished => {
                write!(out, "changed the manifest of {stem} {new}: published again under the ")?;
                write!(out, "same version")
            }
            ChangeKind::Fetched => {
                let (from, to) = (origin(before), origin(after));
                write!(out, "took {stem} {new} from {to} instead of {from}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::Digest;

    use super::super::LockOrigin;
    use super::*;
    use crate::Fmri;

    fn lock(packages: &[(&str, u8)]) -> Lock {
        let publishers = vec!["main".to_owned(), "extra".to_owned()];
        let origins = ["repo", "other"].map(|location| LockOrigin {
            location: location.to_owned(),
            publishers: publishers.clone(),
        });
        let package = |(text, digest): &(&str, u8)| {
            let (name, origin) = text.split_once(' ').unwrap_or((text, "repo"));
            LockedPackage {
                fmri: Fmri::parse(&format!("pkg://{name}:20260102T030405Z")).unwrap(),
                digest: Digest([*digest; 32]),
                origin: origin.to_owned(),
            }
        };
        Lock::new(origins.to_vec(), packages.iter().map(package).collect()).unwrap()
    }

    fn words(before: &[(&str, u8)], after: &[(&str, u8)]) -> Vec<String> {
        let changes = diff(&lock(before), &lock(after));
        changes.iter().map(|change| change.to_string().replace(":20260102T030405Z", "")).collect()
    }

    #[test]
    fn in_words() {
        let before = [
            ("main/a@1", 0),
            ("main/b@1.2", 0),
            ("main/c@2", 0),
            ("main/d@1", 0),
            ("main/e@1", 0),
            ("main/f@1", 0),
            ("main/g@1", 0),
            ("main/same@1", 0),
        ];
        let after = [
            ("main/b@1.10", 0),
            ("main/c@1", 0),
            ("extra/d@1", 0),
            ("extra/e@2", 0),
            ("main/f@1", 9),
            ("main/g@1 other", 0),
            ("main/new@3", 0),
            ("main/same@1", 0),
        ];
        assert_eq!(
            words(&before, &after),
            [
                "removed a 1 from main",
                "upgraded b from 1.2 to 1.10",
                "downgraded c from 2 to 1",
                "moved d from publisher main to extra, still 1",
                "moved e from publisher main to extra, from 1 to 2",
                "changed the manifest of f 1: published again under the same version",
                "took g 1 from other instead of repo",
                "added new 3 from main",
            ]
        );
        assert_eq!(words(&before, &before), [] as [&str; 0]);
    }

    #[test]
    fn several_versions_of_one_package() {
        let before = [("main/a@1", 0), ("main/a@2", 0)];
        assert_eq!(words(&before, &[("main/a@2", 0)]), ["removed a 1 from main"]);
        let after = [("main/a@2", 0), ("main/a@3", 0)];
        assert_eq!(words(&before, &after), ["upgraded a from 1 to 3"]);
    }
}
