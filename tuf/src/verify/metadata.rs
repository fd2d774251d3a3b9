//! The walk of a TUF client: roots, timestamp, snapshot, targets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::head::{Head, head};
use super::signatures::{Envelope, KeyRing};
use crate::metadata::Roots;
use crate::problem::{Findings, ProblemId};
use crate::zip::Archive;
use crate::{Error, strict_json};

const SMALL: u64 = 1 << 20;
const TARGETS_LIMIT: u64 = 10 << 20;
const MAX_ROOTS: u64 = 1024;

/// What the signed metadata says, as far as it could be trusted.
#[derive(Debug, Default)]
pub(super) struct Signed {
    pub(super) expires: Option<Timestamp>,
    pub(super) root_version: Option<u64>,
    /// When each role expires, by file.
    pub(super) expiries: BTreeMap<String, Timestamp>,
    /// The highest version of timestamp, snapshot and targets.
    pub(super) version: u64,
    pub(super) targets: Option<SignedTargets>,
}

/// The targets role.
#[derive(Debug)]
pub(super) struct SignedTargets {
    pub(super) consistent: bool,
    pub(super) targets: BTreeMap<String, SignedTarget>,
    /// All that the role says.
    pub(super) role: Value,
}

/// What is signed about one target.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SignedTarget {
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, String>,
}

/// A root that the caller trusts.
pub(crate) struct Anchor {
    bytes: Vec<u8>,
    root: RootFile,
}

#[derive(Clone)]
struct RootFile {
    envelope: Envelope,
    head: Head,
    ring: KeyRing,
    consistent: bool,
}

impl Anchor {
    pub(crate) fn from_file(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read the trusted root", path))?;
        let mut findings = Findings::default();
        let name = path.display().to_string();
        let root = RootFile::read(&name, &bytes, &mut findings)
            .filter(|root| root.ring.check(&name, "root", &root.envelope, None, &mut findings));
        match (root, findings.problems.into_iter().next()) {
            (Some(root), None) => Ok(Self { bytes, root }),
            (_, Some(problem)) => {
                Err(Error::input(path, format!("is no root to trust: {}", problem.reason)))
            }
            (None, None) => Err(Error::input(path, "is no root to trust")),
        }
    }
}

/// Reads the roots to sign under: a chain from version 1, each signed by the one before it and by
/// itself. Their order does not matter.
pub(crate) fn check_roots(paths: &[PathBuf]) -> Result<Roots, Error> {
    let mut chain = BTreeMap::new();
    for path in paths {
        let bytes = std::fs::read(path).map_err(Error::io("read the root", path))?;
        let mut findings = Findings::default();
        let root = RootFile::read(&path.display().to_string(), &bytes, &mut findings);
        let Some(root) = root.filter(|_| findings.problems.is_empty()) else {
            let reason = findings.problems.pop().map(|problem| problem.reason).unwrap_or_default();
            return Err(Error::input(path, format!("is no root to sign under: {reason}")));
        };
        if let Some((other, ..)) = chain.insert(root.head.version, (path, bytes, root)) {
            let problem = format!("is a root of the same version as {}", other.display());
            return Err(Error::input(path, problem));
        }
    }
    let mut files = BTreeMap::new();
    let mut last: Option<(String, KeyRing)> = None;
    for (wanted, (version, (path, bytes, root))) in (1..).zip(chain) {
        if version != wanted {
            let problem = format!(
                "is the root of version {version}; a repository needs all from version 1 on, and \
                 version {wanted} was not given"
            );
            return Err(Error::input(path, problem));
        }
        let name = path.display().to_string();
        let mut findings = Findings::default();
        let before = last.as_ref().map(|(_, ring)| ring);
        root.ring.check(&name, "root", &root.envelope, before, &mut findings);
        if let Some(before) = before {
            before.check(&name, "root", &root.envelope, Some(&root.ring), &mut findings);
        }
        if let Some(problem) = findings.problems.into_iter().next() {
            return Err(Error::input(
                path,
                format!("is no root to sign under: {}", problem.reason),
            ));
        }
        let name = format!("{version}.root.json");
        files.insert(name.clone(), bytes);
        last = Some((name, root.ring));
    }
    Roots::new(files, &last.map(|(name, _)| name).unwrap_or_default())
}

impl RootFile {
    fn read(file: &str, bytes: &[u8], findings: &mut Findings) -> Option<Self> {
        let envelope = envelope(file, bytes, findings)?;
        let head = head(file, "root", &envelope.signed, findings)?;
        let ring = KeyRing::read(file, &envelope.signed, findings)?;
        let consistent = match envelope.signed.get("consistent_snapshot") {
            Some(Value::Bool(consistent)) => *consistent,
            _ => {
                findings.problem(
                    ProblemId::TufForm,
                    file,
                    "has no consistent_snapshot of true or false",
                );
                return None;
            }
        };
        Some(Self { envelope, head, ring, consistent })
    }
}

/// Walks the metadata. Names of all files that belong to it go to `vouched`.
pub(super) fn check(
    archive: &Archive,
    anchor: Option<&Anchor>,
    at: Timestamp,
    vouched: &mut BTreeSet<String>,
    findings: &mut Findings,
) -> io::Result<Signed> {
    let mut signed = Signed::default();
    let mut walk = Walk { archive, vouched, findings, version: 0 };
    let Some(root) = walk.roots(anchor)? else { return Ok(signed) };
    signed.root_version = Some(root.head.version);
    let mut expiries = vec![(root_name(root.head.version), root.head.expires)];
    signed.targets = walk.roles(&root, &mut expiries)?;
    signed.expires = expiries.iter().map(|(_, expires)| *expires).min();
    signed.version = walk.version;
    for (file, expires) in &expiries {
        if at >= *expires {
            let reason = format!("expired {expires}; judged as of {at}");
            walk.findings.problem(ProblemId::TufExpired, file, reason);
        }
    }
    signed.expiries = expiries.into_iter().collect();
    Ok(signed)
}

fn root_name(version: u64) -> String {
    format!("repo/metadata/{version}.root.json")
}

struct Walk<'a> {
    archive: &'a Archive,
    vouched: &'a mut BTreeSet<String>,
    findings: &'a mut Findings,
    version: u64,
}

impl Walk<'_> {
    /// Follows the roots from version 1, or from the trusted one, to the last.
    fn roots(&mut self, anchor: Option<&Anchor>) -> io::Result<Option<RootFile>> {
        let mut last: Option<RootFile> = None;
        for version in 1..=MAX_ROOTS {
            let name = root_name(version);
            if version > 1 && !self.archive.entries().contains_key(&name) {
                break;
            }
            let Some(bytes) = self.file(&name, SMALL)? else { return Ok(None) };
            let Some(root) = RootFile::read(&name, &bytes, self.findings) else { return Ok(None) };
            if root.head.version != version {
                let reason = format!("is version {} by its contents", root.head.version);
                self.findings.problem(ProblemId::TufRoot, name, reason);
                return Ok(None);
            }
            let before = last.as_ref().map(|root| &root.ring);
            let mut good = root.ring.check(&name, "root", &root.envelope, before, self.findings);
            if let Some(before) = before {
                good &=
                    before.check(&name, "root", &root.envelope, Some(&root.ring), self.findings);
            }
            if !good {
                return Ok(None);
            }
            last = Some(root);
            if let Some(anchor) = anchor.filter(|anchor| anchor.root.head.version == version) {
                if anchor.bytes != bytes {
                    let reason = "is not the trusted root of that version";
                    self.findings.problem(ProblemId::TufTrust, name, reason);
                }
                // From here on only what the trusted root vouches for counts.
                last = Some(anchor.root.clone());
            }
        }
        if let (Some(root), Some(anchor)) = (&last, anchor)
            && root.head.version < anchor.root.head.version
        {
            let reason = format!(
                "is the last root of the zip, older than the trusted root of version {}",
                anchor.root.head.version
            );
            self.findings.problem(ProblemId::TufTrust, root_name(root.head.version), reason);
            return Ok(None);
        }
        Ok(last)
    }

    /// Timestamp, snapshot and targets under a root.
    fn roles(
        &mut self,
        root: &RootFile,
        expiries: &mut Vec<(String, Timestamp)>,
    ) -> io::Result<Option<SignedTargets>> {
        let prefix =
            |version: u64| if root.consistent { format!("{version}.") } else { String::new() };

        let name = "repo/metadata/timestamp.json".to_owned();
        let Some(timestamp) = self.role(root, "timestamp", &name, None, expiries)? else {
            return Ok(None);
        };
        let Some(meta) = self.only_meta(&name, &timestamp, "snapshot.json") else {
            return Ok(None);
        };

        let name = format!("repo/metadata/{}snapshot.json", prefix(meta.version));
        let Some(snapshot) = self.role(root, "snapshot", &name, Some(&meta), expiries)? else {
            return Ok(None);
        };
        let Some(meta) = self.only_meta(&name, &snapshot, "targets.json") else { return Ok(None) };

        let name = format!("repo/metadata/{}targets.json", prefix(meta.version));
        let Some(targets) = self.role(root, "targets", &name, Some(&meta), expiries)? else {
            return Ok(None);
        };
        Ok(self.targets(&name, &targets).map(|list| SignedTargets {
            consistent: root.consistent,
            targets: list,
            role: targets,
        }))
    }

    /// Reads a role, checked against what its parent says and against the root's keys.
    fn role(
        &mut self,
        root: &RootFile,
        role: &str,
        name: &str,
        meta: Option<&Meta>,
        expiries: &mut Vec<(String, Timestamp)>,
    ) -> io::Result<Option<Value>> {
        let limit = if role == "targets" { TARGETS_LIMIT } else { SMALL };
        let Some(bytes) = self.file(name, limit)? else { return Ok(None) };
        let before = self.findings.problems.len();
        if let Some(meta) = meta {
            if meta.length.is_some_and(|length| length != bytes.len() as u64) {
                let reason = format!(
                    "is {} bytes long, signed are {}",
                    bytes.len(),
                    meta.length.unwrap_or(0)
                );
                self.findings.problem(ProblemId::TufHash, name, reason);
            }
            for (algorithm, signed) in meta.hashes.iter().flatten() {
                if let Err(reason) = check_hash(algorithm, signed, &bytes) {
                    self.findings.problem(ProblemId::TufHash, name, reason);
                }
            }
        }
        let Some(envelope) = envelope(name, &bytes, self.findings) else { return Ok(None) };
        root.ring.check(name, role, &envelope, None, self.findings);
        let Some(head) = head(name, role, &envelope.signed, self.findings) else { return Ok(None) };
        if let Some(meta) = meta.filter(|meta| meta.version != head.version) {
            let reason = format!("is version {}, signed is version {}", head.version, meta.version);
            self.findings.problem(ProblemId::TufVersion, name, reason);
        }
        expiries.push((name.to_owned(), head.expires));
        self.version = self.version.max(head.version);
        // What is not properly signed is not believed.
        Ok((self.findings.problems.len() == before).then_some(envelope.signed))
    }

    /// The one entry that a timestamp or snapshot has.
    fn only_meta(&mut self, name: &str, signed: &Value, wanted: &str) -> Option<Meta> {
        let mut refuse = |reason: String| {
            self.findings.problem(ProblemId::TufForm, name, reason);
            None
        };
        let Some(files) = signed.get("meta").and_then(Value::as_object) else {
            return refuse("has no meta object".to_owned());
        };
        if let Some(other) = files.keys().find(|file| *file != wanted) {
            return refuse(format!("names {other:?}; only {wanted} belongs there"));
        }
        let Some(value) = files.get(wanted) else {
            return refuse(format!("does not name {wanted}"));
        };
        match serde_json::from_value(value.clone()) {
            Ok(meta) => Some(meta),
            Err(error) => {
                refuse(format!("what it says about {wanted} is of no known form: {error}"))
            }
        }
    }

    fn targets(&mut self, name: &str, signed: &Value) -> Option<BTreeMap<String, SignedTarget>> {
        if let Some(delegations) = signed.get("delegations")
            && !is_empty_delegations(delegations)
        {
            let reason = "delegates targets to other roles, which this format does not know";
            self.findings.problem(ProblemId::TufDelegation, name, reason);
        }
        let Some(list) = signed.get("targets").and_then(Value::as_object) else {
            self.findings.problem(ProblemId::TufForm, name, "has no targets object");
            return None;
        };
        let mut targets = BTreeMap::new();
        for (target, value) in list {
            match serde_json::from_value::<SignedTarget>(value.clone()) {
                Ok(signed) => {
                    targets.insert(target.clone(), signed);
                }
                Err(error) => {
                    let reason =
                        format!("what it says about {target:?} is of no known form: {error}");
                    self.findings.problem(ProblemId::TufForm, name, reason);
                }
            }
        }
        Some(targets)
    }

    /// Reads a whole metadata file.
    fn file(&mut self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.vouched.insert(name.to_owned());
        let Some(entry) = self.archive.entries().get(name) else {
            self.findings.problem(ProblemId::TufMissing, name, "is missing");
            return Ok(None);
        };
        if entry.size > limit {
            let reason = format!("is {} bytes long; {limit} are the limit", entry.size);
            self.findings.problem(ProblemId::TufForm, name, reason);
            return Ok(None);
        }
        let mut bytes = Vec::new();
        match self.archive.stream(entry, |chunk| bytes.extend_from_slice(chunk))? {
            Ok(()) => Ok(Some(bytes)),
            Err(reason) => {
                self.findings.problem(ProblemId::ZipData, name, reason);
                Ok(None)
            }
        }
    }
}

/// What a timestamp or a snapshot says about another file.
#[derive(Debug, Deserialize)]
struct Meta {
    version: u64,
    length: Option<u64>,
    hashes: Option<BTreeMap<String, String>>,
}

fn is_empty_delegations(delegations: &Value) -> bool {
    let empty = |member: &str| match delegations.get(member) {
        None => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    };
    let known = ["keys", "roles"];
    match delegations {
        Value::Null => true,
        Value::Object(members) => {
            members.keys().all(|member| known.contains(&member.as_str()))
                && known.iter().all(|m| empty(m))
        }
        _ => false,
    }
}

/// Compares a signed hash of bytes in memory.
fn check_hash(algorithm: &str, signed: &str, bytes: &[u8]) -> Result<(), String> {
    use sha2::Digest as _;
    let real = match algorithm {
        "sha256" => Digest::of(bytes).to_string(),
        "sha512" => hex::encode(sha2::Sha512::digest(bytes)),
        other => return Err(format!("is signed with a hash that is not known here: {other}")),
    };
    if real == signed {
        return Ok(());
    }
    Err(format!("its {algorithm} is {real}, signed is {signed}"))
}

/// Reads the outer object of a metadata file.
fn envelope(file: &str, bytes: &[u8], findings: &mut Findings) -> Option<Envelope> {
    match strict_json::parse(bytes).and_then(serde_json::from_value) {
        Ok(envelope) => Some(envelope),
        Err(error) => {
            findings.problem(ProblemId::TufForm, file, format!("is no TUF metadata: {error}"));
            None
        }
    }
}

/// For fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::{Findings, RootFile, envelope, head};

    pub(crate) fn metadata(bytes: &[u8]) {
        let mut findings = Findings::default();
        if let Some(root) = RootFile::read("root", bytes, &mut findings) {
            let _ = root.ring.check("root", "root", &root.envelope, None, &mut findings);
        }
        if let Some(envelope) = envelope("role", bytes, &mut findings) {
            for role in ["timestamp", "snapshot", "targets"] {
                let _ = head("role", role, &envelope.signed, &mut findings);
            }
        }
    }
}
