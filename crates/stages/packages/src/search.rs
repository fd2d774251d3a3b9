//! Who delivers a thing.

use ips::{Action, ActionKind, Error, Packages};
use serde::Serialize;

use crate::contents::glob;

/// An action that has what was searched for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hit {
    /// Which of its values matched: the name of the attribute, or `basename`.
    pub index: String,
    /// The kind of action.
    pub action: String,
    /// What it delivers, or for `set` the value that matched.
    pub value: String,
    /// The package.
    pub package: String,
}

/// Searches packages for shell patterns, any of which may match: paths (with or without `/` at the
/// front), the last component of paths, payload hashes, the targets of links, names of packages and
/// whole words of what `set` actions say, aliases and names of drivers, users, groups and
/// dependencies. Of an image, only actions that it takes are looked at. Letters are compared
/// without case except in paths and hashes.
pub fn search(packages: &Packages, patterns: &[String]) -> Result<Vec<Hit>, Error> {
    let mut globs = Vec::new();
    for pattern in patterns {
        let lower = glob(&pattern.to_lowercase())?;
        globs.push((glob(pattern.strip_prefix('/').unwrap_or(pattern))?, lower));
    }
    let exact = |value: &str| globs.iter().any(|(glob, _)| glob.is_match(value));
    let loose = |value: &str| {
        let value = value.to_lowercase();
        globs.iter().any(|(_, glob)| glob.is_match(&value))
    };
    let mut hits = Vec::new();
    let all = packages.fmris();
    packages.prefetch(&all);
    for fmri in all {
        let manifest = packages.manifest(fmri)?;
        let mut short = fmri.without_publisher();
        if let Some(version) = &mut short.version {
            version.timestamp = None;
        }
        let package = short.short();
        for action in manifest.actions() {
            if packages.image().is_some_and(|image| !image.allows(action)) {
                continue;
            }
            for (index, value) in found(action, &exact, &loose) {
                let action = action.kind.name().to_owned();
                hits.push(Hit { index, action, value, package: package.clone() });
            }
        }
    }
    hits.dedup();
    Ok(hits)
}

fn found(
    action: &Action,
    exact: &dyn Fn(&str) -> bool,
    loose: &dyn Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let shown = action.key().unwrap_or_default().to_owned();
    let mut hit = |index: &str, value: &str| found.push((index.to_owned(), value.to_owned()));
    let list = |key: &str| action.attributes.list(key).to_vec();
    if let Some(path) = action.path() {
        if exact(path) {
            hit("path", path);
        }
        if let Some((_, name)) = path.rsplit_once('/')
            && exact(name)
        {
            hit("basename", path);
        }
    }
    if action.payload.as_deref().is_some_and(exact) {
        hit("hash", &shown);
    }
    match action.kind {
        ActionKind::Set => {
            let name = action.get("name").unwrap_or_default();
            for value in list("value") {
                let matches = if name == "pkg.fmri" {
                    ips::Fmri::parse(&value)
                        .is_ok_and(|fmri| loose(&fmri.stem) || fmri.stem.split('/').any(loose))
                } else {
                    loose(&value) || value.split(|c: char| !is_word(c)).any(loose)
                };
                if matches {
                    hit(name, &value);
                }
            }
        }
        ActionKind::Depend => {
            for value in list("fmri") {
                let stem = ips::Fmri::parse(&value).map(|fmri| fmri.stem).unwrap_or_default();
                if loose(&value) || loose(&stem) {
                    hit(action.get("type").unwrap_or("depend"), &value);
                }
            }
        }
        ActionKind::Link | ActionKind::Hardlink if action.get("target").is_some_and(exact) => {
            hit("target", &shown);
        }
        ActionKind::Driver => {
            for key in ["name", "alias"] {
                for value in list(key).iter().filter(|value| loose(value)) {
                    hit(key, value);
                }
            }
        }
        ActionKind::User | ActionKind::Group | ActionKind::License | ActionKind::Legacy
            if loose(&shown) =>
        {
            hit(action.kind.key_attribute(), &shown);
        }
        _ => {}
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "-_.+".contains(character)
}
