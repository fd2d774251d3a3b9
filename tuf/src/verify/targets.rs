//! Reads every signed target to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use boot_image::phase2::Header;
use proto::Digest;
use rayon::prelude::*;
use sha2::Digest as _;

use super::Target;
use super::metadata::{SignedTarget, SignedTargets};
use crate::artifact::Kind;
use crate::documents::{ARTIFACTS, ARTIFACTS_V1, ArtifactsDocument, InstallinatorDocument};
use crate::inputs::firmware::{Described, Firmware};
use crate::inputs::{corpus, read_layer};
use crate::names::check_name;
use crate::phase2;
use crate::problem::{Findings, ProblemId};
use crate::strict_json;
use crate::v1::Good;
use crate::zip::{Archive, Entry};

/// Documents are read whole.
const DOCUMENT_LIMIT: u64 = 10 << 20;
/// Firmware too.
const FIRMWARE_LIMIT: u64 = 64 << 20;

/// What reading the targets gave.
pub(super) struct Read {
    pub(super) list: Vec<Target>,
    /// The artifacts document, if there is one that can be understood.
    pub(super) document: Option<ArtifactsDocument>,
    /// What the contents of artifacts say, by target name; only of targets that are as signed.
    pub(super) contents: BTreeMap<String, Contents>,
    /// The targets that are as signed.
    pub(super) good: BTreeMap<String, Good>,
}

/// What the contents of an artifact say about it, or why they cannot be read.
#[derive(Debug)]
pub(super) enum Contents {
    /// Nothing that could be compared.
    Opaque,
    Zone(Result<(String, String), String>),
    Phase2(Result<Header, String>),
    Installinator(Result<InstallinatorDocument, String>),
    /// Firmware and corpora: what their own name, version and tags would be.
    Described(Result<Described, String>),
}

/// A target that was found in the zip.
pub(crate) struct Found<'a> {
    pub(crate) name: &'a str,
    pub(super) signed: &'a SignedTarget,
    pub(crate) sha256: Option<Digest>,
    pub(crate) entry: Option<&'a Entry>,
}

/// Checks every target, several at once; the order of the findings does not depend on that.
pub(super) fn check(
    archive: &Archive,
    signed: &SignedTargets,
    vouched: &mut BTreeSet<String>,
    findings: &mut Findings,
) -> io::Result<Read> {
    let mut found = Vec::new();
    for (name, target) in &signed.targets {
        found.push(locate(archive, signed.consistent, name, target, vouched, findings));
    }
    check_case(signed, findings);

    let document = read_document(archive, &found, findings)?;
    let kinds: BTreeMap<&str, Kind> = document
        .iter()
        .flat_map(|document| &document.artifacts)
        .filter_map(|artifact| {
            Some((artifact.target_name.as_str(), Kind::from_tags(&artifact.tags).ok()?))
        })
        .collect();

    // The longest first, so that none of them is left alone at the end.
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(found[at].signed.length));
    let read: Vec<(usize, ReadTarget)> = order
        .into_par_iter()
        .with_max_len(1)
        .map(|at| Ok((at, read_target(archive, &found[at], kinds.get(found[at].name))?)))
        .collect::<io::Result<_>>()?;

    let mut list = Vec::new();
    let mut contents = BTreeMap::new();
    let mut good = BTreeMap::new();
    let mut read: BTreeMap<usize, ReadTarget> = read.into_iter().collect();
    for (at, target) in found.iter().enumerate() {
        let result = read.remove(&at).unwrap_or_default();
        let verified = result.contents.is_some();
        for (id, reason) in result.problems {
            findings.problem(id, target.name, reason);
        }
        if let (true, Some(entry), Some(sha256)) = (verified, target.entry, target.sha256) {
            good.insert(target.name.to_owned(), Good { entry: entry.clone(), sha256 });
        }
        if let Some(said) = result.contents {
            contents.insert(target.name.to_owned(), said);
        }
        if let Some(sha256) = target.sha256 {
            let (name, length) = (target.name.to_owned(), target.signed.length);
            list.push(Target { name, length, sha256, verified });
        }
    }
    Ok(Read { list, document, contents, good })
}

/// Finds a target's entry, and checks what needs no reading.
pub(super) fn locate<'a>(
    archive: &'a Archive,
    consistent: bool,
    name: &'a str,
    signed: &'a SignedTarget,
    vouched: &mut BTreeSet<String>,
    findings: &mut Findings,
) -> Found<'a> {
    let mut found = Found { name, signed, sha256: None, entry: None };
    if let Err(reason) = check_name(name) {
        findings.problem(ProblemId::TargetName, name, reason);
        return found;
    }
    match signed.hashes.get("sha256").map(|text| (text, text.parse::<Digest>())) {
        Some((text, Ok(digest))) if digest.to_string() == *text => found.sha256 = Some(digest),
        Some(_) => findings.problem(ProblemId::TargetHash, name, "its sha256 is not 64 hex digits"),
        None => findings.problem(ProblemId::TargetHash, name, "is signed without a sha256"),
    }
    let paths = if consistent {
        let digest = signed.hashes.get("sha256").map_or("", String::as_str);
        let (folder, base) = name
            .rsplit_once('/')
            .map_or(("", name), |(_, base)| (&name[..name.len() - base.len()], base));
        // TUF puts the hash before the last segment, tough before the whole name.
        vec![
            format!("repo/targets/{folder}{digest}.{base}"),
            format!("repo/targets/{digest}.{name}"),
        ]
    } else {
        vec![format!("repo/targets/{name}")]
    };
    let Some(entry) = paths.iter().find_map(|path| archive.entries().get(path)) else {
        let reason = format!("is signed and not in the zip as {}", paths[0]);
        findings.problem(ProblemId::TargetMissing, name, reason);
        return found;
    };
    vouched.insert(entry.name.clone());
    if entry.size != signed.length {
        let reason = format!("is {} bytes long, signed are {}", entry.size, signed.length);
        findings.problem(ProblemId::TargetLength, name, reason);
        return found;
    }
    found.entry = Some(entry);
    found
}

pub(super) fn check_case(signed: &SignedTargets, findings: &mut Findings) {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for name in signed.targets.keys() {
        if let Some(other) = folded.insert(name.to_ascii_lowercase(), name) {
            findings.problem(
                ProblemId::TargetName,
                name,
                format!("differs from {other} in case only"),
            );
        }
    }
}

/// Reads `artifacts-v2.json`. A damaged one is reported here as a document; as a target it is
/// reported with the others.
pub(super) fn read_document(
    archive: &Archive,
    found: &[Found<'_>],
    findings: &mut Findings,
) -> io::Result<Option<ArtifactsDocument>> {
    let mut refuse =
        |reason: String| findings.problem(ProblemId::ArtifactsDocument, ARTIFACTS, reason);
    let Some(target) = found.iter().find(|target| target.name == ARTIFACTS) else {
        // The older format has another, which is checked by itself.
        if !found.iter().any(|target| target.name == ARTIFACTS_V1) {
            refuse("is no target, so nothing says what the targets are".to_owned());
        }
        return Ok(None);
    };
    let Some(entry) = target.entry else { return Ok(None) };
    let bytes = match read_whole(archive, entry, DOCUMENT_LIMIT)? {
        Ok(bytes) => bytes,
        Err(_) => return Ok(None), // reported as a target
    };
    if Some(Digest::of(&bytes)) != target.sha256 {
        return Ok(None); // likewise
    }
    match strict_json::parse(&bytes).and_then(serde_json::from_value) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            refuse(format!("cannot be understood: {error}"));
            Ok(None)
        }
    }
}

fn read_whole(archive: &Archive, entry: &Entry, limit: u64) -> io::Result<Result<Vec<u8>, String>> {
    if entry.size > limit {
        return Ok(Err(format!("is {} bytes long; {limit} are the limit", entry.size)));
    }
    let mut bytes = Vec::new();
    Ok(archive.stream(entry, |chunk| bytes.extend_from_slice(chunk))?.map(|()| bytes))
}

#[derive(Default)]
struct ReadTarget {
    problems: Vec<(ProblemId, String)>,
    contents: Option<Contents>,
}

/// Reads one target to its end and compares all its hashes, then looks at what it is.
fn read_target(
    archive: &Archive,
    target: &Found<'_>,
    kind: Option<&Kind>,
) -> io::Result<ReadTarget> {
    let mut result = ReadTarget::default();
    let Some(entry) = target.entry else { return Ok(result) };
    let mut image = matches!(kind, Some(Kind::OsPhase2 { .. })).then(phase2::Stream::default);
    let mut sha256 = sha2::Sha256::new();
    let mut sha512 = target.signed.hashes.contains_key("sha512").then(sha2::Sha512::new);
    let read = archive.stream(entry, |chunk| {
        if let Some(sha512) = &mut sha512 {
            sha512.update(chunk);
        }
        match &mut image {
            Some(image) => image.update(chunk),
            None => sha256.update(chunk),
        }
    })?;
    if let Err(reason) = read {
        result.problems.push((ProblemId::ZipData, reason));
        return Ok(result);
    }
    let (sha256, image) = match image.map(phase2::Stream::finish) {
        Some((sha256, judged)) => (sha256, Some(judged)),
        None => (Digest(sha256.finalize().into()), None),
    };
    let real = [
        ("sha256", Some(sha256.to_string())),
        ("sha512", sha512.map(|sha512| hex::encode(sha512.finalize()))),
    ];
    for (algorithm, signed) in &target.signed.hashes {
        match real.iter().find(|(name, _)| name == algorithm) {
            Some((_, Some(real))) if real == signed => {}
            Some((_, Some(real))) => result.problems.push((
                ProblemId::TargetHash,
                format!("its {algorithm} is {real}, signed is {signed}"),
            )),
            _ => result.problems.push((
                ProblemId::TargetHash,
                format!("is signed with a hash that is not known here: {algorithm}"),
            )),
        }
    }
    if !result.problems.is_empty() || target.sha256.is_none() {
        return Ok(result);
    }
    if let Some(judged) = image {
        result.contents = Some(Contents::Phase2(judged));
        return Ok(result);
    }
    result.contents = Some(match kind {
        Some(Kind::Zone { .. }) => Contents::Zone(
            read_layer(archive.reader(entry)).map(|layer| (layer.package, layer.version)),
        ),
        Some(Kind::InstallinatorDocument) => {
            Contents::Installinator(read_whole(archive, entry, DOCUMENT_LIMIT)?.and_then(|bytes| {
                strict_json::parse(&bytes)
                    .and_then(serde_json::from_value)
                    .map_err(|error| format!("cannot be understood: {error}"))
            }))
        }
        Some(Kind::Rot { slot, .. }) => firmware(archive, entry, Firmware::Rot(*slot))?,
        Some(Kind::RotBootloader { .. }) => firmware(archive, entry, Firmware::RotBootloader)?,
        Some(Kind::Sp { .. }) => firmware(archive, entry, Firmware::Sp)?,
        Some(Kind::MeasurementCorpus) => {
            let bytes = read_whole(archive, entry, corpus::LIMIT)?;
            Contents::Described(bytes.and_then(|bytes| corpus::describe(&bytes)).map(
                |(target_name, version)| Described {
                    target_name,
                    version,
                    kind: Some(Kind::MeasurementCorpus),
                },
            ))
        }
        _ => Contents::Opaque,
    });
    Ok(result)
}

/// Firmware is read into memory whole: a zip wants to be read back and forth.
fn firmware(archive: &Archive, entry: &Entry, firmware: Firmware) -> io::Result<Contents> {
    let bytes = read_whole(archive, entry, FIRMWARE_LIMIT)?;
    Ok(Contents::Described(bytes.and_then(|bytes| {
        let archive =
            hubris::Archive::read(io::Cursor::new(bytes)).map_err(|error| error.to_string())?;
        let said = Firmware::guess(&archive.image_name);
        if let Ok(said) = said
            && archive.image_name != hubris::ImageName::Absent
            && said != firmware
            && [said, firmware].iter().any(|one| matches!(one, Firmware::Rot(_)))
        {
            return Err(format!("is tagged as {firmware:?} and is {said:?} by its image-name"));
        }
        firmware.describe(&archive.caboose)
    })))
}
