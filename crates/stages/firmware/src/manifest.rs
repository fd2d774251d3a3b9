//! Manifests: which images make which artifact, by hashes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A manifest as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) artifact: BTreeMap<KindWord, Vec<Entry>>,
    pub(crate) measurement_corpus: Option<Part>,
}

/// The kinds that manifests know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KindWord {
    GimletRot,
    GimletRotBootloader,
    GimletSp,
    PscRot,
    PscRotBootloader,
    PscSp,
    SwitchRot,
    SwitchRotBootloader,
    SwitchSp,
}

impl KindWord {
    /// The word as it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::GimletRot => "gimlet_rot",
            Self::GimletRotBootloader => "gimlet_rot_bootloader",
            Self::GimletSp => "gimlet_sp",
            Self::PscRot => "psc_rot",
            Self::PscRotBootloader => "psc_rot_bootloader",
            Self::PscSp => "psc_sp",
            Self::SwitchRot => "switch_rot",
            Self::SwitchRotBootloader => "switch_rot_bootloader",
            Self::SwitchSp => "switch_sp",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) source: Source,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Source {
    File { hash: String },
    CompositeRot { archive_a: Part, archive_b: Part },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) hash: String,
}

impl Manifest {
    /// Reads a manifest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}
