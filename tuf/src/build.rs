//! Builds a repository.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io::Read;
use std::path::PathBuf;

use jiff::Timestamp;
use proto::Digest;
use serde::Serialize;

use crate::artifact::{Artifact, Kind, tags_text};
use crate::compression::{Method, PROBE};
use crate::documents::{self, ARTIFACTS, ArtifactsDocument, InstallinatorDocument};
use crate::inputs::{self, Input, Planned, Source};
use crate::output::Output;
use crate::zip::{Streamed, copy, hash_only};
use crate::{Error, Key, metadata, names};

/// What to build.
#[derive(Debug)]
pub struct BuildOptions {
    /// The version of the whole; a semantic version.
    pub system_version: String,
    /// The artifacts; their order has no effect.
    pub inputs: Vec<Input>,
    /// The keys that sign; with none, a throwaway key is made. Each is listed for every role.
    pub keys: Vec<Key>,
    /// Days from the build time until the metadata expires; 7 is usual.
    pub expires_days: u32,
    /// When the repository is built: the time of all entries, the version of the metadata and the
    /// start of its validity. Whole seconds count.
    pub build_time: Timestamp,
    /// The zip to write. It appears when it is complete; a file that is there is replaced.
    pub out: PathBuf,
    /// Whether the installinator document is made; only tests leave it out.
    pub installinator_document: bool,
}

/// What was built.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The zip.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// All targets, sorted by name.
    pub targets: Vec<BuiltTarget>,
    /// The artifacts, sorted by target name.
    pub artifacts: Vec<Artifact>,
    /// The root, for those who will verify against it: the bytes of `1.root.json`.
    #[serde(skip)]
    pub root_json: Vec<u8>,
    /// Whether a throwaway key signed; say so loudly.
    pub throwaway_key: bool,
    /// The ids of the keys that signed, sorted.
    pub key_ids: Vec<String>,
    /// When it was built.
    pub build_time: Timestamp,
    /// When its metadata expires.
    pub expires: Timestamp,
}

/// One target that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuiltTarget {
    /// Its name below `repo/targets/`.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Bytes it takes in the zip.
    pub stored: u64,
}

/// Builds, signs and writes a repository.
///
/// Targets are written first, each input read once and sorted by name, the documents and the
/// metadata last. Memory: about 20 MiB and a few hundred bytes per target.
///
/// # Errors
///
/// When an input is not what it was given as or changes meanwhile, two inputs collide, a version
/// or time cannot be expressed, a key does not sign, or the zip cannot be written. Nothing is left
/// behind then.
pub fn build(options: &BuildOptions) -> Result<BuildReport, Error> {
    let version = &options.system_version;
    names::check_system_version(version).map_err(|problem| Error::Version {
        what: "the system version".to_owned(),
        version: version.clone(),
        problem,
    })?;
    let (expires, metadata_version) = metadata::expiry(options.build_time, options.expires_days)?;
    let throwaway;
    let keys = if options.keys.is_empty() {
        throwaway = [Key::throwaway()?];
        &throwaway
    } else {
        &options.keys[..]
    };

    let plan = Plan::new(options)?;
    let mut zip = Repository {
        output: Output::create(&options.out, options.build_time)?,
        targets: BTreeMap::new(),
    };

    let mut installed = Vec::new();
    for (name, (planned, duplicates)) in &plan.targets {
        let streamed = zip.planned(planned)?;
        for duplicate in duplicates {
            check_duplicate(planned, &streamed, duplicate)?;
        }
        if let Some((kind, _)) = &planned.artifact {
            installed.push((kind, name.as_str(), streamed.sha256));
        }
    }
    let mut artifacts = plan.artifacts();
    if options.installinator_document {
        let name = InstallinatorDocument::target_name(version);
        let document = InstallinatorDocument::new(version, installed);
        zip.document(&name, &document)?;
        let tags = Kind::InstallinatorDocument.tags();
        artifacts.push(Artifact { target_name: name, version: version.clone(), tags });
        artifacts.sort();
    }
    let document = ArtifactsDocument {
        system_version: version.clone(),
        artifacts: artifacts.clone(),
        metadata: BTreeMap::new(),
    };
    zip.document(ARTIFACTS, &document)?;

    let signed = zip.targets.iter().map(|(name, s)| (name.clone(), (s.length, s.sha256))).collect();
    let role = metadata::targets_role(&signed)?;
    let files = metadata::write(keys, role, expires, metadata_version)?.files;
    for (name, text) in &files {
        zip.output.bytes(&format!("repo/metadata/{name}"), text)?;
    }
    let Repository { output, targets } = zip;
    let (size, sha256) = output.finish()?;

    let key_ids = metadata::key_ids(keys)?;
    Ok(BuildReport {
        path: options.out.clone(),
        size,
        sha256,
        targets: targets
            .into_iter()
            .map(|(name, s)| BuiltTarget {
                name,
                length: s.length,
                sha256: s.sha256,
                stored: s.stored,
            })
            .collect(),
        artifacts,
        root_json: files.get(metadata::ROOT).cloned().unwrap_or_default(),
        throwaway_key: keys.iter().any(Key::is_throwaway),
        key_ids,
        build_time: options.build_time,
        expires,
    })
}

/// All targets by name, each with further inputs that claim to be the same.
struct Plan {
    targets: BTreeMap<String, (Planned, Vec<Planned>)>,
}

impl Plan {
    fn new(options: &BuildOptions) -> Result<Self, Error> {
        let mut targets: BTreeMap<String, (Planned, Vec<Planned>)> = BTreeMap::new();
        for input in &options.inputs {
            for planned in inputs::plan(input, &options.system_version)? {
                match targets.entry(planned.target_name.clone()) {
                    Entry::Vacant(place) => {
                        place.insert((planned, Vec::new()));
                    }
                    Entry::Occupied(mut place) => {
                        let (first, more) = place.get_mut();
                        if first.artifact != planned.artifact {
                            return Err(collision(first, &planned, "with other tags or versions"));
                        }
                        more.push(planned);
                    }
                }
            }
        }
        let plan = Self { targets };
        plan.check_tags()?;
        plan.check_reserved(&options.system_version)?;
        Ok(plan)
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let of = |(planned, _): &(Planned, Vec<Planned>)| {
            planned.artifact.as_ref().map(|(kind, version)| Artifact {
                target_name: planned.target_name.clone(),
                version: version.clone(),
                tags: kind.tags(),
            })
        };
        self.targets.values().filter_map(of).collect()
    }

    /// No two artifacts may have the same tags.
    fn check_tags(&self) -> Result<(), Error> {
        let mut seen: BTreeMap<&Kind, &str> = BTreeMap::new();
        for (planned, _) in self.targets.values() {
            let Some((kind, _)) = &planned.artifact else { continue };
            if kind.may_repeat() {
                continue;
            }
            if let Some(first) = seen.insert(kind, &planned.target_name) {
                return Err(Error::SameTags {
                    first: first.to_owned(),
                    second: planned.target_name.clone(),
                    tags: tags_text(&kind.tags()),
                });
            }
        }
        Ok(())
    }

    /// Nobody else may have the names of the documents, and no two names may differ in case only.
    fn check_reserved(&self, system_version: &str) -> Result<(), Error> {
        let reserved = [
            ARTIFACTS,
            documents::ARTIFACTS_V1,
            &InstallinatorDocument::target_name(system_version),
        ];
        let mut folded: BTreeMap<String, &Planned> = BTreeMap::new();
        for (name, (planned, _)) in &self.targets {
            if reserved.contains(&name.as_str()) {
                let problem = format!("would become the target {name}, which is made by the build");
                return Err(Error::input(planned.source.path(), problem));
            }
            if let Some(other) = folded.insert(name.to_ascii_lowercase(), planned) {
                return Err(collision(other, planned, "in names that differ in case only"));
            }
        }
        Ok(())
    }
}

fn collision(first: &Planned, second: &Planned, problem: &str) -> Error {
    Error::Collision {
        target: second.target_name.clone(),
        first: first.source.path().to_owned(),
        second: second.source.path().to_owned(),
        problem: problem.to_owned(),
    }
}

/// A second input for a target must have the same contents.
fn check_duplicate(first: &Planned, written: &Streamed, duplicate: &Planned) -> Result<(), Error> {
    let streamed = match &duplicate.source {
        Source::Memory(bytes, path) => {
            hash_only(&mut &bytes[..]).map_err(Error::io("read", path))?
        }
        Source::File(file) => {
            let mut open = file.open()?;
            let streamed = hash_only(&mut open).map_err(Error::io("read", &file.path))?;
            file.check(&open)?;
            streamed
        }
    };
    if (streamed.length, streamed.sha256) == (written.length, written.sha256) {
        return Ok(());
    }
    Err(collision(first, duplicate, "with different contents"))
}

/// A zip that notes the targets written to it.
struct Repository {
    output: Output,
    targets: BTreeMap<String, Streamed>,
}

impl Repository {
    fn planned(&mut self, planned: &Planned) -> Result<Streamed, Error> {
        let entry = format!("repo/targets/{}", planned.target_name);
        let streamed = match &planned.source {
            Source::Memory(bytes, _) => self.output.bytes(&entry, bytes)?,
            Source::File(file) => {
                let mut open = file.open()?;
                let mut first = Vec::new();
                let mut source = &open;
                source
                    .by_ref()
                    .take(PROBE as u64)
                    .read_to_end(&mut first)
                    .map_err(Error::io("read", &file.path))?;
                let method = Method::choose(&first);
                // Reading and writing fail in one place; the reader notes when it was the input.
                let mut input = Noting { inner: (&first[..]).chain(&mut open), failed: None };
                let result = self.output.entry(&entry, method, |out| copy(&mut input, method, out));
                if let Some(error) = input.failed.take() {
                    return Err(Error::io("read", &file.path)(error));
                }
                let streamed = result?;
                file.check(&open)?;
                let same = file.digest.is_none_or(|digest| digest == streamed.sha256);
                if !same || streamed.length != file.length() {
                    return Err(Error::Changed {
                        path: file.path.clone(),
                        problem: "it has other contents than when it was looked at".to_owned(),
                    });
                }
                streamed
            }
        };
        self.targets.insert(planned.target_name.clone(), streamed);
        Ok(streamed)
    }

    fn document<T: Serialize>(&mut self, name: &str, document: &T) -> Result<(), Error> {
        let text = documents::text(document)
            .map_err(|error| Error::io("write", self.output.path())(error.into()))?;
        let streamed = self.output.bytes(&format!("repo/targets/{name}"), &text)?;
        self.targets.insert(name.to_owned(), streamed);
        Ok(())
    }
}

/// A reader that keeps its error, so that it is told from one of the writer.
struct Noting<R> {
    inner: R,
    failed: Option<std::io::Error>,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}
