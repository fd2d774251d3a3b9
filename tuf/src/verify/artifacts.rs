//! Checks what the artifacts say about themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::Target;
use super::targets::Contents;
use crate::artifact::{Artifact, Kind, Variant, tags_text};
use crate::documents::{ARTIFACTS, ARTIFACTS_V1, ArtifactsDocument, InstallinatorDocument};
use crate::inputs::BOARDS;
use crate::names::{check_system_version, check_version};
use crate::phase2;
use crate::problem::{Findings, ProblemId};

pub(super) fn check(
    document: &ArtifactsDocument,
    targets: &[Target],
    contents: &BTreeMap<String, Contents>,
    complete: bool,
    findings: &mut Findings,
) {
    let version = &document.system_version;
    if let Err(reason) = check_system_version(version) {
        findings.problem(
            ProblemId::SystemVersion,
            ARTIFACTS,
            format!("the system version {version:?}: {reason}"),
        );
    }
    if targets.iter().any(|target| target.name == ARTIFACTS_V1) {
        let reason =
            format!("is a target beside {ARTIFACTS}: readers of the two see two repositories");
        findings.problem(ProblemId::ArtifactsDocument, ARTIFACTS_V1, reason);
    }
    for key in document.metadata.keys() {
        let reason = format!("has the metadata {key:?}; none is defined");
        findings.problem(ProblemId::ArtifactsDocument, ARTIFACTS, reason);
    }
    let targets: BTreeMap<&str, &Target> =
        targets.iter().map(|target| (target.name.as_str(), target)).collect();
    let mut kinds: Vec<(&Artifact, Kind)> = Vec::new();
    let mut names = BTreeSet::new();
    for artifact in &document.artifacts {
        let name = &artifact.target_name;
        if !names.insert(name.as_str()) {
            findings.problem(
                ProblemId::ArtifactTarget,
                name,
                format!("is listed twice in {ARTIFACTS}"),
            );
            continue;
        }
        if !targets.contains_key(name.as_str()) {
            findings.problem(
                ProblemId::ArtifactTarget,
                name,
                "is an artifact and no signed target",
            );
        }
        if let Err(reason) = check_version(&artifact.version) {
            findings.problem(ProblemId::ArtifactVersion, name, reason);
        }
        match Kind::from_tags(&artifact.tags) {
            Ok(kind) => kinds.push((artifact, kind)),
            Err(reason) => findings.problem(ProblemId::ArtifactTags, name, reason),
        }
    }
    check_duplicates(&kinds, findings);
    for (artifact, kind) in &kinds {
        check_one(artifact, kind, version, contents.get(&artifact.target_name), findings);
        let length = targets.get(artifact.target_name.as_str()).map(|target| target.length);
        if length == Some(0) {
            findings.problem(ProblemId::ArtifactContents, &artifact.target_name, "is empty");
        }
    }
    check_installinator(&kinds, version, &targets, contents, findings);
    if complete {
        check_complete(&kinds, findings);
    }
    for name in targets.keys().filter(|name| !names.contains(*name) && **name != ARTIFACTS) {
        if !is_known_extra(name) {
            findings.warning(ProblemId::ExtraTarget, *name, "is a target that is no artifact");
        }
    }
}

fn check_duplicates(kinds: &[(&Artifact, Kind)], findings: &mut Findings) {
    let mut seen: BTreeMap<&Kind, &str> = BTreeMap::new();
    for (artifact, kind) in kinds.iter().filter(|(_, kind)| !kind.may_repeat()) {
        if let Some(first) = seen.insert(kind, &artifact.target_name) {
            let reason = format!("has the same tags as {first} ({})", artifact.tags_text());
            findings.problem(ProblemId::ArtifactDuplicate, &artifact.target_name, reason);
        }
    }
}

/// Compares name, version and tags with each other and with the contents.
fn check_one(
    artifact: &Artifact,
    kind: &Kind,
    system_version: &str,
    contents: Option<&Contents>,
    findings: &mut Findings,
) {
    let name = &artifact.target_name;
    let mut wanted_name = None;
    let mut wanted_version = None;
    match kind {
        Kind::InstallinatorDocument => {
            wanted_name = Some(InstallinatorDocument::target_name(system_version));
            wanted_version = Some(system_version);
        }
        Kind::OsPhase1 { board, variant } => {
            wanted_name = Some(format!("os-{variant}/{board}.rom"));
            wanted_version = Some(system_version);
        }
        Kind::OsPhase2 { variant } => {
            wanted_name = Some(format!("os-{variant}/zfs.img"));
            wanted_version = Some(system_version);
        }
        Kind::Zone { .. } => {
            let file = name.strip_prefix("zones/").filter(|file| !file.contains('/'));
            if file.is_none() {
                findings.problem(
                    ProblemId::ArtifactName,
                    name,
                    "is a zone and not zones/<file name>",
                );
            }
        }
        _ => {}
    }
    if let Some(wanted) = wanted_name.filter(|wanted| wanted != name) {
        findings.problem(
            ProblemId::ArtifactName,
            name,
            format!("should be called {wanted} by its tags"),
        );
    }
    if let Some(wanted) = wanted_version.filter(|wanted| *wanted != artifact.version) {
        let reason = format!(
            "has the version {} and should have the system version {wanted}",
            artifact.version
        );
        findings.problem(ProblemId::ArtifactVersion, name, reason);
    }
    let mut differs = |what: &str, said: &str, real: &str| {
        let reason = format!("{ARTIFACTS} gives its {what} as {said:?}, its contents say {real:?}");
        findings.problem(ProblemId::ArtifactContents, name, reason);
    };
    match (contents, kind) {
        (Some(Contents::Zone(Ok((package, version)))), Kind::Zone { name: zone }) => {
            if package != zone {
                differs("zone_name", zone, package);
            }
            if *version != artifact.version {
                differs("version", &artifact.version, version);
            }
        }
        (Some(Contents::Phase2(Ok(header))), Kind::OsPhase2 { variant }) => {
            phase2::check_use(header, *variant, name, findings);
        }
        (Some(Contents::Described(Ok(described))), kind) => {
            if described.kind.as_ref() != Some(kind) {
                let real = described.kind.as_ref().map(|kind| tags_text(&kind.tags()));
                differs(
                    "tags",
                    &artifact.tags_text(),
                    real.as_deref().unwrap_or("an image for the lab"),
                );
            }
            if described.version != artifact.version {
                differs("version", &artifact.version, &described.version);
            }
            if described.target_name != *name {
                let reason = format!("should be called {} by its contents", described.target_name);
                findings.problem(ProblemId::ArtifactName, name, reason);
            }
        }
        (
            Some(
                Contents::Zone(Err(reason))
                | Contents::Phase2(Err(reason))
                | Contents::Described(Err(reason)),
            ),
            _,
        ) => {
            findings.problem(ProblemId::ArtifactContents, name, reason.clone());
        }
        _ => {}
    }
}

/// The installinator document must list exactly what an installer fetches.
fn check_installinator(
    kinds: &[(&Artifact, Kind)],
    system_version: &str,
    targets: &BTreeMap<&str, &Target>,
    contents: &BTreeMap<String, Contents>,
    findings: &mut Findings,
) {
    let artifacts = kinds.iter().filter_map(|(artifact, kind)| {
        let target = targets.get(artifact.target_name.as_str())?;
        Some((kind, artifact.target_name.as_str(), target.sha256))
    });
    let wanted = InstallinatorDocument::new(system_version, artifacts);
    for (artifact, _) in kinds.iter().filter(|(_, kind)| *kind == Kind::InstallinatorDocument) {
        let name = &artifact.target_name;
        let document = match contents.get(name) {
            Some(Contents::Installinator(Ok(document))) => document,
            Some(Contents::Installinator(Err(reason))) => {
                findings.problem(ProblemId::InstallinatorDocument, name, reason.clone());
                continue;
            }
            _ => continue, // not as signed, which is reported
        };
        if document.system_version != system_version {
            let reason = format!(
                "is for the system version {:?}, the repository is {system_version:?}",
                document.system_version
            );
            findings.problem(ProblemId::InstallinatorDocument, name, reason);
        }
        let there: BTreeSet<_> = document.artifacts.iter().collect();
        let should: BTreeSet<_> = wanted.artifacts.iter().collect();
        for missing in should.difference(&there) {
            let reason = format!("does not list {} with the hash it has", missing.name());
            findings.problem(ProblemId::InstallinatorEntries, name, reason);
        }
        for extra in there.difference(&should) {
            let reason = format!(
                "lists {}, which is no artifact to install with that name and hash",
                extra.name()
            );
            findings.problem(ProblemId::InstallinatorEntries, name, reason);
        }
        if there == should && document.artifacts != wanted.artifacts {
            findings.warning(ProblemId::InstallinatorEntries, name, "is not a sorted set");
        }
    }
}

fn check_complete(kinds: &[(&Artifact, Kind)], findings: &mut Findings) {
    for kind in missing(|kind| kinds.iter().any(|(_, there)| there == kind)) {
        let tags = tags_text(&kind.tags());
        let reason = format!("lists no artifact {tags}");
        findings.problem(ProblemId::ArtifactMissing, ARTIFACTS, reason);
    }
}

/// What a complete repository has and this one has not.
pub(crate) fn missing(is_there: impl Fn(&Kind) -> bool) -> Vec<Kind> {
    let mut wanted = vec![Kind::InstallinatorDocument];
    for variant in [Variant::Host, Variant::Recovery] {
        for board in BOARDS {
            wanted.push(Kind::OsPhase1 { board: board.to_owned(), variant });
        }
        wanted.push(Kind::OsPhase2 { variant });
    }
    wanted.retain(|kind| !is_there(kind));
    wanted
}

/// Targets that an image build adds and that are no artifacts.
fn is_known_extra(name: &str) -> bool {
    // Service processor images for the lab.
    if name.starts_with("sp/") && name.ends_with(".zip") {
        return true;
    }
    ["os-host/", "os-recovery/"].iter().any(|folder| {
        name.strip_prefix(folder).is_some_and(|file| {
            !file.contains('/') && (file == "unix.z" || file == "cpio.z" || file.ends_with(".txt"))
        })
    })
}
