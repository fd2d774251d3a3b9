//! The list of installed packages, as image format 4 keeps it: `var/pkg/state/installed` and
//! `var/pkg/state/known`, catalogs of section 4.1's form but unsigned and with states.

use serde_json::Value;

use crate::{Fmri, Version};

/// What is known of a package in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is in a catalog.
    Known,
    /// It is installed.
    Installed,
    /// A newer one is known.
    Upgradable,
    /// It is obsolete.
    Obsolete,
    /// It was renamed.
    Renamed,
    /// It is frozen at this version.
    Frozen,
    /// It delivers what another package once did.
    Legacy,
    /// It was asked for by name.
    Manual,
    /// A further state, by its number.
    Other(u64),
}

impl State {
    /// The number by which images know the state.
    pub fn number(self) -> u64 {
        match self {
            Self::Known => 0,
            Self::Installed => 2,
            Self::Upgradable => 4,
            Self::Obsolete => 8,
            Self::Renamed => 9,
            Self::Frozen => 11,
            Self::Legacy => 12,
            Self::Manual => 13,
            Self::Other(number) => number,
        }
    }

    /// The state with this number.
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Known,
            2 => Self::Installed,
            4 => Self::Upgradable,
            8 => Self::Obsolete,
            9 => Self::Renamed,
            11 => Self::Frozen,
            12 => Self::Legacy,
            13 => Self::Manual,
            other => Self::Other(other),
        }
    }
}

/// One entry of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateEntry {
    pub(crate) fmri: Fmri,
    pub(crate) states: Vec<State>,
    pub(crate) manifest_sha1: Option<String>,
    pub(crate) last_install: Option<String>,
}

/// Reads `catalog.base.C`; the entries come ordered by stem, then publisher. An error says what
/// is wrong and where.
pub(crate) fn parse_base(text: &str) -> Result<Vec<StateEntry>, String> {
    let catalog: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let publishers = catalog.as_object().ok_or("is not a JSON object")?;
    let mut entries = Vec::new();
    for (publisher, stems) in publishers.iter().filter(|(name, _)| !name.starts_with('_')) {
        crate::fmri::check_publisher(publisher)?;
        let stems =
            stems.as_object().ok_or_else(|| format!("publisher {publisher} is not an object"))?;
        for (stem, versions) in stems {
            let versions =
                versions.as_array().ok_or_else(|| format!("package {stem} is not a list"))?;
            for version in versions {
                entries.push(
                    parse_entry(publisher, stem, version)
                        .map_err(|problem| format!("package {publisher}/{stem}: {problem}"))?,
                );
            }
        }
    }
    entries.sort_by(|a, b| {
        (&a.fmri.stem, &a.fmri.publisher, &a.fmri.version).cmp(&(
            &b.fmri.stem,
            &b.fmri.publisher,
            &b.fmri.version,
        ))
    });
    Ok(entries)
}

fn parse_entry(publisher: &str, stem: &str, entry: &Value) -> Result<StateEntry, String> {
    let version = entry.get("version").and_then(Value::as_str).ok_or("has no `version`")?;
    let version: Version =
        version.parse().map_err(|error: crate::VersionError| error.to_string())?;
    let mut fmri = Fmri::parse(stem).map_err(|error| error.to_string())?;
    if fmri.version.is_some() || fmri.publisher.is_some() || fmri.stem != stem {
        return Err("is not a plain package name".to_owned());
    }
    fmri.publisher = Some(publisher.to_owned());
    fmri.version = Some(version);
    let metadata = entry.get("metadata");
    let states = match metadata.and_then(|m| m.get("states")) {
        None => Vec::new(),
        Some(states) => states
            .as_array()
            .and_then(|states| states.iter().map(Value::as_u64).collect::<Option<Vec<_>>>())
            .ok_or("`states` is not a list of numbers")?
            .into_iter()
            .map(State::from_number)
            .collect(),
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Ok(StateEntry {
        fmri,
        states,
        manifest_sha1: text(entry.get("signature-sha-1")),
        last_install: text(metadata.and_then(|m| m.get("last-install"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_stem() {
        let text = r#"{"_FEATURE":["x"],"p":{"b":[{"version":"1,5.11:20260102T030405Z",
            "signature-sha-1":"00","metadata":{"states":[0,2,13,7],"last-install":"t"}}],
            "a/c":[{"version":"2"}]}}"#;
        let entries = parse_base(text).unwrap();
        assert_eq!(entries[0].fmri.to_string(), "pkg://p/a/c@2,5.11");
        assert_eq!(
            entries[1].states,
            [State::Known, State::Installed, State::Manual, State::Other(7)]
        );
        assert_eq!(entries[1].last_install.as_deref(), Some("t"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("[]", "not a JSON object"),
            ("{", "EOF"),
            (r#"{"p":{"a":[{}]}}"#, "p/a: has no `version`"),
            (r#"{"p":{"a@1":[{"version":"1"}]}}"#, "not a plain package name"),
            (r#"{"../p":{}}"#, "publisher"),
            (r#"{"p":{"../a":[{"version":"1"}]}}"#, "../a"),
        ] {
            let problem = parse_base(text).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
