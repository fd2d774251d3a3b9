//! Catalogs: the lists of a publisher's packages.
//!
//! A catalog is a directory of JSON files: `catalog.attrs` names the parts; `catalog.base.C` has
//! every package with the SHA-1 of its manifest; `catalog.dependency.C` and `catalog.summary.C`
//! (and `catalog.summary.LOCALE`) repeat some of the actions of the manifests.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use crate::atomic::write_atomically;
use crate::{Action, ActionKind, Error, Fmri, Manifest, Origin, Timestamp, json};

/// What a catalog says of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Publisher, name and version.
    pub fmri: Fmri,
    /// The SHA-1 of the manifest, in hex, where the catalog has it.
    pub manifest_sha1: Option<String>,
    /// What the catalog of an image has besides: states and times.
    pub metadata: Option<Value>,
}

/// A catalog as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The packages, ordered by FMRI.
    pub entries: Vec<CatalogEntry>,
}

const ATTRS: &str = "catalog.attrs";
const BASE: &str = "catalog.base.C";

/// What `catalog.attrs` says of the parts of a catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogAttributes {
    /// The parts, by file name, each with the SHA-1 that signs it, where there is one.
    pub parts: BTreeMap<String, Option<String>>,
    /// How many versions of packages there are.
    versions: Option<u64>,
}

impl CatalogAttributes {
    /// The part that lists every package.
    pub const BASE: &str = BASE;
    /// The part that has what packages depend on, and what has become of them.
    pub const DEPENDENCY: &str = "catalog.dependency.C";
    /// The file that these are in.
    pub const FILE: &str = ATTRS;

    /// Reads a part, which must be the one that these attributes sign.
    pub(crate) fn verified(
        &self,
        path: &Path,
        part: &str,
        text: &str,
    ) -> Result<Map<String, Value>, Error> {
        let (object, signature) =
            json::verify(text).map_err(|problem| Error::damaged(path, problem))?;
        if let Some(Some(expected)) = self.parts.get(part)
            && signature.as_ref() != Some(expected)
        {
            let found = signature.as_deref().unwrap_or("none");
            let problem = format!("its signature is {found}; {ATTRS} says {expected}");
            return Err(Error::damaged(path, problem));
        }
        Ok(object)
    }

    /// Reads `catalog.attrs`; `path` is for messages. A signature must be right.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let (attrs, _) = json::verify(text).map_err(|problem| Error::damaged(path, problem))?;
        match attrs.get("version").and_then(Value::as_u64) {
            Some(1) => {}
            other => {
                let found = other.map_or("none".to_owned(), |v| v.to_string());
                let problem = format!("version 1 of catalogs was expected; found {found}");
                return Err(Error::damaged(path, problem));
            }
        }
        let parts = attrs
            .get("parts")
            .and_then(Value::as_object)
            .ok_or_else(|| Error::damaged(path, "\"parts\" is missing or no object"))?;
        let versions = attrs.get("package-version-count").and_then(Value::as_u64);
        if !parts.is_empty() && !parts.contains_key(BASE) {
            return Err(Error::damaged(path, format!("\"parts\" does not name {BASE}")));
        }
        let mut read = Self { parts: BTreeMap::new(), versions };
        for (name, part) in parts {
            if name.contains('/') || name.starts_with('.') {
                return Err(Error::damaged(path, format!("{name:?} is no name of a part")));
            }
            let signature = part.get("signature-sha-1").and_then(Value::as_str).map(str::to_owned);
            read.parts.insert(name.clone(), signature);
        }
        Ok(read)
    }
}

impl Catalog {
    /// Reads the catalog in a directory. Signatures, where there are any, must be right, and so
    /// must the counts.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(ATTRS);
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let attributes = CatalogAttributes::parse(&path, &text)?;
        if attributes.parts.is_empty() {
            // A catalog without packages has no parts.
            return Ok(Self::default());
        }
        let base = directory.join(BASE);
        let text = std::fs::read_to_string(&base).map_err(Error::io("read", &base))?;
        Self::parse(&base, &attributes, &text)
    }

    /// Reads the base part of a catalog; `path` is for messages.
    pub fn parse(path: &Path, attributes: &CatalogAttributes, text: &str) -> Result<Self, Error> {
        let object = attributes.verified(path, BASE, text)?;
        let catalog = Self { entries: read_base(path, &object)? };
        if let Some(count) = attributes.versions
            && count != catalog.entries.len() as u64
        {
            let problem = format!(
                "package-version-count in {ATTRS} is {count}, but {BASE} has {} packages",
                catalog.entries.len()
            );
            return Err(Error::damaged(path, problem));
        }
        Ok(catalog)
    }
}

/// The files of a publisher's catalog, by name, made from the manifests of an origin:
/// `catalog.attrs` is last. Its times are those of the newest package.
pub fn catalog_files(origin: &dyn Origin, publisher: &str) -> Result<Vec<(String, String)>, Error> {
    let mut builder = CatalogBuilder::default();
    let mut newest = None;
    let ours = |fmri: &&Fmri| fmri.publisher.as_deref() == Some(publisher);
    for fmri in origin.packages().iter().filter(ours) {
        let text = origin.manifest_text(fmri)?;
        let manifest = Manifest::parse(format!("{} {fmri}", origin.location().display()), &text)?;
        builder.add(fmri, &text, &manifest, None);
        newest = newest.max(fmri.version.as_ref().and_then(|version| version.timestamp));
    }
    let time = newest.or_else(|| Timestamp::from_epoch(0)).ok_or_else(|| {
        Error::damaged(origin.location(), "its packages have no time that a catalog could have")
    })?;
    Ok(builder.finish(time, true))
}

/// The entries of a base part, by FMRI. `path` is for messages.
pub(crate) fn read_base(
    path: &Path,
    object: &Map<String, Value>,
) -> Result<Vec<CatalogEntry>, Error> {
    let mut entries = Vec::new();
    each_entry(path, object, |publisher, stem, entry| {
        let version = entry.get("version").and_then(Value::as_str);
        let version = version.ok_or_else(|| format!("an entry of {stem} has no \"version\""))?;
        entries.push(read_entry([publisher, stem, version], entry)?);
        Ok(())
    })?;
    entries.sort_by(|a, b| a.fmri.cmp(&b.fmri));
    Ok(entries)
}

/// Goes through a part's entries, with publisher and stem. `path` is for messages.
pub(crate) fn each_entry(
    path: &Path,
    object: &Map<String, Value>,
    mut read: impl FnMut(&str, &str, &Value) -> Result<(), String>,
) -> Result<(), Error> {
    let refuse = |what: String| Error::damaged(path, what);
    for (publisher, stems) in object.iter().filter(|(key, _)| !key.starts_with('_')) {
        let stems = stems
            .as_object()
            .ok_or_else(|| refuse(format!("the packages of {publisher} are no object")))?;
        for (stem, versions) in stems {
            let versions = versions
                .as_array()
                .ok_or_else(|| refuse(format!("the versions of {stem} are no list")))?;
            for entry in versions {
                read(publisher, stem, entry).map_err(refuse)?;
            }
        }
    }
    Ok(())
}

/// One entry of the base part: a publisher, a stem and a version, and what is said of them.
pub(crate) fn read_entry(
    [publisher, stem, version]: [&str; 3],
    entry: &Value,
) -> Result<CatalogEntry, String> {
    let fmri = Fmri::parse(&format!("pkg://{publisher}/{stem}@{version}"))
        .map_err(|error| error.to_string())?;
    if fmri.publisher.as_deref() != Some(publisher) || fmri.stem != stem {
        return Err(format!("{publisher:?}, {stem:?} do not name a package"));
    }
    Ok(CatalogEntry {
        fmri,
        manifest_sha1: entry.get("signature-sha-1").and_then(Value::as_str).map(str::to_owned),
        metadata: entry.get("metadata").cloned(),
    })
}

/// Which part of a catalog repeats an action: `dependency.C`, `summary.C` or another locale's
/// summary.
fn part_of(action: &Action) -> Option<String> {
    let dependency = || Some(CatalogAttributes::DEPENDENCY.to_owned());
    match action.kind {
        ActionKind::Depend => dependency(),
        ActionKind::Set => {
            let name = action.get("name")?;
            let begins = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
            if begins(&["variant", "facet", "pkg.depend."])
                || matches!(name, "pkg.obsolete" | "pkg.renamed" | "pkg.legacy")
            {
                return dependency();
            }
            let dropped = matches!(name, "pkg.fmri" | "fmri" | "publisher")
                || begins(&["info.source-url", "pkg.debug", "pkg.linted"]);
            let locale = name.rsplit_once(':').map_or("C", |(_, locale)| locale);
            (!dropped).then(|| format!("catalog.summary.{locale}"))
        }
        _ => None,
    }
}

/// The parts of a catalog that is being made, not yet signed.
#[derive(Debug, Default)]
pub(crate) struct CatalogBuilder {
    /// Part name, publisher, stem, entries by version.
    parts: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<Value>>>>,
    last: Option<Fmri>,
    stems: usize,
    versions: usize,
}

impl CatalogBuilder {
    /// Adds a package; packages must come ordered by FMRI. `metadata` is what catalogs of images
    /// say besides.
    pub(crate) fn add(
        &mut self,
        fmri: &Fmri,
        text: &str,
        manifest: &Manifest,
        metadata: Option<Value>,
    ) {
        let (Some(publisher), Some(version)) = (&fmri.publisher, &fmri.version) else { return };
        debug_assert!(self.last.as_ref().is_none_or(|last| last <= fmri), "{fmri} out of order");
        let same_stem = self
            .last
            .as_ref()
            .is_some_and(|last| last.stem == fmri.stem && last.publisher == fmri.publisher);
        self.stems += usize::from(!same_stem);
        self.versions += 1;
        self.last = Some(fmri.clone());

        let version = version.long();
        let mut put = |part: String, entry: Value| {
            let stems = self.parts.entry(part).or_default().entry(publisher.clone()).or_default();
            stems.entry(fmri.stem.clone()).or_default().push(entry);
        };
        let sha1 = hex::encode(Sha1::digest(text.as_bytes()));
        let mut base = json!({"signature-sha-1": sha1, "version": version});
        if let (Some(metadata), Some(object)) = (metadata, base.as_object_mut()) {
            object.insert("metadata".to_owned(), metadata);
        }
        put(BASE.to_owned(), base);

        let mut repeated: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let depends = manifest.of_kind(ActionKind::Depend);
        for action in depends.chain(manifest.of_kind(ActionKind::Set)) {
            if let Some(part) = part_of(action) {
                repeated.entry(part).or_default().push(action.to_string());
            }
        }
        for (part, actions) in repeated {
            put(part, json!({"actions": actions, "version": version}));
        }
    }

    /// The files of the catalog, by name; `signed` as repositories have them, or as images do.
    /// `catalog.attrs` comes last.
    pub(crate) fn finish(self, timestamp: Timestamp, signed: bool) -> Vec<(String, String)> {
        // Microseconds follow only where there are any: pkg(7) prints the time again to check the
        // signature, and would not find the same text with zeros.
        let time = timestamp.to_string();
        let mut files = Vec::new();
        let mut parts = Map::new();
        let mut write = |name: String, object: Map<String, Value>| {
            let (text, signature) = if signed {
                let (text, signature) = json::sign(object);
                (text, Some(signature))
            } else {
                (json::canonical(&Value::Object(object)) + "\n", None)
            };
            files.push((name, text));
            signature
        };
        for (name, publishers) in self.parts {
            let object = publishers
                .into_iter()
                .map(|(publisher, stems)| {
                    let stems = stems.into_iter().map(|(stem, list)| (stem, Value::Array(list)));
                    (publisher, Value::Object(stems.collect()))
                })
                .collect();
            let mut part =
                Map::from_iter([("last-modified".to_owned(), Value::from(time.clone()))]);
            if let Some(signature) = write(name.clone(), object) {
                part.insert("signature-sha-1".to_owned(), Value::from(signature));
            }
            parts.insert(name, Value::Object(part));
        }
        let attrs = [
            ("created", Value::from(time.clone())),
            ("last-modified", Value::from(time)),
            ("package-count", Value::from(self.stems)),
            ("package-version-count", Value::from(self.versions)),
            ("parts", Value::Object(parts)),
            ("updates", Value::Object(Map::new())),
            ("version", Value::from(1)),
        ];
        write(
            ATTRS.to_owned(),
            attrs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        );
        files
    }

    /// Writes the signed catalog of a repository, and removes parts and update logs of the one
    /// before it.
    pub(crate) fn write(self, directory: &Path, timestamp: Timestamp) -> Result<(), Error> {
        crate::atomic::create_directory(directory)?;
        let files = self.finish(timestamp, true);
        for (name, text) in &files {
            write_atomically(&directory.join(name), text.as_bytes())?;
        }
        for entry in std::fs::read_dir(directory).map_err(Error::io("read", directory))? {
            let entry = entry.map_err(Error::io("read", directory))?;
            let name = entry.file_name();
            let ours = files.iter().any(|(file, _)| name == file.as_str());
            let stale = name
                .to_str()
                .is_some_and(|name| name.starts_with("catalog.") || name.starts_with("update."));
            if stale && !ours {
                std::fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "set name=pkg.fmri value=pkg://p/a@1,5.11-2:20260102T030405Z\n\
        set name=pkg.summary value=\"größe ✓\"\n\
        set name=pkg.summary:de value=x\n\
        set name=variant.arch value=i386\n\
        set name=info.source-url value=x\n\
        depend fmri=b type=require\n\
        dir path=usr\n";

    fn time() -> Timestamp {
        "20260102T030405Z".parse().unwrap()
    }

    fn written(directory: &Path) {
        let manifest = Manifest::parse("a", TEXT).unwrap();
        let mut builder = CatalogBuilder::default();
        builder.add(&manifest.fmri().unwrap(), TEXT, &manifest, None);
        builder.write(directory, time()).unwrap();
    }

    #[test]
    fn written_and_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("update.20260101T00Z.C"), "").unwrap();
        written(directory.path());
        let catalog = Catalog::read(directory.path()).unwrap();
        assert_eq!(catalog.entries.len(), 1);
        assert_eq!(
            catalog.entries[0].manifest_sha1.as_deref(),
            Some(&*hex::encode(Sha1::digest(TEXT)))
        );
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(read(ATTRS).starts_with("{\"created\":\"20260102T030405Z\","));
        assert!(read("catalog.dependency.C").starts_with(
            "{\"p\":{\"a\":[{\"actions\":[\"depend fmri=b type=require\",\
             \"set name=variant.arch value=i386\"],\"version\":\"1,5.11-2:20260102T030405Z\"}]},\
             \"_SIGNATURE\":"
        ));
        assert!(read("catalog.summary.C").starts_with(
            "{\"p\":{\"a\":[{\"actions\":[\"set name=pkg.summary value=\\\"gr\\u00F6\\u00DFe \
             \\u2713\\\"\"],"
        ));
        assert!(read("catalog.summary.de").contains("pkg.summary:de"));
        assert!(!directory.path().join("update.20260101T00Z.C").exists());
    }

    #[test]
    fn wrong_catalogs_are_refused() {
        for (file, from, to, problem) in [
            (BASE, "\"1,5.11-2", "\"9,5.11-2", "signature"),
            (BASE, "{", "[", "JSON"),
            (ATTRS, "\"version\":1", "\"version\":2", "signature"),
            (ATTRS, ",\"_SIGNATURE\"", ",\"_signature\"", ""),
        ] {
            let directory = tempfile::tempdir().unwrap();
            written(directory.path());
            let path = directory.path().join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            match Catalog::read(directory.path()) {
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains(problem) && error.contains(file), "{error}");
                }
                Ok(_) => assert!(problem.is_empty(), "{file} {from}"),
            }
        }
    }

    #[test]
    fn a_part_of_another_catalog_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path());
        let (text, _) = json::sign(Map::new());
        std::fs::write(directory.path().join(BASE), text).unwrap();
        let error = Catalog::read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("catalog.attrs says"), "{error}");
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        for object in [
            json!({"../p": {"a": [{"version": "1"}]}}),
            json!({"p": {"../a": [{"version": "1"}]}}),
            json!({"p": {"a": [{"version": "../1"}]}}),
            json!({"p": {"a@1": [{"version": "1"}]}}),
            json!({"p/q": {"a": [{"version": "1"}]}}),
            json!({"p": {"a": [{}]}}),
            json!({"p": {"a": {}}}),
            json!({"p": []}),
        ] {
            let object = object.as_object().unwrap();
            assert!(read_base(Path::new("x"), object).is_err(), "{object:?}");
        }
    }
}
