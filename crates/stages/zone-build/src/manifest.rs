//! Reads `package-manifest.toml`.
//!
//! The schema is that of the crate `omicron-zone-package`, which omicron itself uses. It leaves
//! unknown keys aside and wants a digest for everything prebuilt; here a key that nothing reads is
//! told, and a digest may come from omicron's pairs of files or from the caller instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use omicron_zone_package::config::Config;
use omicron_zone_package::package::Package;
use proto::Digest;
use serde::Deserialize as _;
use toml::{Table, Value};

use crate::Error;
use crate::pins::Pins;

/// A manifest and what is odd about it.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
    pub(crate) warnings: Vec<String>,
}

/// Reads a manifest. `given` are digests by the name of a package; they come first.
pub(crate) fn read(
    path: &Path,
    pins: &Pins,
    given: &BTreeMap<String, Digest>,
) -> Result<Manifest, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let unreadable = |error: toml::de::Error| Error::Unreadable {
        path: path.to_owned(),
        problem: error.to_string().trim_end().to_owned(),
    };
    let mut table: Table = toml::from_str(&text).map_err(unreadable)?;
    let mut warnings = Vec::new();
    check_keys(&table, &mut warnings);
    if let Some(Value::Table(packages)) = table.get_mut("package") {
        for (name, package) in packages {
            complete(name, package, pins, given)?;
        }
    }
    let config = Config::deserialize(Value::Table(table.clone())).map_err(|error| {
        // The text itself gives the better message: with the line. Of a key with dots that is the
        // line of another one.
        let error = toml::from_str::<Config>(&text).err().unwrap_or(error).to_string();
        let place = culprit(&table).map(|name| format!("[package.{name}]: ")).unwrap_or_default();
        let problem = format!("{place}{}{}", error.trim_end(), listed(&warnings));
        Error::Unreadable { path: path.to_owned(), problem }
    })?;
    check_filters(&config, &mut warnings);
    Ok(Manifest { path: path.to_owned(), config, warnings })
}

/// Warnings that may explain an error.
pub(crate) fn listed(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("\n  {warning}")).collect()
}

/// The first package that is not as the schema has it.
fn culprit(manifest: &Table) -> Option<&str> {
    let packages = manifest.get("package")?.as_table()?;
    let is_wrong = |package: &Value| Package::deserialize(package.clone()).is_err();
    packages.iter().find(|(_, package)| is_wrong(package)).map(|(name, _)| name.as_str())
}

/// Notes keys of targets that packages are only for and that no preset has: they are for nothing
/// then, unless a caller gives the key.
fn check_filters(config: &Config, warnings: &mut Vec<String>) {
    let known: BTreeSet<&str> = config
        .target
        .presets
        .values()
        .flat_map(|preset| preset.0.keys())
        .map(String::as_str)
        .collect();
    let mut strange: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, package) in config.packages.iter().filter(|_| !known.is_empty()) {
        let keys = package.only_for_targets.iter().flat_map(|only| only.0.keys());
        for key in keys.filter(|key| !known.contains(key.as_str())) {
            strange.entry(key).or_default().push(name.as_str());
        }
    }
    for (key, packages) in strange {
        let near = nearest(key, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let others = match packages.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        warnings.push(format!(
            "no preset has the key `{key}` of only_for_targets of [package.{}]{others}{near}",
            packages[0]
        ));
    }
}

/// Puts in what the schema wants and the manifest leaves out. What is found nowhere stays empty,
/// which is no digest: the plan says so, for each package.
fn complete(
    name: &str,
    package: &mut Value,
    pins: &Pins,
    given: &BTreeMap<String, Digest>,
) -> Result<(), Error> {
    let Some(source) = package.get_mut("source").and_then(Value::as_table_mut) else {
        return Ok(());
    };
    if let Some(blobs) = source.remove("s3_blobs") {
        source.entry("blobs").or_insert(blobs);
    }
    if source.get("type").and_then(Value::as_str) != Some("prebuilt") {
        return Ok(());
    }
    if let Some(digest) = given.get(name) {
        source.insert("sha256".to_owned(), Value::String(digest.to_string()));
    }
    if source.contains_key("sha256") && source.contains_key("commit") {
        return Ok(());
    }
    let repo = source.get("repo").and_then(Value::as_str).unwrap_or_default().to_owned();
    let pin = pins.find(&[name, &format!("{repo}_{name}"), &repo])?;
    let digest = pin.as_ref().and_then(|pin| pin.digest);
    let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
    let commit = pin.and_then(|pin| pin.version).unwrap_or_default();
    source.entry("sha256").or_insert(Value::String(digest));
    source.entry("commit").or_insert(Value::String(commit));
    Ok(())
}

const SOURCE: [&str; 10] = [
    "type",
    "blobs",
    "s3_blobs",
    "buildomat_blobs",
    "rust",
    "paths",
    "repo",
    "commit",
    "sha256",
    "packages",
];

/// Notes every key that nothing reads.
fn check_keys(table: &Table, warnings: &mut Vec<String>) {
    known("the manifest", table, &["package", "target"], warnings);
    if let Some(Value::Table(target)) = table.get("target") {
        known("[target]", target, &["preset"], warnings);
    }
    let Some(Value::Table(packages)) = table.get("package") else { return };
    for (name, package) in packages {
        let mut check = |key: &str, allowed: &[&str]| {
            let place = match key {
                "" => format!("[package.{name}]"),
                key => format!("{key} of [package.{name}]"),
            };
            let mut values = vec![package];
            for part in key.split('.').filter(|part| !part.is_empty()) {
                values = values
                    .into_iter()
                    .filter_map(|value| value.get(part))
                    .flat_map(|value| match value {
                        Value::Array(all) => all.iter().collect(),
                        other => vec![other],
                    })
                    .collect();
            }
            for table in values.into_iter().filter_map(Value::as_table) {
                known(&place, table, allowed, warnings);
            }
        };
        check("", &["service_name", "source", "output", "only_for_targets", "setup_hint"]);
        check("source", &SOURCE);
        check("source.rust", &["binary_names", "release"]);
        check("source.paths", &["from", "to"]);
        check("source.buildomat_blobs", &["repo", "series", "commit", "artifact", "sha256"]);
        check("output", &["type", "intermediate_only"]);
    }
}

fn known(place: &str, table: &Table, allowed: &[&str], warnings: &mut Vec<String>) {
    for key in table.keys().filter(|key| !allowed.contains(&key.as_str())) {
        let near = nearest(key, allowed.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        warnings.push(format!("nothing reads `{key}` in {place}{near}"));
    }
}

/// The most similar of some words, if it is similar at all.
pub(crate) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(word, other), other))
        .filter(|(distance, other)| *distance <= other.len().max(word.len()) / 2)
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("package-manifest.toml");
        fs::write(&path, text).unwrap();
        read(&path, &Pins::new(directory.path()), &BTreeMap::new())
    }

    #[test]
    fn keys_that_nothing_reads_are_told() {
        let manifest = parse(
            "[package.a]\nservice_name = \"a\"\nonly_for_target.image = \"x\"\n\
             source.type = \"local\"\nsource.paths = [{ from = \"x\", to = \"/y\", mode = 1 }]\n\
             output.type = \"zone\"\noutput.intermediate_onyl = true\n[targets.preset.x]\n",
        )
        .unwrap();
        assert_eq!(
            manifest.warnings,
            [
                "nothing reads `targets` in the manifest; did you mean `target`?",
                "nothing reads `only_for_target` in [package.a]; did you mean `only_for_targets`?",
                "nothing reads `mode` in source.paths of [package.a]",
                "nothing reads `intermediate_onyl` in output of [package.a]; did you mean \
                 `intermediate_only`?",
            ]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, word) in [
            ("[package.a\n", "line 1"),
            ("\n[package.a]\nservice_name = 1\n", "line 3"),
            ("[package.\"a b\"]\nservice_name = \"a\"\n", "identifier"),
            ("[package.a]\nservice_name = \"a\"\nsource.type = \"magic\"\n", "magic"),
            ("[package.a]\nservice_name = \"a\"\nsource.type = \"manual\"\n", "output"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_manifest_is_read_or_refused(at in 0usize..220, text in "[\\[\\]{}=.\"a-z\n]{0,6}") {
            let mut manifest = String::from(
                "[package.a]\nservice_name = \"a\"\nsource.type = \"prebuilt\"\nsource.repo = \"r\"\n\
                 output.type = \"zone\"\n[package.b]\nservice_name = \"b\"\n\
                 source.type = \"composite\"\nsource.packages = [\"a.tar.gz\"]\n\
                 output.type = \"zone\"\n[target.preset.x]\nk = \"v\"\n",
            );
            let at = at.min(manifest.len());
            manifest.insert_str(at, &text);
            match parse(&manifest) {
                Ok(manifest) => proptest::prop_assert!(manifest.config.packages.len() <= 3),
                Err(error) => proptest::prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
