//! In what two sets of packages differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ips::{Action, ActionKind, Error, Fmri, Manifest, Packages};
use serde::Serialize;

/// The difference between two sets of packages. Of several versions of a package, the newest
/// counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Packages that only the second has.
    pub added: Vec<String>,
    /// Packages that only the first has.
    pub removed: Vec<String>,
    /// Packages that both have, with other versions or actions.
    pub changed: Vec<PackageChange>,
}

/// A package that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its stem.
    pub name: String,
    /// Its publisher and version in the first.
    pub old: String,
    /// Its publisher and version in the second.
    pub new: String,
    /// The actions that changed. Those that only name the package are not among them.
    pub actions: Vec<ActionChange>,
}

/// An action that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ActionChange {
    /// What it delivers, e.g. `file usr/bin/vi`.
    pub what: String,
    /// In words; `added` and `removed` for one that only one side has.
    pub changes: Vec<String>,
}

impl Diff {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Attributes that follow from the payload.
const OF_PAYLOAD: [&str; 8] = [
    "chash",
    "elfarch",
    "elfbits",
    "elfhash",
    "pkg.content-hash",
    "pkg.csize",
    "pkg.size",
    "pkg.hash.sha256",
];

/// Compares two sets of packages, or those of them that patterns name (one of them must have some).
pub fn diff(old: &Packages, new: &Packages, patterns: &[String]) -> Result<Diff, Error> {
    let (old_packages, new_packages) = match (newest(old, patterns), newest(new, patterns)) {
        // What one side does not have at all was added or removed.
        (Err(Error::Pattern { .. }), Ok(right)) => (BTreeMap::new(), right),
        (Ok(left), Err(Error::Pattern { .. })) => (left, BTreeMap::new()),
        (left, right) => (left?, right?),
    };
    let mut diff = Diff::default();
    let stems: BTreeSet<&String> = old_packages.keys().chain(new_packages.keys()).collect();
    let both =
        |stem: &&&String| old_packages.contains_key(**stem) && new_packages.contains_key(**stem);
    let common: Vec<&&String> = stems.iter().filter(both).collect();
    for (packages, fmris) in [(old, &old_packages), (new, &new_packages)] {
        let fmris: Vec<&Fmri> = common.iter().filter_map(|stem| fmris.get(**stem)).collect();
        packages.prefetch(&fmris);
    }
    for stem in stems {
        match (old_packages.get(stem), new_packages.get(stem)) {
            (Some(left), Some(right)) => {
                let actions = actions(&*old.manifest(left)?, &*new.manifest(right)?);
                if left != right || !actions.is_empty() {
                    diff.changed.push(PackageChange {
                        name: stem.clone(),
                        old: version(left, right),
                        new: version(right, left),
                        actions,
                    });
                }
            }
            (Some(left), None) => diff.removed.push(left.short()),
            (None, Some(right)) => diff.added.push(right.short()),
            (None, None) => {}
        }
    }
    Ok(diff)
}

/// The newest version of each package, by stem.
fn newest(packages: &Packages, patterns: &[String]) -> Result<BTreeMap<String, Fmri>, Error> {
    let mut newest: BTreeMap<String, Fmri> = BTreeMap::new();
    for fmri in packages.select(patterns)? {
        let there = newest.get(&fmri.stem);
        if there.is_none_or(|there| there.version <= fmri.version) {
            newest.insert(fmri.stem.clone(), fmri.clone());
        }
    }
    Ok(newest)
}

/// The version; with the publisher where the other has another.
fn version(fmri: &Fmri, other: &Fmri) -> String {
    let version = fmri.version.as_ref().map(ips::Version::short).unwrap_or_default();
    match &fmri.publisher {
        Some(publisher) if fmri.publisher != other.publisher => format!("{version} ({publisher})"),
        _ => version,
    }
}

type Key = (ActionKind, String, Vec<String>);

/// What tells an action from the others of its package: kind, key, variants.
fn key(action: &Action) -> Key {
    let mut name = action.attributes.list(action.kind.key_attribute()).join(" ");
    if action.kind == ActionKind::Depend {
        let stems: Vec<String> = action
            .attributes
            .list("fmri")
            .iter()
            .map(|text| Fmri::parse(text).map_or_else(|_| text.clone(), |fmri| fmri.stem))
            .collect();
        name = format!("{} {}", action.get("type").unwrap_or_default(), stems.join(" "));
    }
    let variants = action
        .attributes
        .with_prefix("variant.")
        .map(|(key, values)| format!("{key}={}", values.join(",")))
        .collect();
    (action.kind, name, variants)
}

fn actions(old: &Manifest, new: &Manifest) -> Vec<ActionChange> {
    let index = |manifest: &Manifest| {
        let mut index: BTreeMap<Key, Vec<Action>> = BTreeMap::new();
        for action in manifest.actions() {
            if action.kind == ActionKind::Set && action.get("name") == Some("pkg.fmri") {
                continue;
            }
            index.entry(key(action)).or_default().push(action.clone());
        }
        index
    };
    let (old, new) = (index(old), index(new));
    let mut changes = Vec::new();
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let what = |key: &Key| {
            let variants =
                if key.2.is_empty() { String::new() } else { format!(" ({})", key.2.join(" ")) };
            format!("{} {}{variants}", key.0, key.1)
        };
        let none = Vec::new();
        let (left, right) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        let shared = left.len().min(right.len());
        for (left, right) in left.iter().zip(right) {
            let words = change(left, right);
            if !words.is_empty() {
                changes.push(ActionChange { what: what(key), changes: words });
            }
        }
        for (rest, word) in [(&left[shared..], "removed"), (&right[shared..], "added")] {
            for _ in rest {
                changes.push(ActionChange { what: what(key), changes: vec![word.to_owned()] });
            }
        }
    }
    changes
}

/// How an action changed, in words.
fn change(old: &Action, new: &Action) -> Vec<String> {
    let mut words = Vec::new();
    if old.payload != new.payload {
        let size = |action: &Action| action.get("pkg.size").unwrap_or("?").to_owned();
        words.push(format!("content changed ({} to {} bytes)", size(old), size(new)));
    }
    let keys: BTreeSet<&str> =
        old.attributes.iter().chain(new.attributes.iter()).map(|(key, _)| key).collect();
    for key in keys {
        if old.kind.has_payload() && OF_PAYLOAD.contains(&key) {
            continue;
        }
        let (left, right) = (old.attributes.list(key), new.attributes.list(key));
        if left == right {
            continue;
        }
        words.push(match (left, right) {
            ([], _) => format!("{key} {} added", right.join(", ")),
            (_, []) => format!("{key} {} removed", left.join(", ")),
            _ => format!("{key} {} became {}", left.join(", "), right.join(", ")),
        });
    }
    words
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fmri in &self.removed {
            writeln!(f, "- {fmri}")?;
        }
        for fmri in &self.added {
            writeln!(f, "+ {fmri}")?;
        }
        for package in &self.changed {
            if package.old == package.new {
                writeln!(f, "~ {} {}", package.name, package.old)?;
            } else {
                writeln!(f, "~ {} {} became {}", package.name, package.old, package.new)?;
            }
            for action in &package.actions {
                match &action.changes[..] {
                    [one] if one == "added" => writeln!(f, "    + {}", action.what)?,
                    [one] if one == "removed" => writeln!(f, "    - {}", action.what)?,
                    changes => writeln!(f, "    ~ {}: {}", action.what, changes.join("; "))?,
                }
            }
        }
        Ok(())
    }
}
