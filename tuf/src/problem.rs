//! What can be wrong with a repository, as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// What kind of thing; stable across versions of this program.
    pub id: ProblemId,
    /// The entry of the zip, the metadata file, the target or the artifact that it is about.
    pub subject: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    pub(crate) fn new(
        id: ProblemId,
        subject: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { id, subject: subject.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.subject, self.reason, self.id)
    }
}

/// A line for each thing that is wrong, with all that it is wrong with.
pub fn problem_lines(problems: &[Problem]) -> Vec<String> {
    let mut subjects: BTreeMap<(ProblemId, &str), Vec<&str>> = BTreeMap::new();
    for Problem { id, subject, reason } in problems {
        subjects.entry((*id, reason)).or_default().push(subject);
    }
    let line = |((id, reason), subjects): ((ProblemId, &str), Vec<&str>)| {
        format!("{}: {reason} [{id}]", subjects.join(", "))
    };
    subjects.into_iter().map(line).collect()
}

macro_rules! problem_ids {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)*) => {
        /// The kinds of problems, each with a text that never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemId {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl ProblemId {
            /// Every kind, in the order of the checks.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What is checked, in a sentence.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc,)+).trim_ascii(),)*
                }
            }
        }
    };
}

problem_ids! {
    /// The last 22 bytes of a zip are its end record, with no comment and nothing after it.
    ZipEnd = "zip-end",
    /// The central directory lies where the end record says, is as long as it says and holds as
    /// many entries.
    ZipDirectory = "zip-directory",
    /// Archives with several disks or zip64 records are refused.
    ZipUnsupported = "zip-unsupported",
    /// Entry names are relative, plain ASCII and in `repo/metadata/` or `repo/targets/`.
    ZipName = "zip-name",
    /// A name occurs once, also when case is ignored, and is not a file and a folder at once.
    ZipDuplicate = "zip-duplicate",
    /// Entries are plain files: no symlinks, folders or devices.
    ZipType = "zip-type",
    /// Flags, comments, extra fields and disk numbers of entries hold nothing unexpected.
    ZipHeader = "zip-header",
    /// Entries are stored or deflated.
    ZipMethod = "zip-method",
    /// Sizes are possible for the method and within the limits.
    ZipSize = "zip-size",
    /// The local header says what the central directory says.
    ZipLocal = "zip-local",
    /// No two entries share bytes of the archive.
    ZipOverlap = "zip-overlap",
    /// No byte of the archive belongs to nothing.
    ZipGap = "zip-gap",
    /// The data decodes to exactly the length and CRC-32 that the headers give.
    ZipData = "zip-data",
    /// Every entry is vouched for by signed metadata.
    ZipUnsigned = "zip-unsigned",
    /// All metadata files that TUF wants are there.
    TufMissing = "tuf-missing",
    /// Metadata is JSON of the form that TUF gives, no member twice.
    TufForm = "tuf-form",
    /// Key ids are the hashes of their keys; a key has one id.
    TufKey = "tuf-key",
    /// Enough distinct keys of the role have signed the metadata.
    TufSignature = "tuf-signature",
    /// Roots form a chain from version 1, each signed by the one before it and by itself.
    TufRoot = "tuf-root",
    /// The root in the zip is the trusted one.
    TufTrust = "tuf-trust",
    /// Versions in the timestamp and the snapshot are those of the files.
    TufVersion = "tuf-version",
    /// Lengths and hashes in the timestamp and the snapshot are those of the files.
    TufHash = "tuf-hash",
    /// The metadata has not expired.
    TufExpired = "tuf-expired",
    /// The expiry is written in whole seconds.
    TufExpiresForm = "tuf-expires-form",
    /// Delegations do not occur in this format.
    TufDelegation = "tuf-delegation",
    /// Target names are relative, plain ASCII and unambiguous.
    TargetName = "target-name",
    /// Every target is in the zip.
    TargetMissing = "target-missing",
    /// A target is exactly as long as its signed length.
    TargetLength = "target-length",
    /// Every signed hash of a target is right, and SHA-256 is among them.
    TargetHash = "target-hash",
    /// `artifacts-v2.json` is there and understood.
    ArtifactsDocument = "artifacts-document",
    /// The system version is a semantic version.
    SystemVersion = "system-version",
    /// Every artifact is a signed target, listed once.
    ArtifactTarget = "artifact-target",
    /// Artifact versions are 1 to 63 of `a-zA-Z0-9._+-`, and the system version where the kind
    /// says so.
    ArtifactVersion = "artifact-version",
    /// Artifacts have exactly the tags of a known kind.
    ArtifactTags = "artifact-tags",
    /// No two artifacts have the same tags, except measurement corpora.
    ArtifactDuplicate = "artifact-duplicate",
    /// A complete repository has an installinator document, and phase 1 of each board and phase 2
    /// of both OS images.
    ArtifactMissing = "artifact-missing",
    /// Artifacts have the target names of their kind.
    ArtifactName = "artifact-name",
    /// Tags and version of an artifact are those that its contents say.
    ArtifactContents = "artifact-contents",
    /// No artifact is a stand-in of the published tool, from which no rack can boot.
    ArtifactStandIn = "artifact-stand-in",
    /// The installinator document is understood and is that of this system version.
    InstallinatorDocument = "installinator-document",
    /// The installinator document lists exactly what an installer must fetch.
    InstallinatorEntries = "installinator-entries",
    /// A target that is no artifact and none of the known extra targets.
    ExtraTarget = "extra-target",
}

impl fmt::Display for ProblemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ProblemId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Problems and warnings as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Findings {
    pub(crate) fn problem(
        &mut self,
        id: ProblemId,
        subject: impl Into<String>,
        reason: impl Into<String>,
    ) {
        self.problems.push(Problem::new(id, subject, reason));
    }

    pub(crate) fn warning(
        &mut self,
        id: ProblemId,
        subject: impl Into<String>,
        reason: impl Into<String>,
    ) {
        self.warnings.push(Problem::new(id, subject, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_of_several_things_is_one_line() {
        let problem = |id, subject: &str| Problem::new(id, subject, "is wrong");
        let problems = [
            problem(ProblemId::ZipName, "a"),
            problem(ProblemId::ZipType, "a"),
            problem(ProblemId::ZipName, "b"),
        ];
        let lines = problem_lines(&problems);
        assert_eq!(lines, ["a, b: is wrong [zip-name]", "a: is wrong [zip-type]"]);
    }

    #[test]
    fn ids_are_distinct_and_explained() {
        let mut texts: Vec<_> = ProblemId::ALL.iter().map(|id| id.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ProblemId::ALL.len());
        assert!(ProblemId::ALL.iter().all(|id| id.explanation().ends_with('.')));
    }
}
