//! What has become of a package.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::catalog::each_entry;
use crate::{Action, ActionKind, CatalogAttributes, Error, Fmri, Manifest};

/// What has become of a version of a package, as its manifest says, and beside it the dependency
/// part of a catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// It was given up.
    pub obsolete: bool,
    /// It only leads to another.
    pub renamed: bool,
    /// It delivers what another package once did.
    pub legacy: bool,
}

impl Standing {
    /// As a manifest says.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            obsolete: manifest.is_obsolete(),
            renamed: manifest.is_renamed(),
            legacy: manifest.says("pkg.legacy"),
        }
    }

    /// As the dependency part of a catalog says: every package of which there is something to say.
    /// `path` is for messages.
    pub fn read(
        path: &Path,
        attributes: &CatalogAttributes,
        text: &str,
    ) -> Result<BTreeMap<Fmri, Self>, Error> {
        let object = attributes.verified(path, CatalogAttributes::DEPENDENCY, text)?;
        let mut found = BTreeMap::new();
        each_entry(path, &object, |publisher, stem, entry| {
            let standing = Self::of_entry(entry)
                .map_err(|problem| format!("an entry of {stem}: {problem}"))?;
            if standing != Self::default() {
                let version = entry.get("version").and_then(Value::as_str).unwrap_or_default();
                let fmri = Fmri::parse(&format!("pkg://{publisher}/{stem}@{version}"))
                    .map_err(|error| error.to_string())?;
                found.insert(fmri, standing);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn of_entry(entry: &Value) -> Result<Self, String> {
        let actions = entry.get("actions").and_then(Value::as_array);
        let mut standing = Self::default();
        for text in actions.ok_or("it has no list \"actions\"")? {
            let text = text.as_str().ok_or("one of its actions is no text")?;
            // Most are dependencies, which say nothing here.
            if !text.starts_with("set") {
                continue;
            }
            let action = Action::parse(text).map_err(|problem| format!("`{text}`: {problem}"))?;
            if action.kind != ActionKind::Set
                || !action.get("value").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            {
                continue;
            }
            match action.get("name") {
                Some("pkg.obsolete") => standing.obsolete = true,
                Some("pkg.renamed") => standing.renamed = true,
                Some("pkg.legacy") => standing.legacy = true,
                _ => {}
            }
        }
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: &str = r#"{"package-version-count":3,"parts":{"catalog.base.C":{},"catalog.dependency.C":{}},"version":1}"#;

    fn read(text: &str) -> Result<BTreeMap<Fmri, Standing>, String> {
        let attributes = CatalogAttributes::parse(Path::new("catalog.attrs"), ATTRIBUTES).unwrap();
        Standing::read(Path::new("part"), &attributes, text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_catalogs_say() {
        let found = read(
            r#"{"test":{"a":[{"actions":["depend fmri=b type=require"],"version":"1,5.11:20260102T030405Z"},
            {"actions":["set name=pkg.renamed value=true","depend fmri=b type=require"],"version":"2,5.11:20260102T030405Z"}],
            "gone":[{"actions":["set name=pkg.obsolete value=True"],"version":"1,5.11:20260102T030405Z"}]}}"#,
        )
        .unwrap();
        let text: Vec<String> =
            found.iter().map(|(fmri, standing)| format!("{} {standing:?}", fmri.stem)).collect();
        let text = text.join("\n");
        assert_eq!(found.len(), 2);
        assert!(text.contains("a Standing { obsolete: false, renamed: true"), "{text}");
        assert!(text.contains("gone Standing { obsolete: true"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, expected) in [
            (r#"{"test":[]}"#, "the packages of test are no object"),
            (r#"{"test":{"a":{}}}"#, "the versions of a are no list"),
            (r#"{"test":{"a":[{"version":"1"}]}}"#, "an entry of a: it has no list"),
            (r#"{"test":{"a":[{"actions":[1]}]}}"#, "one of its actions is no text"),
            (r#"{"test":{"a":[{"actions":["set x"]}]}}"#, "`set x`"),
            (
                r#"{"test":{"a":[{"actions":["set name=pkg.obsolete value=true"],"version":"x"}]}}"#,
                "\"x\"",
            ),
            ("{", "part"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
