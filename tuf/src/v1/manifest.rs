//! `manifest.toml`: what goes into a repository of the older format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::kind::{Make, make, required};
use crate::{Error, fakes};

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
    /// A stand-in, with stand-ins for its parts where the kind has some.
    Fake {
        /// Bytes of each part; firmware has the size that its form needs.
        size: u64,
        /// The version inside; without it that of the artifact.
        data_version: Option<String>,
    },
    /// An OS image.
    Host {
        /// The gimlet's boot ROM.
        gimlet_phase_1: V1Part,
        /// The cosmo's boot ROM.
        cosmo_phase_1: V1Part,
        /// The ramdisk image.
        phase_2: V1Part,
    },
    /// A root of trust.
    Rot {
        /// The image for slot a.
        archive_a: V1Part,
        /// The image for slot b.
        archive_b: V1Part,
    },
    /// All zones.
    ControlPlane(Vec<V1Zone>),
}

/// A part of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum V1Part {
    /// A file.
    File(PathBuf),
    /// A stand-in.
    Fake {
        /// Its bytes; firmware has the size that its form needs.
        size: u64,
    },
}

/// One zone of the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Zone {
    /// The image.
    pub part: V1Part,
    /// Its name on the rack.
    pub file_name: String,
    /// What a stand-in says that it is; a file says it itself.
    pub artifact_name: Option<String>,
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
    Fake { size: Size, data_version: Option<String> },
    CompositeHost { gimlet_phase_1: WrittenPart, cosmo_phase_1: WrittenPart, phase_2: WrittenPart },
    CompositeRot { archive_a: WrittenPart, archive_b: WrittenPart },
    CompositeControlPlane { zones: Vec<WrittenZone> },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum WrittenPart {
    File { path: PathBuf },
    Fake { size: Size },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum WrittenZone {
    File { path: PathBuf, file_name: Option<String> },
    Fake { artifact_name: String, file_name: String, size: Size },
}

impl From<WrittenPart> for V1Part {
    fn from(written: WrittenPart) -> Self {
        match written {
            WrittenPart::File { path } => Self::File(path),
            WrittenPart::Fake { size: Size(size) } => Self::Fake { size },
        }
    }
}

/// Bytes, as a number or with a unit.
#[derive(Deserialize)]
#[serde(try_from = "toml::Value")]
struct Size(u64);

impl TryFrom<toml::Value> for Size {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let bytes = match &value {
            toml::Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            toml::Value::String(text) => {
                let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(at);
                let unit = match unit.trim().to_ascii_lowercase().as_str() {
                    "" | "b" => Some(1),
                    "kib" | "k" => Some(1 << 10),
                    "mib" | "m" => Some(1 << 20),
                    "gib" | "g" => Some(1 << 30),
                    "kb" => Some(1000),
                    "mb" => Some(1_000_000),
                    "gb" => Some(1_000_000_000),
                    _ => None,
                };
                number.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit))
            }
            _ => None,
        };
        match bytes {
            Some(bytes) if bytes <= fakes::LARGEST => Ok(Self(bytes)),
            Some(bytes) => {
                Err(format!("a stand-in of {bytes} bytes; {} are the most", fakes::LARGEST))
            }
            None => Err(format!("{value} is no size; bytes, or such as \"512KiB\"")),
        }
    }
}

impl V1Manifest {
    /// Reads a file. The path of an artifact that is one file is relative to the manifest; those of
    /// parts of a composite are taken as they are.
    ///
    /// # Errors
    ///
    /// When it cannot be read, says something that is not understood, or gives a kind a source that
    /// cannot make it.
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

impl V1Manifest {
    /// The kinds that a complete repository has and this one has not.
    pub fn missing(&self) -> Vec<&'static str> {
        required().filter(|kind| !self.artifacts.iter().any(|a| a.kind == *kind)).collect()
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
            (Some(_), V1Source::File(_) | V1Source::Fake { .. })
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
        WrittenSource::Fake { size: Size(size), data_version } => {
            V1Source::Fake { size, data_version }
        }
        WrittenSource::CompositeHost { gimlet_phase_1, cosmo_phase_1, phase_2 } => V1Source::Host {
            gimlet_phase_1: gimlet_phase_1.into(),
            cosmo_phase_1: cosmo_phase_1.into(),
            phase_2: phase_2.into(),
        },
        WrittenSource::CompositeRot { archive_a, archive_b } => {
            V1Source::Rot { archive_a: archive_a.into(), archive_b: archive_b.into() }
        }
        WrittenSource::CompositeControlPlane { zones } => {
            V1Source::ControlPlane(zones.into_iter().map(zone).collect::<Result<_, String>>()?)
        }
    })
}

fn zone(written: WrittenZone) -> Result<V1Zone, String> {
    match written {
        WrittenZone::File { path, file_name } => {
            let own = || path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let file_name =
                file_name.or_else(own).ok_or(format!("{} has no file name", path.display()))?;
            Ok(V1Zone { part: V1Part::File(path), file_name, artifact_name: None })
        }
        WrittenZone::Fake { artifact_name, file_name, size: Size(size) } => Ok(V1Zone {
            part: V1Part::Fake { size },
            file_name,
            artifact_name: Some(artifact_name),
        }),
    }
}
