//! What an image holds back: packages that it avoids and packages that it freezes.
//!
//! ```text
//! state/avoid_set      [1,{"STEM":"avoid"|"implicit-avoid"|"obsolete", ...}]
//! state/frozen_dict    [1,{"STEM":["pkg:/STEM@VERSION",COMMENT|null,SECONDS], ...}]
//! ```
//!
//! A group does not pull in what is there as `avoid`. The other two tell only why something that
//! a group names is not installed: nothing allowed it, or it is obsolete. Somebody may freeze a
//! package at a part of a version (`1.2`): every version within it is allowed.

use std::collections::{BTreeMap, BTreeSet};

use proto::Proto;
use serde_json::Value;

use super::read_text;
use crate::{Error, Fmri, Version};

pub(crate) const AVOIDED: &str = "var/pkg/state/avoid_set";
const FROZEN: &str = "var/pkg/state/frozen_dict";

/// A package that an image holds at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// The version: every one within it is allowed.
    pub version: Version,
    /// Why, if somebody said so.
    pub comment: String,
}

/// The names of the packages that groups do not pull in.
pub(super) fn avoided(proto: &Proto) -> Result<BTreeSet<String>, Error> {
    let mut avoided = BTreeSet::new();
    for (stem, value) in read(proto, AVOIDED)?.unwrap_or_default() {
        match value.as_str() {
            Some("avoid") => avoided.extend([stem]),
            Some("implicit-avoid" | "obsolete") => {}
            _ => {
                let problem = format!(
                    "{stem}: \"avoid\", \"implicit-avoid\" or \"obsolete\" was expected; found {value}"
                );
                return Err(Error::damaged(AVOIDED, problem));
            }
        }
    }
    Ok(avoided)
}

/// The text of `avoid_set`: what is avoided, and what groups name that is not installed for other
/// reasons.
pub(crate) fn print_avoided(avoided: &BTreeSet<&str>, implicit: &BTreeSet<&str>) -> String {
    let entry = |word: &'static str| move |stem: &&str| ((*stem).to_owned(), Value::from(word));
    let implicit = implicit.iter().map(entry("implicit-avoid"));
    let entries: BTreeMap<String, Value> =
        implicit.chain(avoided.iter().map(entry("avoid"))).collect();
    let entries: serde_json::Map<String, Value> = entries.into_iter().collect();
    Value::from(vec![Value::from(1), Value::Object(entries)]).to_string()
}

/// What is frozen, by name.
pub(super) fn frozen(proto: &Proto) -> Result<BTreeMap<String, Freeze>, Error> {
    let mut frozen = BTreeMap::new();
    for (stem, value) in read(proto, FROZEN)?.unwrap_or_default() {
        let refuse = |problem: String| Error::damaged(FROZEN, format!("{stem}: {problem}"));
        let text = |at: usize| value.get(at).and_then(Value::as_str);
        let version = text(0).ok_or_else(|| {
            refuse(
                "a list that begins with a version was \
             expected"
                    .to_owned(),
            )
        })?;
        // Written as the whole name, or as the version alone.
        let version = match version.contains('@') {
            true => Fmri::parse(version).map_err(|error| refuse(error.to_string()))?.version,
            false => Some(
                version.parse().map_err(|error: crate::VersionError| refuse(error.to_string()))?,
            ),
        };
        let version = version.ok_or_else(|| refuse("its version is missing".to_owned()))?;
        let comment = text(1).unwrap_or_default().to_owned();
        frozen.insert(stem, Freeze { version, comment });
    }
    Ok(frozen)
}

/// Both files are a list of a version and an object.
fn read(proto: &Proto, path: &str) -> Result<Option<serde_json::Map<String, Value>>, Error> {
    let Some(text) = read_text(proto, path)? else { return Ok(None) };
    let value: Value =
        serde_json::from_str(&text).map_err(|error| Error::damaged(path, error.to_string()))?;
    match value {
        Value::Array(list) => match <[Value; 2]>::try_from(list) {
            Ok([Value::Number(version), Value::Object(entries)]) if version.as_u64() == Some(1) => {
                Ok(Some(entries))
            }
            _ => Err(Error::damaged(path, "`[1,{...}]` was expected")),
        },
        _ => Err(Error::damaged(path, "`[1,{...}]` was expected")),
    }
}
