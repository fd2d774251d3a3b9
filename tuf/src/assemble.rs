//! Writes a plan: targets first, the documents about them, and the metadata that vouches for all.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;
use serde::Serialize;

use crate::artifact::{Artifact, Kind, tags_text};
use crate::compression::{Method, PROBE};
use crate::documents::{self, ARTIFACTS, ArtifactsDocument, InstallinatorDocument};
use crate::inputs::{PinnedFile, Planned, Source};
use crate::metadata::{self, RootChange};
use crate::output::Output;
use crate::plan::{Plan, collision};
use crate::signing::{Lease, Signing};
use crate::zip::{Streamed, copy, hash_only};
use crate::{Error, Key, verify};

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The zip.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, when asked for.
    pub sha256: Option<Digest>,
    /// The system version.
    pub system_version: String,
    /// All targets, sorted by name.
    pub targets: Vec<BuiltTarget>,
    /// The artifacts, sorted by target name.
    pub artifacts: Vec<Artifact>,
    /// The root, for those who will verify against it: the bytes of `1.root.json`.
    #[serde(skip)]
    pub root_json: Vec<u8>,
    /// Where the root is from.
    pub root: RootChange,
    /// Whether a throwaway key signed; say so loudly.
    pub throwaway_key: bool,
    /// The ids of the keys that signed, sorted.
    pub key_ids: Vec<String>,
    /// When it was built.
    pub build_time: Timestamp,
    /// When the first of its metadata files expires.
    pub expires: Timestamp,
}

impl BuildReport {
    /// The tags of what a complete repository has and this one has not.
    pub fn missing(&self) -> Vec<String> {
        missing(&self.artifacts).iter().map(|kind| tags_text(&kind.tags())).collect()
    }
}

/// What a complete repository has and one with these artifacts has not.
pub(crate) fn missing(artifacts: &[Artifact]) -> Vec<Kind> {
    let there: Vec<Kind> =
        artifacts.iter().flat_map(|artifact| Kind::from_tags(&artifact.tags)).collect();
    verify::missing(|kind| there.contains(kind))
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

/// What is written around the targets of a plan.
pub(crate) struct Frame<'a> {
    pub(crate) system_version: &'a str,
    /// Whether the installinator document is made.
    pub(crate) installinator_document: bool,
    /// The metadata object of the artifacts document.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) out: &'a Path,
    /// Whether the SHA-256 of the whole zip is computed.
    pub(crate) digest: bool,
}

/// Writes and signs a repository of format v2.
pub(crate) fn write(
    plan: &Plan,
    frame: Frame<'_>,
    signing: &Signing<'_>,
    lease: Lease,
) -> Result<BuildReport, Error> {
    let version = frame.system_version;
    plan.check(version)?;
    signing.check(lease)?;
    if signing.consistent() {
        return Err(Error::Unsigned {
            path: frame.out.to_owned(),
            problem:
                "the root asks for consistent snapshots, under which clients look for targets \
                      in folders by different names; give a root with consistent_snapshot false"
                    .to_owned(),
        });
    }
    let mut zip = Repository::new(Output::create(frame.out, lease.build_time)?, false);
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
    if frame.installinator_document {
        let name = InstallinatorDocument::target_name(version);
        let document = InstallinatorDocument::new(version, installed);
        zip.document(&name, &document)?;
        let tags = Kind::InstallinatorDocument.tags();
        artifacts.push(Artifact { target_name: name, version: version.to_owned(), tags });
        artifacts.sort();
    }
    let document = ArtifactsDocument {
        system_version: version.to_owned(),
        artifacts: artifacts.clone(),
        metadata: frame.metadata,
    };
    zip.document(ARTIFACTS, &document)?;

    zip.sign(version, artifacts, signing, lease, frame.digest)
}

/// A second input for a target must have the same contents.
fn check_duplicate(first: &Planned, written: &Streamed, duplicate: &Planned) -> Result<(), Error> {
    let streamed = match &duplicate.source {
        Source::Taken(taken) => taken.streamed(),
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
pub(crate) struct Repository {
    output: Output,
    targets: BTreeMap<String, Streamed>,
    /// Whether targets are named by their hash, which is known when they are written.
    consistent: bool,
}

impl Repository {
    pub(crate) fn new(output: Output, consistent: bool) -> Self {
        Self { output, targets: BTreeMap::new(), consistent }
    }

    /// The name of a target's entry; with room for the hash where that is not known yet.
    fn entry(&self, target: &str, sha256: Option<Digest>) -> String {
        match self.consistent {
            true => format!("repo/targets/{}.{target}", sha256.unwrap_or(Digest([0; 32]))),
            false => format!("repo/targets/{target}"),
        }
    }

    /// Notes a target that was written as the last entry.
    fn note(&mut self, target: &str, streamed: Streamed) {
        if self.consistent {
            let name = self.entry(target, Some(streamed.sha256));
            self.output.rename_last(&name);
        }
        self.targets.insert(target.to_owned(), streamed);
    }

    /// Writes a target from where it is.
    pub(crate) fn planned(&mut self, planned: &Planned) -> Result<Streamed, Error> {
        let entry = self.entry(&planned.target_name, None);
        let streamed = match &planned.source {
            Source::Memory(bytes, _) => self.output.bytes(&entry, bytes)?,
            Source::Taken(taken) => {
                self.output.take_over(&entry, &taken.archive, &taken.entry, taken.sha256)?
            }
            Source::File(file) => self.file(&entry, file)?,
        };
        self.note(&planned.target_name, streamed);
        Ok(streamed)
    }

    fn file(&mut self, entry: &str, file: &PinnedFile) -> Result<Streamed, Error> {
        let mut open = file.open()?;
        let mut first = Vec::new();
        Read::take(&open, PROBE as u64)
            .read_to_end(&mut first)
            .map_err(Error::io("read", &file.path))?;
        let method = Method::choose(&first);
        // Reading and writing fail in one place; the reader notes when it was the input.
        let mut input = Noting { inner: (&first[..]).chain(&mut open), failed: None };
        let result = self.output.entry(entry, method, |out| copy(&mut input, method, out));
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
        Ok(streamed)
    }

    /// Writes a target that `body` makes, in its stored form, with something to say of it.
    pub(crate) fn composite<T: Send>(
        &mut self,
        target: &str,
        body: impl FnOnce(&mut (dyn Write + Send)) -> Result<(Streamed, T), Error> + Send,
    ) -> Result<(Streamed, T), Error> {
        let entry = self.entry(target, None);
        let mut made = None;
        let result = self.output.entry(&entry, Method::Stored, |out| match body(out) {
            Ok((streamed, rest)) => {
                made = Some(Ok(rest));
                Ok(streamed)
            }
            Err(error) => {
                made = Some(Err(error));
                Err(std::io::ErrorKind::Other.into())
            }
        });
        // What the body says comes before what became of it in the zip.
        match made {
            Some(Err(error)) => Err(error),
            Some(Ok(rest)) => {
                let streamed = result?;
                self.note(target, streamed);
                Ok((streamed, rest))
            }
            None => Err(result.err().unwrap_or_else(|| Error::input(target, "was not made"))),
        }
    }

    /// Writes a target from memory.
    pub(crate) fn bytes(&mut self, target: &str, bytes: &[u8]) -> Result<(), Error> {
        let entry = self.entry(target, None);
        let streamed = self.output.bytes(&entry, bytes)?;
        self.note(target, streamed);
        Ok(())
    }

    /// Writes a document.
    pub(crate) fn document<T: Serialize>(&mut self, name: &str, document: &T) -> Result<(), Error> {
        let text = documents::text(document)
            .map_err(|error| Error::io("write", self.output.path())(error.into()))?;
        self.bytes(name, &text)
    }

    /// Writes the metadata that vouches for all targets, and completes the zip.
    pub(crate) fn sign(
        mut self,
        system_version: &str,
        artifacts: Vec<Artifact>,
        signing: &Signing<'_>,
        lease: Lease,
        digest: bool,
    ) -> Result<BuildReport, Error> {
        let signed =
            self.targets.iter().map(|(name, s)| (name.clone(), (s.length, s.sha256))).collect();
        let written = signing.sign(metadata::targets_role(&signed)?, lease)?;
        for (name, text) in &written.files {
            self.output.bytes(&format!("repo/metadata/{name}"), text)?;
        }
        let Self { output, targets, .. } = self;
        let path = output.path().to_owned();
        let (size, sha256) = output.finish(digest)?;
        Ok(BuildReport {
            path,
            size,
            sha256,
            system_version: system_version.to_owned(),
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
            root_json: written.files.get(metadata::ROOT).cloned().unwrap_or_default(),
            root: written.root,
            throwaway_key: signing.keys().iter().any(Key::is_throwaway),
            key_ids: metadata::key_ids(signing.keys())?,
            build_time: lease.build_time,
            expires: written.expires,
        })
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
