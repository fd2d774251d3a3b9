//! The list of installed packages, as image format 4 keeps it: `var/pkg/state/installed` and
//! `var/pkg/state/known`, catalogs of section 4.1's form but unsigned and with states.

use serde_json::{Value, json};

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
    pub(super) fn from_number(number: u64) -> Self {
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

/// The states and the time of installation that a catalog entry of an image has besides. An error
/// says what is wrong.
pub(crate) fn read_metadata(metadata: Option<&Value>) -> Result<Metadata, String> {
    let mut found = Metadata::default();
    let Some(metadata) = metadata else { return Ok(found) };
    if let Some(states) = metadata.get("states") {
        found.states = states
            .as_array()
            .and_then(|states| states.iter().map(Value::as_u64).collect::<Option<Vec<_>>>())
            .ok_or("`states` is not a list of numbers")?
            .into_iter()
            .map(State::from_number)
            .collect();
    }
    found.last_install = metadata.get("last-install").and_then(Value::as_str).map(str::to_owned);
    Ok(found)
}

/// What [`read_metadata`] finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) states: Vec<State>,
    pub(crate) last_install: Option<String>,
}

impl Metadata {
    /// As catalogs of images have it.
    pub(crate) fn to_json(&self) -> Value {
        let states: Vec<u64> = self.states.iter().map(|state| state.number()).collect();
        let mut metadata = json!({ "states": states });
        if let (Some(time), Some(object)) = (&self.last_install, metadata.as_object_mut()) {
            object.insert("last-install".to_owned(), Value::from(time.clone()));
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_goes_both_ways() {
        let json = json!({"states": [0, 2, 13, 7], "last-install": "t"});
        let metadata = read_metadata(Some(&json)).unwrap();
        let states = [State::Known, State::Installed, State::Manual, State::Other(7)];
        assert_eq!(metadata.states, states);
        assert_eq!(metadata.to_json(), json);
        assert_eq!(read_metadata(None).unwrap(), Metadata::default());
        assert!(read_metadata(Some(&json!({"states": "x"}))).is_err());
    }
}
