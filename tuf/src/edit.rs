//! Changes a repository that is there: artifacts added, replaced and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::artifact::{Kind, tags_text};
use crate::assemble::{self, BuildReport, Frame, missing};
use crate::documents::ARTIFACTS;
use crate::inputs::{self, Input, Planned, Source, Taken};
use crate::plan::Plan;
use crate::signing::{Lease, Signing, SigningRoot};
use crate::verify::{Opened, open_zip};
use crate::{Error, Key};

/// How to change a repository.
#[derive(Debug)]
pub struct EditOptions {
    /// The repository.
    pub zip: PathBuf,
    /// The zip to write; may be the same. It appears when it is complete.
    pub out: PathBuf,
    /// The root to trust; without one the repository's own is taken on trust.
    pub trust_root: Option<PathBuf>,
    /// What is put in; nothing of the same tags or name may be there.
    pub add: Vec<Input>,
    /// What is put in for what has the same tags, which must be there.
    pub replace: Vec<Input>,
    /// The names of targets to take out.
    pub remove: Vec<String>,
    /// Another system version; the OS artifacts, which have it, follow.
    pub system_version: Option<String>,
    /// The keys that sign; only under a new root may there be none, for a throwaway key.
    pub keys: Vec<Key>,
    /// The root to sign under.
    pub root: SigningRoot,
    /// Days from the build time until the metadata expires.
    pub expires_days: u32,
    /// The time of the edit; whole seconds count.
    pub build_time: Timestamp,
    /// Whether an edit may not take away what a complete repository has. What was missing before
    /// may stay so.
    pub complete: bool,
    /// Whether the SHA-256 of the whole zip is computed for the report.
    pub digest: bool,
}

/// Changes a repository.
///
/// What stays is taken over in its compressed form and not looked at: the new metadata signs for
/// the hashes that the old, whose signatures are checked, signed for. The installinator document and
/// the artifacts document are made anew, so that they always say what is there. Versions of the
/// metadata rise as for [`refresh`](crate::refresh()).
///
/// # Errors
///
/// When the repository is not good or of format v1, what is to be replaced or removed is not there
/// or what is to be added is, a rack could not be updated from it any more, the keys are not those of the root, or the result cannot be written.
/// What was there is left alone then.
pub fn edit(options: &EditOptions) -> Result<BuildReport, Error> {
    let opened = open_zip(&options.zip, options.trust_root.as_deref())?;
    let lease = Lease::new(options.build_time, options.expires_days)?
        .after(opened.version)
        .map_err(|problem| refuse(&options.zip, problem))?;
    let signing = Signing::again(&options.keys, &options.root, &opened, &options.zip)?;
    signing.check(lease)?;
    let mut there = Targets::of(&opened, &options.zip)?;
    let version = match &options.system_version {
        Some(version) => version.clone(),
        None => there.system_version.clone(),
    };
    there.set_system_version(&version);
    for name in &options.remove {
        there.remove(name)?;
    }
    let mut fresh = Vec::new();
    for input in &options.replace {
        let planned = inputs::plan(input, &version)?;
        there.make_room(input, &planned)?;
        fresh.extend(planned);
    }
    for input in &options.add {
        fresh.extend(inputs::plan(input, &version)?);
    }

    let mut plan = Plan::default();
    for planned in there.targets.into_values().chain(fresh) {
        plan.add(planned)?;
    }
    if options.complete {
        check_complete(&opened, &plan, &options.zip)?;
    }
    let frame = Frame {
        system_version: &version,
        installinator_document: true,
        metadata: there.metadata,
        out: &options.out,
        digest: options.digest,
    };
    assemble::write(&plan, frame, &signing, lease)
}

/// Nothing that a complete repository has may be gone.
fn check_complete(opened: &Opened, plan: &Plan, zip: &Path) -> Result<(), Error> {
    let before = opened.document.as_ref().map_or(&[][..], |document| &document.artifacts);
    let before = missing(before);
    let gone: Vec<String> = missing(&plan.artifacts())
        .iter()
        .filter(|kind| **kind != Kind::InstallinatorDocument && !before.contains(kind))
        .map(|kind| tags_text(&kind.tags()))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(Error::Incomplete { path: zip.to_owned(), gone: gone.join("; ") })
}

/// What a repository holds beside the documents, to be taken over.
pub(crate) struct Targets {
    pub(crate) system_version: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) targets: BTreeMap<String, Planned>,
    /// The documents, which are made anew.
    documents: BTreeSet<String>,
    zip: PathBuf,
}

impl Targets {
    pub(crate) fn of(opened: &Opened, zip: &Path) -> Result<Self, Error> {
        let Some(document) = opened.document.as_ref().filter(|_| !opened.older) else {
            return Err(refuse(
                zip,
                "it is of format v1, whose composite artifacts cannot be changed; build it again"
                    .to_owned(),
            ));
        };
        let mut artifacts = BTreeMap::new();
        let mut documents = BTreeSet::from([ARTIFACTS.to_owned()]);
        for artifact in &document.artifacts {
            let name = &artifact.target_name;
            let kind = Kind::from_tags(&artifact.tags).map_err(|problem| {
                refuse(zip, format!("{name} is no artifact known here: {problem}"))
            })?;
            if !opened.targets.contains_key(name) {
                let problem = format!("{name} is an artifact and no signed target");
                return Err(refuse(zip, problem));
            }
            if kind == Kind::InstallinatorDocument {
                documents.insert(name.clone());
            }
            if artifacts.insert(name.as_str(), (kind, artifact.version.clone())).is_some() {
                return Err(refuse(zip, format!("{name} is listed twice in {ARTIFACTS}")));
            }
        }
        let mut targets = BTreeMap::new();
        for (name, target) in &opened.targets {
            if documents.contains(name) {
                continue;
            }
            let planned = Planned {
                target_name: name.clone(),
                source: Source::Taken(Taken {
                    archive: opened.archive.clone(),
                    entry: target.entry.clone(),
                    sha256: target.sha256,
                    repository: zip.to_owned(),
                }),
                artifact: artifacts.remove(name.as_str()),
            };
            targets.insert(name.clone(), planned);
        }
        Ok(Self {
            system_version: document.system_version.clone(),
            metadata: document.metadata.clone(),
            targets,
            documents,
            zip: zip.to_owned(),
        })
    }

    /// Gives OS artifacts the system version.
    pub(crate) fn set_system_version(&mut self, version: &str) {
        for planned in self.targets.values_mut() {
            if let Some((Kind::OsPhase1 { .. } | Kind::OsPhase2 { .. }, old)) =
                &mut planned.artifact
            {
                version.clone_into(old);
            }
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), Error> {
        if self.documents.contains(name) {
            let problem =
                format!("{name} cannot be removed: it says what is there and is made anew");
            return Err(refuse(&self.zip, problem));
        }
        match self.targets.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::Target {
                path: self.zip.clone(),
                target: name.to_owned(),
                problem: "no such target, so it cannot be removed".to_owned(),
            }),
        }
    }

    /// Takes out what an input replaces.
    fn make_room(&mut self, input: &Input, planned: &[Planned]) -> Result<(), Error> {
        for fresh in planned {
            let before = self.targets.len();
            self.targets.retain(|_, old| !is_replaced_by(old, fresh));
            if self.targets.len() == before && fresh.artifact.is_some() {
                let problem = format!(
                    "it holds nothing that {} could replace (as {})",
                    fresh.source.path().display(),
                    fresh.target_name
                );
                return Err(refuse(&self.zip, problem));
            }
        }
        // Notes of the old image must not stay with the new one.
        if let Input::OsImages { variant, .. } = input {
            let folder = format!("os-{variant}/");
            self.targets.retain(|name, old| old.artifact.is_some() || !name.starts_with(&folder));
        }
        Ok(())
    }
}

/// Whether a new target stands for an old one: same tags, or the same name where tags say nothing.
fn is_replaced_by(old: &Planned, fresh: &Planned) -> bool {
    match (&old.artifact, &fresh.artifact) {
        (Some((Kind::MeasurementCorpus, _)), Some((Kind::MeasurementCorpus, _))) => {
            corpus_id(&old.target_name) == corpus_id(&fresh.target_name)
        }
        (Some((old, _)), Some((fresh, _))) => old == fresh,
        _ => old.target_name == fresh.target_name,
    }
}

/// The name of a corpus without its hash.
fn corpus_id(target_name: &str) -> &str {
    target_name.rsplit_once('-').map_or(target_name, |(id, _)| id)
}

fn refuse(zip: &Path, problem: String) -> Error {
    Error::Edit { path: zip.to_owned(), problem }
}
