//! Artifacts: what a target is, said in tags.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The tags of an artifact as they are written: `kind` and the further tags of that kind.
pub type Tags = BTreeMap<String, String>;

/// One entry of `artifacts-v2.json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The target that holds it.
    pub target_name: String,
    /// Its version; only ever compared for equality.
    pub version: String,
    /// What it is.
    pub tags: Tags,
}

impl Artifact {
    /// The tags in one line: `kind` first, the rest sorted.
    pub fn tags_text(&self) -> String {
        tags_text(&self.tags)
    }
}

/// Tags in one line: `kind=zone,zone_name=ntp`.
pub(crate) fn tags_text(tags: &Tags) -> String {
    let kind = tags.iter().filter(|(key, _)| *key == "kind");
    let rest = tags.iter().filter(|(key, _)| *key != "kind");
    kind.chain(rest).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Which of the two OS images of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The OS that runs.
    Host,
    /// The OS that installs the host OS: the trampoline. This format says `recovery`.
    Recovery,
}

impl Variant {
    /// The word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Recovery => "recovery",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Variant {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host),
            "recovery" => Ok(Self::Recovery),
            _ => Err(format!("an OS variant is host or recovery, not {text:?}")),
        }
    }
}

/// Which of the two image slots of a root of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Slot a.
    A,
    /// Slot b.
    B,
}

impl Slot {
    /// The word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Slot {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            _ => Err(format!("a slot is a or b, not {text:?}")),
        }
    }
}

/// What an artifact is: the known kinds with their tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The list of what an installer must put on a new host.
    InstallinatorDocument,
    /// Reference measurements (a CoRIM); there may be several.
    MeasurementCorpus,
    /// A boot ROM.
    OsPhase1 {
        /// The board, e.g. `gimlet`.
        board: String,
        /// Which OS image it starts.
        variant: Variant,
    },
    /// A ramdisk image.
    OsPhase2 {
        /// Which OS image it is.
        variant: Variant,
    },
    /// A root of trust image.
    Rot {
        /// The board.
        board: String,
        /// The slot it is linked for.
        slot: Slot,
        /// The hash of its key table, hex; none for an unsigned image.
        rkth: Option<String>,
    },
    /// A root of trust bootloader.
    RotBootloader {
        /// The board.
        board: String,
        /// The hash of its key table, hex; none for an unsigned image.
        rkth: Option<String>,
    },
    /// A service processor image.
    Sp {
        /// The board.
        board: String,
    },
    /// A zone image.
    Zone {
        /// The zone's name, from its `oxide.json`; may differ from the file's name.
        name: String,
    },
}

impl Kind {
    /// The word for the kind, as in the tag `kind`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InstallinatorDocument => "installinator_document",
            Self::MeasurementCorpus => "measurement_corpus",
            Self::OsPhase1 { .. } => "os_phase1",
            Self::OsPhase2 { .. } => "os_phase2",
            Self::Rot { .. } => "rot",
            Self::RotBootloader { .. } => "rot_bootloader",
            Self::Sp { .. } => "sp",
            Self::Zone { .. } => "zone",
        }
    }

    /// The tags that say this kind.
    pub fn tags(&self) -> Tags {
        let mut tags = Tags::from([("kind".to_owned(), self.name().to_owned())]);
        let mut put = |key: &str, value: &str| tags.insert(key.to_owned(), value.to_owned());
        match self {
            Self::InstallinatorDocument | Self::MeasurementCorpus => {}
            Self::OsPhase1 { board, variant } => {
                put("os_board", board);
                put("os_variant", variant.as_str());
            }
            Self::OsPhase2 { variant } => {
                put("os_variant", variant.as_str());
            }
            Self::Rot { board, slot, rkth } => {
                put("rot_board", board);
                put("rot_slot", slot.as_str());
                if let Some(rkth) = rkth {
                    put("rot_rkth", rkth);
                }
            }
            Self::RotBootloader { board, rkth } => {
                put("rot_board", board);
                if let Some(rkth) = rkth {
                    put("rot_rkth", rkth);
                }
            }
            Self::Sp { board } => {
                put("sp_board", board);
            }
            Self::Zone { name } => {
                put("zone_name", name);
            }
        }
        tags
    }

    /// Reads tags back: exactly the tags of a known kind.
    ///
    /// # Errors
    ///
    /// Says which tag is missing, unknown or has a value that the kind does not know.
    pub fn from_tags(tags: &Tags) -> Result<Self, String> {
        let get = |key: &str| match tags.get(key) {
            Some(value) if !value.is_empty() => Ok(value.clone()),
            Some(_) => Err(format!("the tag {key} is empty")),
            None => Err(format!("the tag {key} is missing")),
        };
        let rkth = || match tags.get("rot_rkth") {
            Some(text) if text.len() == 64 && is_lower_hex(text) => Ok(Some(text.clone())),
            Some(text) => Err(format!("the tag rot_rkth is not 64 hex digits: {text:?}")),
            None => Ok(None),
        };
        let kind = match get("kind")?.as_str() {
            "installinator_document" => Self::InstallinatorDocument,
            "measurement_corpus" => Self::MeasurementCorpus,
            "os_phase1" => {
                Self::OsPhase1 { board: get("os_board")?, variant: get("os_variant")?.parse()? }
            }
            "os_phase2" => Self::OsPhase2 { variant: get("os_variant")?.parse()? },
            "rot" => Self::Rot {
                board: get("rot_board")?,
                slot: get("rot_slot")?.parse()?,
                rkth: rkth()?,
            },
            "rot_bootloader" => Self::RotBootloader { board: get("rot_board")?, rkth: rkth()? },
            "sp" => Self::Sp { board: get("sp_board")? },
            "zone" => Self::Zone { name: get("zone_name")? },
            other => return Err(format!("the kind {other:?} is unknown")),
        };
        match tags.keys().find(|key| !kind.tags().contains_key(*key)) {
            Some(extra) => Err(format!("the kind {} has no tag {extra:?}", kind.name())),
            None => Ok(kind),
        }
    }

    /// Whether a repository may hold several artifacts with these tags.
    pub fn may_repeat(&self) -> bool {
        matches!(self, Self::MeasurementCorpus)
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        let word = "[a-zA-Z0-9_-]{1,12}";
        let variant = prop_oneof![Just(Variant::Host), Just(Variant::Recovery)];
        let slot = prop_oneof![Just(Slot::A), Just(Slot::B)];
        let rkth = proptest::option::of("[0-9a-f]{64}");
        prop_oneof![
            Just(Kind::InstallinatorDocument),
            Just(Kind::MeasurementCorpus),
            (word, variant.clone()).prop_map(|(board, variant)| Kind::OsPhase1 { board, variant }),
            variant.prop_map(|variant| Kind::OsPhase2 { variant }),
            (word, slot, rkth.clone()).prop_map(|(board, slot, rkth)| Kind::Rot {
                board,
                slot,
                rkth
            }),
            (word, rkth).prop_map(|(board, rkth)| Kind::RotBootloader { board, rkth }),
            word.prop_map(|board| Kind::Sp { board }),
            word.prop_map(|name| Kind::Zone { name }),
        ]
    }

    proptest! {
        #[test]
        fn tags_round_trip(kind in kinds()) {
            prop_assert_eq!(Kind::from_tags(&kind.tags()), Ok(kind));
        }

        #[test]
        fn a_missing_tag_is_said(kind in kinds(), at in any::<prop::sample::Index>()) {
            let mut tags = kind.tags();
            let key = tags.keys().nth(at.index(tags.len())).cloned().unwrap();
            tags.remove(&key);
            if key != "rot_rkth" {
                prop_assert!(Kind::from_tags(&tags).unwrap_err().contains(&key));
            }
        }
    }

    #[test]
    fn unknown_tags_are_refused() {
        let mut tags = Kind::Zone { name: "ntp".to_owned() }.tags();
        assert_eq!(tags_text(&tags), "kind=zone,zone_name=ntp");
        tags.insert("colour".to_owned(), "blue".to_owned());
        assert!(Kind::from_tags(&tags).unwrap_err().contains("colour"));
        let tags = Tags::from([("kind".to_owned(), "toaster".to_owned())]);
        assert!(Kind::from_tags(&tags).unwrap_err().contains("toaster"));
    }
}
