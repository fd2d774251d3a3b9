//! `oxide.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of the first member.
pub const METADATA_NAME: &str = "oxide.json";

/// The only version there is.
const VERSION: &str = "1";

/// Longer metadata are refused by the reader.
pub(crate) const LONGEST: u64 = 64 << 10;

/// What an archive is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveType {
    /// The files that every omicron1 zone begins with.
    Baseline,
    /// A zone image, put over a baseline.
    Layer,
    /// A host or trampoline image.
    Os,
}

/// The content of `oxide.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `t`.
    pub archive_type: ArchiveType,
    /// `i`: free information, by key.
    pub info: BTreeMap<String, String>,
    /// `pkg`: the name of the zone package, in zone images.
    pub package: Option<String>,
    /// `version`: its version.
    pub version: Option<String>,
}

/// A key of the information map that writers must not use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key `{0}` of the information map is shorter than 3 bytes; short keys are reserved, so \
     give it a longer one"
)]
pub struct InfoError(pub String);

/// Keys in alphabetical order, which is the order they are written in.
#[derive(Serialize, Deserialize)]
struct Json {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    i: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pkg: Option<String>,
    t: ArchiveType,
    v: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl Metadata {
    /// Metadata without further information.
    pub fn new(archive_type: ArchiveType) -> Self {
        Self { archive_type, info: BTreeMap::new(), package: None, version: None }
    }

    /// The same with one more piece of information.
    pub fn with_info(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InfoError> {
        let key = key.into();
        check_key(&key)?;
        self.info.insert(key, value.into());
        Ok(self)
    }

    /// The same with the name and version of a zone package.
    pub fn with_package(self, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { package: Some(name.into()), version: Some(version.into()), ..self }
    }

    /// The text of `oxide.json`: one line, keys sorted.
    pub fn to_json(&self) -> Result<String, InfoError> {
        self.info.keys().try_for_each(|key| check_key(key))?;
        let json = Json {
            i: self.info.clone(),
            pkg: self.package.clone(),
            t: self.archive_type,
            v: VERSION.to_owned(),
            version: self.version.clone(),
        };
        // Maps with text keys always have a JSON form.
        let mut text = serde_json::to_string(&json).unwrap_or_default();
        text.push('\n');
        Ok(text)
    }

    /// Reads the text of `oxide.json`. Unknown keys are left aside, as deployed readers do; the
    /// error says what is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if json.v != VERSION {
            return Err(format!("version `{}` instead of `{VERSION}`", json.v));
        }
        Ok(Self { archive_type: json.t, info: json.i, package: json.pkg, version: json.version })
    }
}

fn check_key(key: &str) -> Result<(), InfoError> {
    if key.len() < 3 { Err(InfoError(key.to_owned())) } else { Ok(()) }
}

impl ArchiveType {
    /// The word in `oxide.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Layer => "layer",
            Self::Os => "os",
        }
    }
}

impl fmt::Display for ArchiveType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ArchiveType {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Baseline, Self::Layer, Self::Os]
            .into_iter()
            .find(|t| t.word() == word)
            .ok_or_else(|| format!("no archive type `{word}`; there are baseline, layer and os"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_sorted_and_reads_back() {
        let metadata = Metadata::new(ArchiveType::Os)
            .with_info("name", "x")
            .and_then(|m| m.with_info("checksum", "00"))
            .unwrap();
        let text = metadata.to_json().unwrap();
        assert_eq!(text, "{\"i\":{\"checksum\":\"00\",\"name\":\"x\"},\"t\":\"os\",\"v\":\"1\"}\n");
        assert_eq!(Metadata::from_json(text.as_bytes()), Ok(metadata));
    }

    #[test]
    fn what_zone_images_say_is_understood() {
        let text = br#"{"v":"1","t":"layer","pkg":"nexus","version":"1.2.3","new":[1]}"#;
        let expected = Metadata::new(ArchiveType::Layer).with_package("nexus", "1.2.3");
        assert_eq!(Metadata::from_json(text), Ok(expected));
    }

    #[test]
    fn short_keys_other_versions_and_other_types_are_refused() {
        let metadata = Metadata::new(ArchiveType::Layer);
        assert_eq!(metadata.clone().with_info("ab", ""), Err(InfoError("ab".into())));
        let short = Metadata { info: [("ab".into(), String::new())].into(), ..metadata };
        assert!(short.to_json().is_err());
        for bad in [
            r#"{"v":"2","t":"layer"}"#,
            r#"{"v":1,"t":"layer"}"#,
            r#"{"v":"1","t":"Layer"}"#,
            r#"{"v":"1"}"#,
            r#"{"v":"1","t":"os","i":{"name":1}}"#,
            r#"{"v":"1","t":"os"}x"#,
            "",
        ] {
            assert!(Metadata::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
