//! Applying a plan to an image that is only foreseen.

use std::path::Path;

use proto::{Entry, Proto, ProtoPath};

use super::{Context, Failure, Run};
use crate::step::{PackageStep, Removal};
use crate::{Error, Finding, Origin, Plan, PlannedStep, Section, Severity, Step};

/// A step that will not find what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// Where, and what is wrong.
    pub finding: Finding,
    /// The path it is about, if it is one that is not there.
    pub missing: Option<Missing>,
}

/// A path that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The path.
    pub path: ProtoPath,
    /// The step that removed it before.
    pub removed: Option<Origin>,
    /// The path of the image that is most like it.
    pub nearest: Option<ProtoPath>,
}

impl Rehearsed {
    /// A list that names a path which is not in a proto.
    pub fn missing(
        proto: &Proto,
        file: &Path,
        line: usize,
        message: impl Into<String>,
        path: &ProtoPath,
    ) -> Self {
        let (file, message) = (file.to_owned(), message.into());
        let finding = Finding { file, line, severity: Severity::Error, message };
        let nearest = nearest(proto, path);
        Self { finding, missing: Some(Missing { path: path.clone(), removed: None, nearest }) }
    }
}

/// Applies a plan to a proto whose files have no contents yet, as a package system makes it that
/// fetches nothing, and says which of the steps would fail. What a step would make of contents is
/// not seen; archives are packed and unpacked as lists of paths.
///
/// The proto becomes what the steps that work make of it, and snapshots and archives get into the
/// context, so that the next template can be rehearsed. After a package step that fails, nothing
/// can be said of those that follow.
pub fn rehearse(
    plan: &Plan,
    proto: &mut Proto,
    context: &mut Context<'_>,
) -> Result<Vec<Rehearsed>, Error> {
    let mut run = Run::begin(plan, proto, context, true)?;
    let mut found = Vec::new();
    let mut removed: Vec<(ProtoPath, Origin)> = Vec::new();
    for planned in &plan.steps {
        let removal = match &planned.step {
            Step::RemoveFiles { what: Removal::File(path) | Removal::Directory(path), .. } => {
                Some(path.clone())
            }
            _ => None,
        };
        match run.step(planned) {
            Ok(()) => removed.extend(removal.map(|path| (path, planned.origin.clone()))),
            Err(failure) => {
                found.push(run.finding(planned, failure, &removed));
                if let Step::Packages(step) = &planned.step
                    && !matches!(step, PackageStep::PurgeHistory)
                {
                    break;
                }
            }
        }
    }
    let Run { image, context, .. } = run;
    if let Some(Section::Dataset(dataset)) = &plan.section
        && let Some(snapshot) = &dataset.output_snapshot
    {
        context.snapshot(&dataset.name, snapshot, image.proto.clone());
    }
    *proto = image.proto;
    Ok(found)
}

impl Run<'_, '_, '_> {
    fn finding(
        &self,
        planned: &PlannedStep,
        failure: Failure,
        removed: &[(ProtoPath, Origin)],
    ) -> Rehearsed {
        let mut message = format!("step `{}`: {}", planned.step.word(), failure.reason);
        let mut source = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(error) = source {
            let said = error.to_string();
            if !message.contains(&said) {
                message.push_str(&format!(": {said}"));
            }
            source = error.source();
        }
        let missing = failure.missing.map(|path| Missing {
            removed: removed
                .iter()
                .find(|(gone, _)| gone.starts_with(&path) || path.starts_with(gone))
                .map(|(_, origin)| origin.clone()),
            nearest: nearest(&self.image.proto, &path),
            path,
        });
        Rehearsed {
            finding: Finding {
                file: planned.origin.file.to_path_buf(),
                line: planned.origin.line,
                severity: Severity::Error,
                message,
            },
            missing,
        }
    }
}

/// The path most like one that is not there: of those with the same name if there are any, else of
/// those in the deepest directory that is there.
fn nearest(proto: &Proto, path: &ProtoPath) -> Option<ProtoPath> {
    let text = path.to_string();
    let manifest = &proto.manifest;
    let name = path.file_name();
    let same_name = manifest.iter().map(|(path, _)| path).filter(|p| p.file_name() == name);
    let distance = |candidate: &ProtoPath| strsim::osa_distance(&text, &candidate.to_string());
    if let Some(found) = same_name.min_by_key(|candidate| distance(candidate)) {
        return Some(found.clone());
    }
    let mut above = path.parent();
    while let Some(directory) = above {
        if manifest.get(&directory).is_some_and(Entry::is_directory) && !directory.is_root() {
            return manifest
                .subtree(&directory)
                .map(|(path, _)| path)
                .filter(|candidate| **candidate != directory)
                .map(|candidate| (distance(candidate), candidate))
                .filter(|(distance, _)| distance * 4 <= text.len())
                .min()
                .map(|(_, candidate)| candidate.clone());
        }
        above = directory.parent();
    }
    None
}
