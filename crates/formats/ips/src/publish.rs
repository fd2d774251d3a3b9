//! Publishing: manifests and files become packages of a repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proto::ProtoPath;
use rayon::prelude::*;

use crate::elf::Elf;
use crate::located::Located;
use crate::mogrify::Mogrify;
use crate::validate::{validate, validate_package};
use crate::{Action, ActionKind, Error, Fmri, Manifest, Payload, Repository, Timestamp};

/// How to publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The publisher of packages whose FMRI names none.
    pub publisher: String,
    /// The timestamp of every package's version and of the catalogs; never the clock.
    pub timestamp: Timestamp,
    /// Where the files are: proto directories, the first that has a file wins.
    pub content: Vec<PathBuf>,
    /// Macros and include directories.
    pub mogrify: Mogrify,
    /// Files with transforms that apply to every manifest.
    pub transforms: Vec<PathBuf>,
}

impl Publication {
    /// A publication without macros, includes and transforms.
    pub fn new(publisher: impl Into<String>, timestamp: Timestamp) -> Self {
        Self {
            publisher: publisher.into(),
            timestamp,
            content: Vec::new(),
            mogrify: Mogrify::default(),
            transforms: Vec::new(),
        }
    }
}

/// What is known of the files with payloads.
type Sources = BTreeMap<PathBuf, (Payload, Option<Elf>)>;

/// A package that was checked, with its name.
struct Checked {
    manifest: PathBuf,
    fmri: Fmri,
    actions: Vec<Located>,
    /// For each action, the file with its payload.
    sources: Vec<Option<PathBuf>>,
}

/// Publishes manifests in source form and returns the packages' names, in the order of the
/// manifests. One that a transform aborts is left out.
///
/// Everything is read and checked before the repository changes. Payloads are compressed in
/// parallel on rayon's current pool; the result does not depend on it.
pub fn publish<P: AsRef<Path> + Sync>(
    repository: &mut Repository,
    publication: &Publication,
    manifests: &[P],
) -> Result<Vec<Fmri>, Error> {
    let checked: Vec<Option<Checked>> = manifests
        .par_iter()
        .map(|manifest| check(publication, manifest.as_ref()))
        .collect::<Result<_, _>>()?;
    let packages: Vec<Checked> = checked.into_iter().flatten().collect();

    let mut seen = BTreeMap::new();
    for package in &packages {
        if let Some(first) = seen.insert(&package.fmri, &package.manifest) {
            let problem = format!("{} is also what {} describes", package.fmri, first.display());
            return Err(Error::damaged(&package.manifest, problem));
        }
    }

    // Each publisher has its own store.
    let wanted: BTreeSet<(&str, &PathBuf)> = packages
        .iter()
        .flat_map(|package| {
            let publisher = package.fmri.publisher.as_deref().unwrap_or_default();
            package.sources.iter().flatten().map(move |source| (publisher, source))
        })
        .collect();
    let wanted: Vec<(&str, &PathBuf)> = wanted.into_iter().collect();
    let store = &*repository;
    let payloads: Vec<(Payload, Option<Elf>)> = wanted
        .par_iter()
        .map(|(publisher, source)| {
            let elf = Elf::read(source).map_err(Error::io("read", source))?;
            Ok((store.add_payload(publisher, source)?, elf))
        })
        .collect::<Result<_, Error>>()?;
    let mut stored: BTreeMap<&str, Sources> = BTreeMap::new();
    for ((publisher, source), payload) in wanted.iter().zip(payloads) {
        stored.entry(publisher).or_default().insert((*source).clone(), payload);
    }

    let texts: Vec<String> = packages
        .iter()
        .map(|package| {
            let publisher = package.fmri.publisher.as_deref().unwrap_or_default();
            package.manifest(stored.get(publisher)).to_string()
        })
        .collect();
    for (package, text) in packages.iter().zip(&texts) {
        repository.check_manifest(&package.fmri, text)?;
    }
    for (package, text) in packages.iter().zip(&texts) {
        repository.add_manifest(&package.fmri, text)?;
    }
    repository.write_catalogs(publication.timestamp)?;
    Ok(packages.into_iter().map(|package| package.fmri).collect())
}

fn check(publication: &Publication, manifest: &Path) -> Result<Option<Checked>, Error> {
    let files: Vec<&Path> = std::iter::once(manifest)
        .chain(publication.transforms.iter().map(PathBuf::as_path))
        .collect();
    let Some(mut actions) = publication.mogrify.run(&files)?.actions else { return Ok(None) };
    actions.retain(|located| {
        let signature = located.action.kind == ActionKind::Signature;
        if signature {
            tracing::warn!(
                "{}:{}: a signature does not survive publishing; dropped",
                located.file.display(),
                located.line
            );
        }
        !signature
    });
    for located in &actions {
        validate(located)?;
    }
    validate_package(&actions)?;
    let fmri = name(publication, manifest, &actions)?;
    let is_name = |located: &Located| {
        located.action.kind == ActionKind::Set && located.action.get("name") == Some("pkg.fmri")
    };
    actions.retain(|located| !is_name(located));
    let sources = actions
        .iter()
        .map(|located| {
            let action = &located.action;
            action.kind.has_payload().then(|| source(publication, located)).transpose()
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(Checked { manifest: manifest.to_owned(), fmri, actions, sources }))
}

/// What the manifest calls the package, with publisher and timestamp.
fn name(publication: &Publication, manifest: &Path, actions: &[Located]) -> Result<Fmri, Error> {
    let named: Vec<&Located> = actions
        .iter()
        .filter(|located| {
            located.action.kind == ActionKind::Set && located.action.get("name") == Some("pkg.fmri")
        })
        .collect();
    let located = match named[..] {
        [located] => located,
        [] => {
            return Err(Error::Manifest {
                path: manifest.to_owned(),
                line: 1,
                column: 1,
                problem: "no `set name=pkg.fmri value=...` says which package this is".to_owned(),
            });
        }
        [first, second, ..] => {
            let problem = format!("pkg.fmri is already set on line {}", first.line);
            return Err(second.refuse(problem));
        }
    };
    let mut fmri = Fmri::parse(located.action.get("value").unwrap_or_default())
        .map_err(|error| located.refuse(error.to_string()))?;
    let Some(version) = &mut fmri.version else {
        return Err(located.refuse("the package has no version"));
    };
    version.timestamp = Some(publication.timestamp);
    // So that the name prints as the manifest and the catalogs have it.
    if version.build.is_none() {
        version.build = crate::Version::DEFAULT_BUILD.parse().ok();
    }
    fmri.publisher.get_or_insert_with(|| publication.publisher.clone());
    Ok(fmri)
}

/// The file with an action's payload: what it names, or what lies at its path, in the first
/// content directory that has it.
fn source(publication: &Publication, located: &Located) -> Result<PathBuf, Error> {
    let action = &located.action;
    let named = action.payload.as_deref().filter(|payload| *payload != "NOHASH");
    let name = named.or(action.path()).ok_or_else(|| {
        located.refuse(format!("the {} action does not say where its text is", action.kind))
    })?;
    let path = ProtoPath::new(name).map_err(|error| located.refuse(error.to_string()))?;
    let found = publication
        .content
        .iter()
        .map(|directory| path.below(directory))
        .find(|candidate| candidate.is_file());
    found.ok_or_else(|| {
        let searched: Vec<_> =
            publication.content.iter().map(|directory| directory.display().to_string()).collect();
        located.refuse(format!(
            "the file {path} is in no content directory (searched: {})",
            if searched.is_empty() { "none given".to_owned() } else { searched.join(", ") }
        ))
    })
}

impl Checked {
    /// The manifest as it is published: name first, payloads described.
    fn manifest(&self, payloads: Option<&Sources>) -> Manifest {
        let name = Action::set("pkg.fmri", self.fmri.long());
        let others = self.actions.iter().zip(&self.sources).map(|(located, source)| {
            let mut action = located.action.clone();
            if let (Some(source), Some(payloads)) = (source, payloads)
                && let Some((payload, elf)) = payloads.get(source)
            {
                payload.describe(&mut action);
                if let Some(elf) = elf
                    && action.kind == ActionKind::File
                {
                    elf.describe(&mut action);
                }
            }
            action
        });
        Manifest::from_actions("", std::iter::once(name).chain(others))
    }
}
