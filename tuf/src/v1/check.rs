//! Checks what a repository of the older format says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};

use hubris::ImageName;
use proto::Digest;

use super::composite::{self, Image};
use super::document::{Artifacts, Installinator, Listed};
use super::kind::{self, Make};
use crate::documents::{ARTIFACTS_V1, ArtifactsDocument};
use crate::names::{check_system_version, check_version};
use crate::problem::{Findings, ProblemId};
use crate::verify::Found;
use crate::zip::{Archive, Entry};
use crate::{Artifact, phase2, strict_json};

/// Files that are read whole.
const LIMIT: u64 = 64 << 20;

/// A target that is as signed.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) entry: Entry,
    pub(crate) sha256: Digest,
}

/// Checks `artifacts.json` against the targets that are as signed. Returns the system version and
/// the artifacts.
pub(crate) fn check(
    archive: &Archive,
    good: &BTreeMap<String, Good>,
    signed: &BTreeSet<&str>,
    complete: bool,
    findings: &mut Findings,
) -> io::Result<Option<(String, Vec<Artifact>)>> {
    let Some(document) = good.get(ARTIFACTS_V1) else { return Ok(None) };
    let document: Artifacts = match json(archive, &document.entry)? {
        Ok(document) => document,
        Err(reason) => {
            findings.problem(ProblemId::ArtifactsDocument, ARTIFACTS_V1, reason);
            return Ok(None);
        }
    };
    let version = &document.system_version;
    if let Err(reason) = check_system_version(version) {
        let reason = format!("the system version {version:?}: {reason}");
        findings.problem(ProblemId::SystemVersion, ARTIFACTS_V1, reason);
    }
    let mut names = BTreeSet::new();
    let mut units: BTreeMap<(String, Digest), &str> = BTreeMap::new();
    let mut installed = Vec::new();
    for listed in &document.artifacts {
        let target = &listed.target;
        if !names.insert(target.as_str()) {
            let reason = format!("is listed twice in {ARTIFACTS_V1}");
            findings.problem(ProblemId::ArtifactTarget, target, reason);
            continue;
        }
        check_words(listed, findings);
        if !signed.contains(target.as_str()) {
            let reason = "is an artifact and no signed target";
            findings.problem(ProblemId::ArtifactTarget, target, reason);
        }
        let Some(make) = kind::make(&listed.kind) else { continue };
        // What is not as signed is reported; what is not signed is not there.
        let Some(target_file) = good.get(target.as_str()) else { continue };
        let (members, image) = match contents(archive, &target_file.entry, listed, make)? {
            Ok(read) => read,
            Err(reason) => {
                findings.problem(ProblemId::ArtifactContents, target, reason);
                continue;
            }
        };
        if let Some(image) = image {
            let is_stand_in = image.is_stand_in(&listed.kind, &listed.version);
            match image.judged {
                Ok(header) => {
                    let variant = kind::variant(&listed.kind);
                    phase2::check_use(&header, variant, target, findings);
                }
                Err(_) if is_stand_in => phase2::warn_of_stand_in(target, findings),
                Err(reason) => findings.problem(ProblemId::ArtifactContents, target, reason),
            }
        }
        let whole = [(String::new(), target_file.sha256)];
        let parts = if members.is_empty() { &whole[..] } else { &members[..] };
        for (member, hash) in parts {
            if *hash == Digest::of(b"") {
                let reason = match &member[..] {
                    "" => "is empty".to_owned(),
                    member => format!("its {member} is empty"),
                };
                findings.problem(ProblemId::ArtifactContents, target, reason);
            }
            let unit = kind::unit(&listed.kind, member);
            if let Some(other) = units.insert((unit.clone(), *hash), target) {
                let reason = format!("holds the same {unit} as {other}");
                findings.problem(ProblemId::ArtifactDuplicate, target, reason);
            }
            let member = Some(&member[..]).filter(|member| !member.is_empty());
            if member.is_some() {
                installed.extend(Installinator::installed(
                    &listed.kind,
                    &listed.name,
                    member,
                    *hash,
                ));
            }
        }
        let sha256 = target_file.sha256;
        installed.extend(Installinator::installed(&listed.kind, &listed.name, None, sha256));
    }
    let wanted = Installinator::new(version, installed);
    check_installinator(archive, good, &document, &wanted, findings)?;
    if complete {
        for kind in kind::required() {
            if !document.artifacts.iter().any(|listed| listed.kind == kind) {
                let reason = format!("lists no artifact of the kind {kind}");
                findings.problem(ProblemId::ArtifactMissing, ARTIFACTS_V1, reason);
            }
        }
    }
    for name in signed.iter().filter(|name| !names.contains(*name) && **name != ARTIFACTS_V1) {
        findings.warning(ProblemId::ExtraTarget, *name, "is a target that is no artifact");
    }
    let ArtifactsDocument { system_version, artifacts, .. } = document.into_newer();
    Ok(Some((system_version, artifacts)))
}

/// Reads `artifacts.json`, for who opens a repository. That it is not as signed is told by who
/// reads all targets.
pub(crate) fn read_document(
    archive: &Archive,
    found: &[Found<'_>],
    findings: &mut Findings,
) -> io::Result<Option<ArtifactsDocument>> {
    let Some(target) = found.iter().find(|target| target.name == ARTIFACTS_V1) else {
        return Ok(None);
    };
    let Some(entry) = target.entry else { return Ok(None) };
    let Ok(bytes) = whole(archive, entry)? else { return Ok(None) };
    if Some(Digest::of(&bytes)) != target.sha256 {
        return Ok(None);
    }
    match parse::<Artifacts>(&bytes) {
        Ok(document) => Ok(Some(document.into_newer())),
        Err(reason) => {
            findings.problem(ProblemId::ArtifactsDocument, ARTIFACTS_V1, reason);
            Ok(None)
        }
    }
}

/// Names, versions and kinds.
fn check_words(listed: &Listed, findings: &mut Findings) {
    let Listed { name, version, kind, target } = listed;
    if let Err(reason) = check_version(version).and_then(|()| check_system_version(version)) {
        findings.problem(ProblemId::ArtifactVersion, target, reason);
    }
    if kind::make(kind).is_none() {
        // Racks skip what they do not know.
        findings.warning(
            ProblemId::ArtifactTags,
            target,
            format!("is of the unknown kind {kind:?}"),
        );
    }
    let wanted = kind::target_name(kind, name, version);
    if *target != wanted {
        let reason = format!("should be called {wanted} by its kind, name and version");
        findings.problem(ProblemId::ArtifactName, target, reason);
    }
}

/// The members of a composite artifact, and the phase-2 image among them.
type Members = (Vec<(String, Digest)>, Option<Image>);

/// Looks at what an artifact is. Returns the members of a composite one.
fn contents(
    archive: &Archive,
    entry: &Entry,
    listed: &Listed,
    make: Make,
) -> io::Result<Result<Members, String>> {
    let none = || (Vec::new(), None);
    Ok(match make {
        Make::Os | Make::ControlPlane => members(archive.reader(entry), make),
        Make::Rot => members(archive.reader(entry), make).and_then(|members| {
            check_slots(archive.reader(entry), &listed.version).map(|()| members)
        }),
        Make::Document => Ok(none()),
        Make::File => match whole(archive, entry)? {
            Err(reason) => Err(reason),
            Ok(bytes) => {
                version(&listed.kind, bytes).and_then(|version| match version == listed.version {
                    true => Ok(none()),
                    false => Err(format!(
                        "{ARTIFACTS_V1} gives its version as {:?}, its contents say {version:?}",
                        listed.version
                    )),
                })
            }
        },
    })
}

/// The images of a root of trust must have its version, and be for the slots that they stand in.
fn check_slots(reader: impl Read + Send, wanted: &str) -> Result<(), String> {
    let refuse = |error: oxide_archive::Error| format!("is no gzip tar: {error}");
    let mut archive = oxide_archive::open_stream(reader, "it").map_err(refuse)?;
    while let Some(member) = archive.next_member().map_err(refuse)? {
        let slots = [("archive-a.zip", ImageName::B), ("archive-b.zip", ImageName::A)];
        let slot = slots.iter().find(|(name, _)| member.name == name.as_bytes());
        let Some((name, other)) = slot else { continue };
        if member.size > LIMIT {
            return Err(format!("{name} is {} bytes long; {LIMIT} are the limit", member.size));
        }
        let mut bytes = Vec::new();
        archive.read_all(&mut bytes).map_err(refuse)?;
        let inside = |error: hubris::Error| format!("{name}: {error}");
        let image = hubris::Archive::read(Cursor::new(bytes)).map_err(inside)?;
        if image.image_name == *other {
            return Err(format!("{name} is the image for the other slot"));
        }
        let version = image.caboose.version().map_err(inside)?;
        if version != wanted {
            return Err(format!(
                "{ARTIFACTS_V1} gives its version as {wanted:?}, its {name} says {version:?}"
            ));
        }
    }
    Ok(())
}

fn version(kind: &str, bytes: Vec<u8>) -> Result<String, String> {
    let text = |error: hubris::Error| error.to_string();
    if kind == "measurement_corpus" {
        return hubris::Corim::parse(&bytes).map(|corim| corim.version).map_err(text);
    }
    let archive = hubris::Archive::read(Cursor::new(bytes)).map_err(text)?;
    archive.caboose.version().map(str::to_owned).map_err(text)
}

/// The members that a rack uses of a composite archive, all of which it must have.
pub(super) fn members(reader: impl Read + Send, make: Make) -> Result<Members, String> {
    let wanted = kind::members(make);
    let is_wanted = |name: &str| match make {
        Make::ControlPlane => {
            name.strip_prefix("zones/").is_some_and(|zone| !zone.is_empty() && !zone.contains('/'))
        }
        _ => wanted.contains(&name),
    };
    let composite::Found { archive_type, members, image } = composite::read(reader, is_wanted)?;
    if archive_type != kind::archive_type(make) {
        return Err(format!(
            "its oxide.json says it is of type {archive_type}, it should be {}",
            kind::archive_type(make)
        ));
    }
    match wanted.iter().find(|name| !members.iter().any(|(there, _)| there == *name)) {
        Some(missing) => Err(format!("has no {missing}")),
        None if members.is_empty() => Err("has no zones".to_owned()),
        None => Ok((members, image)),
    }
}

fn check_installinator(
    archive: &Archive,
    good: &BTreeMap<String, Good>,
    document: &Artifacts,
    wanted: &Installinator,
    findings: &mut Findings,
) -> io::Result<()> {
    let is_one = |listed: &&Listed| kind::make(&listed.kind) == Some(Make::Document);
    for listed in document.artifacts.iter().filter(is_one) {
        let name = &listed.target;
        let Some(target) = good.get(name.as_str()) else { continue };
        let there: Installinator = match json(archive, &target.entry)? {
            Ok(there) => there,
            Err(reason) => {
                findings.problem(ProblemId::InstallinatorDocument, name, reason);
                continue;
            }
        };
        if there.system_version != wanted.system_version {
            let reason = format!(
                "is for the system version {:?}, the repository is {:?}",
                there.system_version, wanted.system_version
            );
            findings.problem(ProblemId::InstallinatorDocument, name, reason);
        }
        let (there, should): (BTreeSet<_>, BTreeSet<_>) =
            (there.artifacts.iter().collect(), wanted.artifacts.iter().collect());
        for missing in should.difference(&there) {
            let reason = format!("does not list {} with the hash it has", missing.name);
            findings.problem(ProblemId::InstallinatorEntries, name, reason);
        }
        for extra in there.difference(&should) {
            let reason = format!("lists {}, which is nothing to install", extra.name);
            findings.problem(ProblemId::InstallinatorEntries, name, reason);
        }
    }
    Ok(())
}

fn json<T: serde::de::DeserializeOwned>(
    archive: &Archive,
    entry: &Entry,
) -> io::Result<Result<T, String>> {
    Ok(whole(archive, entry)?.and_then(|bytes| parse(&bytes)))
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    strict_json::parse(bytes)
        .and_then(serde_json::from_value)
        .map_err(|error| format!("cannot be understood: {error}"))
}

fn whole(archive: &Archive, entry: &Entry) -> io::Result<Result<Vec<u8>, String>> {
    if entry.size > LIMIT {
        return Ok(Err(format!("is {} bytes long; {LIMIT} are the limit", entry.size)));
    }
    let mut bytes = Vec::new();
    Ok(archive.stream(entry, |chunk| bytes.extend_from_slice(chunk))?.map(|()| bytes))
}
