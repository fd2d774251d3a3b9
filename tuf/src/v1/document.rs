//! The two documents of the older format.

use std::collections::BTreeMap;

use proto::Digest;
use serde::{Deserialize, Serialize};

use crate::Artifact;
use crate::documents::ArtifactsDocument;

/// `artifacts.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artifacts {
    pub(crate) system_version: String,
    pub(crate) artifacts: Vec<Listed>,
}

/// One artifact of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) target: String,
}

impl Artifacts {
    /// What the newer format would say, for listings and comparisons.
    pub(crate) fn into_newer(self) -> ArtifactsDocument {
        let artifacts = self.artifacts.into_iter().map(|listed| Artifact {
            tags: listed.tags(),
            target_name: listed.target,
            version: listed.version,
        });
        ArtifactsDocument {
            system_version: self.system_version,
            artifacts: artifacts.collect(),
            metadata: BTreeMap::new(),
        }
    }
}

impl Listed {
    /// What the newer format calls tags, for listings and messages.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let pairs = [("kind", &self.kind), ("name", &self.name)];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }
}

/// The installinator document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installinator {
    pub(crate) system_version: String,
    pub(crate) artifacts: Vec<Installed>,
}

/// One thing that an installer fetches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) kind: InstalledKind,
    pub(crate) hash: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InstalledKind {
    HostPhase2,
    MeasurementCorpus,
    ControlPlane,
}

impl Installinator {
    /// The document of what there is, sorted by kind and name.
    pub(crate) fn new(system_version: &str, mut artifacts: Vec<Installed>) -> Self {
        artifacts.sort_by(|a, b| (a.kind, &a.name, a.hash).cmp(&(b.kind, &b.name, b.hash)));
        Self { system_version: system_version.to_owned(), artifacts }
    }

    /// What is fetched of an artifact or of one of its parts.
    pub(crate) fn installed(
        kind: &str,
        name: &str,
        member: Option<&str>,
        hash: Digest,
    ) -> Option<Installed> {
        let (kind, name) = match (kind, member) {
            ("host", Some(member @ "image/zfs.img")) => (InstalledKind::HostPhase2, member),
            ("measurement_corpus", None) => (InstalledKind::MeasurementCorpus, name),
            ("control_plane", None) => (InstalledKind::ControlPlane, name),
            _ => return None,
        };
        Some(Installed { name: name.to_owned(), kind, hash })
    }
}
