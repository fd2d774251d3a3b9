//! Opens a repository to work with it: the container and the signed metadata are checked in full,
//! targets are checked when they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use proto::Digest;
use serde_json::Value;

use super::{metadata, targets};
use crate::documents::{ARTIFACTS, ArtifactsDocument};
use crate::problem::{Findings, Problem, ProblemId};
use crate::zip::{Archive, Entry};
use crate::{Error, v1};

/// A repository whose container and metadata are good.
pub(crate) struct Opened {
    pub(crate) archive: Arc<Archive>,
    pub(crate) root_version: u64,
    /// When each metadata file expires.
    pub(crate) expiries: BTreeMap<String, Timestamp>,
    /// The highest version of timestamp, snapshot and targets.
    pub(crate) version: u64,
    /// Whether file names carry hashes and versions.
    pub(crate) consistent: bool,
    /// What the targets role says, as it was signed.
    pub(crate) role: Value,
    /// The targets by name.
    pub(crate) targets: BTreeMap<String, OpenedTarget>,
    /// `artifacts-v2.json`, or what a repository of the older format has instead.
    pub(crate) document: Option<ArtifactsDocument>,
    /// Whether it is of the older format.
    pub(crate) older: bool,
    pub(crate) warnings: Vec<Problem>,
}

/// A signed target and its entry in the zip, which has the signed length.
pub(crate) struct OpenedTarget {
    pub(crate) sha256: Digest,
    pub(crate) entry: Entry,
}

/// Opens a repository, a zip or a directory. Expiry is not judged: an expired repository can be
/// listed and refreshed.
pub(crate) fn open(path: &Path, trust_root: Option<&Path>) -> Result<Opened, Error> {
    let anchor = trust_root.map(metadata::Anchor::from_file).transpose()?;
    let mut findings = Findings::default();
    let opened = match Archive::open(path, &mut findings) {
        Ok(Some(archive)) => read(archive, anchor.as_ref(), &mut findings),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let opened = opened.map_err(Error::io("read", path))?;
    findings.problems.sort();
    findings.problems.dedup();
    match opened {
        Some(opened) if findings.problems.is_empty() => {
            Ok(Opened { warnings: findings.warnings, ..opened })
        }
        _ => Err(Error::Refused { path: path.to_owned(), problems: findings.problems }),
    }
}

/// Opens a repository that something is to be taken over from in its stored form, which only a zip
/// has.
pub(crate) fn open_zip(zip: &Path, trust_root: Option<&Path>) -> Result<Opened, Error> {
    if zip.is_dir() {
        let problem = "is a directory; only a zip can be changed, refreshed or merged";
        return Err(Error::input(zip, problem));
    }
    open(zip, trust_root)
}

fn read(
    archive: Archive,
    anchor: Option<&metadata::Anchor>,
    findings: &mut Findings,
) -> std::io::Result<Option<Opened>> {
    let mut vouched = BTreeSet::new();
    let signed = metadata::check(&archive, anchor, Timestamp::MIN, &mut vouched, findings)?;
    let (Some(role), Some(root_version)) = (signed.targets, signed.root_version) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for (name, target) in &role.targets {
        found.push(targets::locate(
            &archive,
            role.consistent,
            name,
            target,
            &mut vouched,
            findings,
        ));
    }
    targets::check_case(&role, findings);
    let older = !role.targets.contains_key(ARTIFACTS);
    let document = if older {
        v1::read_document(&archive, &found, findings)?
    } else {
        targets::read_document(&archive, &found, findings)?
    };
    let mut targets = BTreeMap::new();
    for target in found {
        if let (Some(sha256), Some(entry)) = (target.sha256, target.entry) {
            let entry = entry.clone();
            targets.insert(target.name.to_owned(), OpenedTarget { sha256, entry });
        }
    }
    for name in archive.entries().keys().filter(|name| !vouched.contains(*name)) {
        let reason = "is there and no signed metadata vouches for it";
        findings.problem(ProblemId::ZipUnsigned, name.clone(), reason);
    }
    Ok(Some(Opened {
        archive: Arc::new(archive),
        root_version,
        expiries: signed.expiries,
        version: signed.version,
        consistent: role.consistent,
        role: role.role,
        targets,
        document,
        older,
        warnings: Vec::new(),
    }))
}
