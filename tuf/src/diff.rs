//! Compares two repositories: artifacts by their tags, archives and images file by file.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::Digest;
use serde::Serialize;

use self::files::{Files, files};
use crate::Error;
use crate::artifact::tags_text;
use crate::repository::{ListedTarget, Repository};

/// In what two repositories differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The system versions, if they differ: old and new.
    pub system_version: Option<[Option<String>; 2]>,
    /// The artifacts and further targets that differ, sorted by what they are.
    pub artifacts: Vec<ArtifactDifference>,
}

/// In what one artifact differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactDifference {
    /// What it is: its tags, or the target name of what has no unique tags.
    pub artifact: String,
    /// Whether it is in both repositories.
    pub change: Change,
    /// The old side.
    pub old: Option<Side>,
    /// The new side.
    pub new: Option<Side>,
    /// The files that differ, when both are archives or images of pools.
    pub files: Vec<FileDifference>,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The target name.
    pub target: String,
    /// The version of an artifact.
    pub version: Option<String>,
    /// The length in bytes.
    pub length: u64,
    /// The SHA-256.
    pub sha256: Digest,
}

/// One file inside an archive or image that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path in the archive; in an image behind the name of its dataset, in an archive or image
    /// within an archive behind the path of that.
    pub path: String,
    /// Whether it is on both sides.
    pub change: Change,
    /// What differs, in words: `contents`, `mode`, `owner`, `type`, `link`, `device`.
    pub what: Vec<&'static str>,
}

/// On which side something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only in the new repository.
    Added,
    /// Only in the old one.
    Removed,
    /// In both, and different.
    Changed,
}

impl Change {
    fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }

    fn of<T>(old: Option<&T>, new: Option<&T>) -> Self {
        match (old, new) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ => Self::Changed,
        }
    }
}

impl Difference {
    /// Whether the repositories hold the same.
    pub fn is_empty(&self) -> bool {
        self.system_version.is_none() && self.artifacts.is_empty()
    }
}

impl fmt::Display for Difference {
    /// One line per artifact, marked `+`, `-` or `~`, with the files that differ below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if let Some([old, new]) = &self.system_version {
            let text = |version: &Option<String>| version.clone().unwrap_or("none".to_owned());
            lines.push(format!("~ system version: {} -> {}", text(old), text(new)));
        }
        for artifact in &self.artifacts {
            let mut line = format!("{} {}", artifact.change.sign(), artifact.artifact);
            if let (Some(old), Some(new)) = (&artifact.old, &artifact.new) {
                if old.target != new.target {
                    line += &format!(", target {} -> {}", old.target, new.target);
                }
                let text = |side: &Side| side.version.clone().unwrap_or("none".to_owned());
                if old.version != new.version {
                    line += &format!(", version {} -> {}", text(old), text(new));
                }
                if old.sha256 != new.sha256 {
                    line += &format!(", {} -> {} bytes", old.length, new.length);
                }
            }
            lines.push(line);
            for file in &artifact.files {
                let what = file.what.join(", ");
                lines.push(format!("    {} {} {what}", file.change.sign(), file.path));
            }
        }
        f.write_str(&lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n"))
    }
}

/// Compares two repositories.
///
/// Artifacts are paired by their tags, so a new version under a new target name is a change and not
/// one artifact gone and another come; corpora and further targets are paired by name. Of pairs
/// with other contents that are tar archives on both sides, the members are compared by type, mode,
/// owner, link and contents; times are not. So are the files of pools in OS images, and of zones and
/// images that are members of archives, as repositories of format v1 have them. The documents that a
/// build makes of the rest are not compared.
///
/// # Errors
///
/// When a target that is looked into is not what was signed, is a damaged archive, or cannot be
/// read.
pub fn diff(old: &Repository, new: &Repository) -> Result<Difference, Error> {
    let (old_listing, new_listing) = (old.listing(), new.listing());
    let versions = [old_listing.system_version.clone(), new_listing.system_version.clone()];
    let system_version = (versions[0] != versions[1]).then_some(versions);
    let (before, after) = (by_name(&old_listing.targets), by_name(&new_listing.targets));
    let mut artifacts = Vec::new();
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (a, b) = (before.get(key).copied(), after.get(key).copied());
        let (old_side, new_side) = (a.map(side), b.map(side));
        if old_side == new_side {
            continue;
        }
        let files = match (a, b) {
            (Some(a), Some(b)) if a.sha256 != b.sha256 => {
                let (a, b) = rayon::join(|| files(old, &a.name), || files(new, &b.name));
                match (a?, b?) {
                    (Some(a), Some(b)) => compare(&a, &b),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        artifacts.push(ArtifactDifference {
            artifact: key.clone(),
            change: Change::of(a, b),
            old: old_side,
            new: new_side,
            files,
        });
    }
    Ok(Difference { system_version, artifacts })
}

/// The targets by what pairs them.
fn by_name(targets: &[ListedTarget]) -> BTreeMap<String, &ListedTarget> {
    let mut found = BTreeMap::new();
    for target in targets {
        let kind = target.tags.as_ref().and_then(|tags| tags.get("kind")).map(String::as_str);
        let made = [crate::documents::ARTIFACTS, crate::documents::ARTIFACTS_V1];
        if kind == Some("installinator_document") || made.contains(&target.name.as_str()) {
            continue;
        }
        let key = match &target.tags {
            // In the newer format nothing but the name tells corpora apart.
            Some(tags) if kind != Some("measurement_corpus") || tags.contains_key("name") => {
                tags_text(tags)
            }
            _ => target.name.clone(),
        };
        // A repository with equal tags twice is refused by `verify`; here both are shown.
        let key = if found.contains_key(&key) { format!("{key} ({})", target.name) } else { key };
        found.insert(key, target);
    }
    found
}

fn side(target: &ListedTarget) -> Side {
    Side {
        target: target.name.clone(),
        version: target.version.clone(),
        length: target.length,
        sha256: target.sha256,
    }
}

fn compare(old: &Files, new: &Files) -> Vec<FileDifference> {
    let mut files = Vec::new();
    for path in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (a, b) = (old.get(path), new.get(path));
        let mut what = Vec::new();
        if let (Some(a), Some(b)) = (a, b) {
            if a.kind != b.kind {
                what.push("type");
            } else if a.link != b.link {
                what.push(if a.kind.ends_with("device") { "device" } else { "link" });
            }
            if a.contents != b.contents {
                what.push("contents");
            }
            if a.mode != b.mode {
                what.push("mode");
            }
            if a.owner != b.owner {
                what.push("owner");
            }
            if what.is_empty() {
                continue;
            }
        }
        files.push(FileDifference { path: path.clone(), change: Change::of(a, b), what });
    }
    files
}
