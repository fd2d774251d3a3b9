//! `manifest.toml`: what goes into a repository of the older format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::kind::{Make, make};
use crate::Error;

/// What goes into a repository of the older format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Manifest {
    /// The version of the whole; a semantic version.
    pub system_version: String,
    /// The artifacts, in order.
    pub artifacts: Vec<V1Artifact>,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Artifact {
    /// Its kind, e.g. `gimlet_sp`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version; a semantic version.
    pub version: String,
    /// Where it is.
    pub source: V1Source,
}

/// Where an artifact is, or what it is put together from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum V1Source {
    /// One file, taken as it is.
    File(PathBuf),
    /// An OS image.
    Host {
        /// The gimlet's boot ROM.
        gimlet_phase_1: PathBuf,
        /// The cosmo's boot ROM.
        cosmo_phase_1: PathBuf,
        /// The ramdisk image.
        phase_2: PathBuf,
    },
    /// A root of trust.
    Rot {
        /// The image for slot a.
        archive_a: PathBuf,
        /// The image for slot b.
        archive_b: PathBuf,
    },
    /// All zones.
    ControlPlane(Vec<V1Zone>),
}

/// One zone of the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Zone {
    /// The image.
    pub path: PathBuf,
    /// Its name on the rack.
    pub file_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    system_version: String,
    artifact: BTreeMap<String, Vec<WrittenArtifact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenArtifact {
    name: String,
    version: String,
    source: WrittenSource,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum WrittenSource {
    File { path: PathBuf },
    CompositeHost { gimlet_phase_1: WrittenPart, cosmo_phase_1: WrittenPart, phase_2: WrittenPart },
    CompositeRot { archive_a: WrittenPart, archive_b: WrittenPart },
    CompositeControlPlane { zones: Vec<WrittenPart> },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum WrittenPart {
    File { path: PathBuf, file_name: Option<String> },
}

impl WrittenPart {
    fn path(self) -> PathBuf {
        let Self::File { path, .. } = self;
        path
    }
}

impl V1Manifest {
    /// Reads a file. The path of an artifact that is one file is relative to the manifest; those of
    /// parts of a composite are taken as they are.
    ///
    /// # Errors
    ///
    /// When it cannot be read, says something that is not understood, or gives a kind a source that
    /// cannot make it. Sources of the kind `fake` are not made here.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let refuse = |problem: String| Error::input(path, problem);
        let written: Written = toml::from_str(&text)
            .map_err(|error| refuse(error.to_string().trim_end().to_owned()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut artifacts = Vec::new();
        for (kind, list) in written.artifact {
            for one in list {
                let artifact = V1Artifact {
                    kind: kind.clone(),
                    name: one.name,
                    version: one.version,
                    source: source(one.source, base).map_err(refuse)?,
                };
                artifact.check().map_err(refuse)?;
                artifacts.push(artifact);
            }
        }
        Ok(Self { system_version: written.system_version, artifacts })
    }
}

impl V1Artifact {
    /// Whether its source can make its kind.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { kind, name, .. } = self;
        match (make(kind), &self.source) {
            (None, _) => Err(format!("the kind {kind:?} of {name} is not known")),
            (Some(Make::Document), _) => {
                Err(format!("{name}: the installinator document is made by the build"))
            }
            (Some(_), V1Source::File(_))
            | (Some(Make::Os), V1Source::Host { .. })
            | (Some(Make::Rot), V1Source::Rot { .. })
            | (Some(Make::ControlPlane), V1Source::ControlPlane(_)) => Ok(()),
            (Some(_), _) => Err(format!("{name} has a source that cannot make its kind, {kind}")),
        }
    }
}

fn source(written: WrittenSource, base: &Path) -> Result<V1Source, String> {
    Ok(match written {
        WrittenSource::File { path } => V1Source::File(base.join(path)),
        WrittenSource::CompositeHost { gimlet_phase_1, cosmo_phase_1, phase_2 } => V1Source::Host {
            gimlet_phase_1: gimlet_phase_1.path(),
            cosmo_phase_1: cosmo_phase_1.path(),
            phase_2: phase_2.path(),
        },
        WrittenSource::CompositeRot { archive_a, archive_b } => {
            V1Source::Rot { archive_a: archive_a.path(), archive_b: archive_b.path() }
        }
        WrittenSource::CompositeControlPlane { zones } => {
            let zones = zones.into_iter().map(|WrittenPart::File { path, file_name }| {
                let own = || path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
                let file_name =
                    file_name.or_else(own).ok_or(format!("{} has no file name", path.display()))?;
                Ok(V1Zone { path, file_name })
            });
            V1Source::ControlPlane(zones.collect::<Result<_, String>>()?)
        }
    })
}
