//! The two documents that say what is in a repository: `artifacts-v2.json` and the installinator
//! document.

use std::collections::{BTreeMap, BTreeSet};

use proto::Digest;
use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, Kind, Variant};

/// The target that holds the [`ArtifactsDocument`].
pub(crate) const ARTIFACTS: &str = "artifacts-v2.json";

/// The same of the older format.
pub(crate) const ARTIFACTS_V1: &str = "artifacts.json";

/// `artifacts-v2.json`: which targets are artifacts, and of what kind and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactsDocument {
    /// The version of the whole; a semantic version.
    pub system_version: String,
    /// The artifacts, sorted by target name when written.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// Nothing is defined here yet.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// The installinator document: what an installer must fetch to set up a new host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallinatorDocument {
    /// The version of the repository.
    pub system_version: String,
    /// What to fetch, as a sorted set.
    pub artifacts: Vec<InstallinatorArtifact>,
}

/// One thing that an installer fetches. The order of the variants is the order in the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InstallinatorArtifact {
    /// The ramdisk image of the host OS.
    HostPhase2 {
        /// Its SHA-256.
        hash: Digest,
        /// The last segment of its target name.
        name: String,
    },
    /// Reference measurements.
    MeasurementCorpus {
        /// Their SHA-256.
        hash: Digest,
        /// The last segment of their target name.
        name: String,
    },
    /// A zone image.
    Zone {
        /// The zone's name.
        zone_name: String,
        /// Its SHA-256.
        hash: Digest,
        /// The last segment of its target name.
        name: String,
    },
}

impl InstallinatorArtifact {
    /// What the document says about an artifact of this kind; nothing for kinds that an installer
    /// does not fetch.
    pub(crate) fn of(kind: &Kind, target_name: &str, hash: Digest) -> Option<Self> {
        let name = target_name.rsplit('/').next().unwrap_or(target_name).to_owned();
        match kind {
            Kind::OsPhase2 { variant: Variant::Host } => Some(Self::HostPhase2 { hash, name }),
            Kind::MeasurementCorpus => Some(Self::MeasurementCorpus { hash, name }),
            Kind::Zone { name: zone_name } => {
                Some(Self::Zone { zone_name: zone_name.clone(), hash, name })
            }
            _ => None,
        }
    }

    /// The file name that the document gives.
    pub fn name(&self) -> &str {
        match self {
            Self::HostPhase2 { name, .. }
            | Self::MeasurementCorpus { name, .. }
            | Self::Zone { name, .. } => name,
        }
    }
}

impl InstallinatorDocument {
    /// The target name for a system version.
    pub fn target_name(system_version: &str) -> String {
        format!("installinator_document-{system_version}.json")
    }

    /// The document for a set of artifacts with their hashes.
    pub(crate) fn new<'a>(
        system_version: &str,
        artifacts: impl IntoIterator<Item = (&'a Kind, &'a str, Digest)>,
    ) -> Self {
        let set: BTreeSet<InstallinatorArtifact> = artifacts
            .into_iter()
            .filter_map(|(kind, name, hash)| InstallinatorArtifact::of(kind, name, hash))
            .collect();
        Self { system_version: system_version.to_owned(), artifacts: set.into_iter().collect() }
    }
}

/// A document as pretty text, its members in the order of the type.
pub(crate) fn text<T: Serialize>(document: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installinator_lists_what_is_installed() {
        let hash = Digest([7; 32]);
        let kinds = [
            (Kind::Zone { name: "ntp".into() }, "zones/ntp.tar.gz"),
            (Kind::Zone { name: "crucible-zone".into() }, "zones/crucible.tar.gz"),
            (Kind::OsPhase2 { variant: Variant::Recovery }, "os-recovery/zfs.img"),
            (Kind::OsPhase2 { variant: Variant::Host }, "os-host/zfs.img"),
            (Kind::Sp { board: "x".into() }, "sp/x.zip"),
            (Kind::MeasurementCorpus, "measurements/all-sp.cbor"),
        ];
        let document = InstallinatorDocument::new(
            "9.0.0",
            kinds.iter().map(|(kind, name)| (kind, *name, hash)),
        );
        let names: Vec<_> = document.artifacts.iter().map(InstallinatorArtifact::name).collect();
        assert_eq!(names, ["zfs.img", "all-sp.cbor", "crucible.tar.gz", "ntp.tar.gz"]);
        let json = String::from_utf8(text(&document).unwrap()).unwrap();
        assert!(json.starts_with("{\n  \"system_version\": \"9.0.0\",\n  \"artifacts\": [\n    {\n      \"kind\": \"host_phase2\",\n      \"hash\": \"0707"));
        assert!(json.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<InstallinatorDocument>(&json).unwrap(), document);
    }
}
