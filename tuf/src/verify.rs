//! Checks a repository: a zip, or a directory with the same files.

mod artifacts;
mod head;
mod metadata;
mod open;
mod signatures;
mod targets;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;
use serde::Serialize;

use crate::problem::{Findings, Problem, ProblemId, problem_lines};
use crate::zip::{Archive, hash_only};
use crate::{Artifact, Error, v1};

pub(crate) use artifacts::missing;
pub(crate) use metadata::check_roots;
#[cfg(feature = "fuzzing")]
pub(crate) use metadata::fuzzing;
pub(crate) use open::{Opened, OpenedTarget, open, open_zip};
pub(crate) use targets::Found;

/// The largest sum of unpacked entries that is looked at.
const UNPACKED_LIMIT: u64 = 16 << 30;

/// How to judge a repository.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The trusted root (`N.root.json`). Without one the root in the zip is taken on trust: that
    /// shows that nothing was damaged, not who made it.
    pub trust_root: Option<PathBuf>,
    /// The time to judge expiry by.
    pub at: Timestamp,
    /// Whether a complete repository is expected: OS images for both boards and the installinator
    /// document. Parts of one, and repositories of other versions, are judged without.
    pub complete: bool,
    /// Whether the SHA-256 of the whole zip is computed for the report.
    pub digest: bool,
}

impl VerifyOptions {
    /// Everything strict, the root in the zip taken on trust, expiry judged by this time.
    pub fn at(at: Timestamp) -> Self {
        Self { trust_root: None, at, complete: true, digest: true }
    }
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The zip or directory.
    pub path: PathBuf,
    /// Its length in bytes; of a directory that of its files together.
    pub size: u64,
    /// Its SHA-256, when asked for; a directory has none.
    pub sha256: Option<Digest>,
    /// Whose root was trusted.
    pub trust: Trust,
    /// The time expiry was judged by.
    pub at: Timestamp,
    /// When the first of the roles expires.
    pub expires: Option<Timestamp>,
    /// The version of the last root.
    pub root_version: Option<u64>,
    /// The system version.
    pub system_version: Option<String>,
    /// The signed targets by name.
    pub targets: Vec<Target>,
    /// The artifacts, sorted by target name.
    pub artifacts: Vec<Artifact>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// What is odd and tolerated.
    pub warnings: Vec<Problem>,
}

/// Whose root was trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The one in the zip.
    OwnRoot,
    /// This file.
    File(PathBuf),
}

/// A signed target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name below `repo/targets/`.
    pub name: String,
    /// Its signed length in bytes.
    pub length: u64,
    /// Its signed SHA-256.
    pub sha256: Digest,
    /// Whether the file in the zip was read and is what was signed.
    pub verified: bool,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is wrong.
    Ok,
    /// Nothing is wrong but that the metadata has expired.
    Expired,
    /// Something is wrong.
    Refused,
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl VerifyReport {
    /// The verdict.
    pub fn outcome(&self) -> Outcome {
        if self.problems.is_empty() {
            Outcome::Ok
        } else if self.problems.iter().all(|problem| problem.id == ProblemId::TufExpired) {
            Outcome::Expired
        } else {
            Outcome::Refused
        }
    }
}

impl fmt::Display for VerifyReport {
    /// One line per warning and problem, and the verdict as the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in problem_lines(&self.warnings) {
            writeln!(f, "warning: {warning}")?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        let path = self.path.display();
        match self.outcome() {
            Outcome::Ok => {
                write!(f, "{path}: OK, {} targets", self.targets.len())?;
                match self.sha256 {
                    Some(sha256) => write!(f, ", SHA256 = {sha256}"),
                    None => Ok(()),
                }
            }
            Outcome::Expired => write!(f, "{path}: expired"),
            Outcome::Refused => write!(f, "{path}: refused, {} problems", self.problems.len()),
        }
    }
}

/// Checks a repository, a zip or a directory with the same files: the container, the signed
/// metadata, every target and what the artifacts say about themselves.
///
/// A zip is read by position and never unpacked. Memory does not grow with the size of targets;
/// several are hashed at once.
///
/// # Errors
///
/// Only when the zip or the trusted root cannot be read from disk, or the trusted root is no root.
/// What is wrong with the zip is in the report.
pub fn verify(zip: &Path, options: &VerifyOptions) -> Result<VerifyReport, Error> {
    let information = std::fs::metadata(zip).map_err(Error::io("read", zip))?;
    let anchor = options.trust_root.as_deref().map(metadata::Anchor::from_file).transpose()?;
    let mut report = VerifyReport {
        path: zip.to_owned(),
        size: information.len(),
        sha256: None,
        trust: options.trust_root.clone().map_or(Trust::OwnRoot, Trust::File),
        at: options.at,
        expires: None,
        root_version: None,
        system_version: None,
        targets: Vec::new(),
        artifacts: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let mut findings = Findings::default();
    let digest = || -> std::io::Result<Option<Digest>> {
        if !options.digest || !information.is_file() {
            return Ok(None);
        }
        let mut file = std::fs::File::open(zip)?;
        Ok(Some(hash_only(&mut file)?.sha256))
    };
    let check = || -> std::io::Result<()> {
        let Some(archive) = Archive::open(zip, &mut findings)? else { return Ok(()) };
        if information.is_dir() {
            report.size = archive.entries().values().map(|entry| entry.size).sum();
        }
        check_archive(&archive, anchor.as_ref(), options, &mut report, &mut findings)
    };
    let (digest, checked) = rayon::join(digest, check);
    checked.map_err(Error::io("read", zip))?;
    report.sha256 = digest.map_err(Error::io("read", zip))?;
    for list in [&mut findings.problems, &mut findings.warnings] {
        list.sort();
        list.dedup();
    }
    report.problems = findings.problems;
    report.warnings = findings.warnings;
    Ok(report)
}

fn check_archive(
    archive: &Archive,
    anchor: Option<&metadata::Anchor>,
    options: &VerifyOptions,
    report: &mut VerifyReport,
    findings: &mut Findings,
) -> std::io::Result<()> {
    let unpacked: u64 = archive.entries().values().map(|entry| entry.size).sum();
    if unpacked > UNPACKED_LIMIT {
        let reason = format!("unpacks to {unpacked} bytes; {UNPACKED_LIMIT} are the limit");
        findings.problem(ProblemId::ZipSize, "the archive", reason);
        return Ok(());
    }
    let mut vouched = BTreeSet::new();
    let signed = metadata::check(archive, anchor, options.at, &mut vouched, findings)?;
    report.expires = signed.expires;
    report.root_version = signed.root_version;
    if let Some(signed) = &signed.targets {
        let read = targets::check(archive, signed, &mut vouched, findings)?;
        report.targets = read.list;
        if let Some(document) = read.document {
            artifacts::check(
                &document,
                &report.targets,
                &read.contents,
                options.complete,
                findings,
            );
            report.system_version = Some(document.system_version);
            report.artifacts = document.artifacts;
            report.artifacts.sort();
        } else {
            let good = read.good;
            let names = report.targets.iter().map(|target| target.name.as_str()).collect();
            let found = v1::check(archive, &good, &names, options.complete, findings)?;
            if let Some((version, artifacts)) = found {
                report.system_version = Some(version);
                report.artifacts = artifacts;
                report.artifacts.sort();
            }
        }
        // Without signed targets nothing is vouched for, which is said already.
        for name in archive.entries().keys().filter(|name| !vouched.contains(*name)) {
            let reason = "is there and no signed metadata vouches for it";
            findings.problem(ProblemId::ZipUnsigned, name.clone(), reason);
        }
    }
    Ok(())
}
