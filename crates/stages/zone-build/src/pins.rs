//! Versions and digests that omicron keeps beside its manifest: `tools/NAME_version` and
//! `tools/NAME_checksums`.
//!
//! Both are lines `KEY="value"`; a version may also be the only word of its file. Which key has
//! the digest of what is meant for illumos differs from file to file.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proto::Digest;

use crate::Error;

/// What a pair of files says about something that is published elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// A commit or a version.
    pub(crate) version: Option<String>,
    /// The SHA-256 of what is published for illumos.
    pub(crate) digest: Option<Digest>,
}

/// The directory of the pairs.
#[derive(Debug, Clone)]
pub(crate) struct Pins {
    directory: PathBuf,
}

impl Pins {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// What is pinned under the first of some names that there are files of.
    pub(crate) fn find(&self, names: &[&str]) -> Result<Option<Pin>, Error> {
        for name in names {
            let name = name.replace('-', "_");
            let version = self.values(&format!("{name}_version"))?;
            let checksums = self.values(&format!("{name}_checksums"))?;
            if version.is_none() && checksums.is_none() {
                continue;
            }
            let all: Vec<Values> = [checksums, version].into_iter().flatten().collect();
            return Ok(Some(Pin {
                version: all.iter().find_map(|values| values.version().map(str::to_owned)),
                digest: self.digest(&all, &name)?,
            }));
        }
        Ok(None)
    }

    fn digest(&self, all: &[Values], name: &str) -> Result<Option<Digest>, Error> {
        let own = format!("{}_SHA256", name.to_uppercase());
        let keys = ["CIDL_SHA256_ILLUMOS", "CIDL_SHA256", &own, "SHA2"];
        let found = keys.iter().find_map(|key| {
            all.iter().find_map(|values| values.by_key.get(*key).map(|text| (key, values, text)))
        });
        let Some((key, values, text)) = found else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Error::Pins {
            path: values.path.clone(),
            problem: format!("{key} is no SHA-256: {text}"),
        })
    }

    fn values(&self, file: &str) -> Result<Option<Values>, Error> {
        let path = self.directory.join(file);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read", &path))?,
        };
        Values::parse(&text, path).map(Some)
    }
}

/// The lines of one file; a lone word has the empty key.
#[derive(Debug)]
struct Values {
    path: PathBuf,
    by_key: BTreeMap<String, String>,
}

impl Values {
    fn parse(text: &str, path: PathBuf) -> Result<Self, Error> {
        let mut by_key = BTreeMap::new();
        let lines = text.lines().map(str::trim);
        let lines: Vec<_> =
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        for line in &lines {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.trim(), value.trim().trim_matches('"')),
                None if lines.len() == 1 => ("", *line),
                None => {
                    let problem = format!("`{line}` is no line KEY=\"value\"");
                    return Err(Error::Pins { path, problem });
                }
            };
            by_key.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self { path, by_key })
    }

    /// `COMMIT`, `SOMETHING_COMMIT`, or the lone word.
    fn version(&self) -> Option<&str> {
        let commit = self.by_key.iter().find(|(key, _)| key.ends_with("COMMIT"));
        commit.map(|(_, value)| value).or_else(|| self.by_key.get("")).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

    fn pins(files: &[(&str, &str)]) -> (tempfile::TempDir, Pins) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let pins = Pins::new(directory.path());
        (directory, pins)
    }

    #[test]
    fn pairs_in_all_their_forms() {
        let other = SUM.replace('f', "e");
        let (_directory, pins) = pins(&[
            ("clickhouse_version", "v23.8.7.24\n"),
            (
                "clickhouse_checksums",
                &format!("CIDL_SHA256_LINUX=\"{other}\"\nCIDL_SHA256_ILLUMOS=\"{SUM}\"\n"),
            ),
            ("console_version", &format!("COMMIT=\"abc\"\nSHA2=\"{SUM}\"\n")),
            (
                "cockroachdb_checksums",
                &format!("COCKROACH_COMMIT=\"def\"\nCIDL_SHA256_ILLUMOS=\"{SUM}\"\n"),
            ),
            ("cockroachdb_version", "v22.1.22\n"),
            ("mg_ddm_checksums", &format!("MG_DDM_SHA256=\"{SUM}\"\n")),
        ]);
        let digest = SUM.parse().ok();
        let found = |names: &[&str]| pins.find(names).unwrap();
        let version = |text: &str| Some(text.to_owned());
        let pin = |text| Some(Pin { version: version(text), digest });
        assert_eq!(found(&["clickhouse"]), pin("v23.8.7.24"));
        assert_eq!(found(&["none", "console"]), pin("abc"));
        // What is fetched is named by the commit, not by the version that people read.
        assert_eq!(found(&["cockroachdb"]), pin("def"));
        assert_eq!(found(&["mg-ddm"]), Some(Pin { version: None, digest }));
        assert_eq!(found(&["other"]), None);
    }

    #[test]
    fn what_is_no_pin_is_an_error_with_its_file() {
        let (_directory, pins) = pins(&[
            ("a_checksums", "CIDL_SHA256_ILLUMOS=\"12\"\n"),
            ("b_version", "COMMIT=\"x\"\nrubbish\n"),
        ]);
        let error = pins.find(&["a"]).unwrap_err().to_string();
        assert!(error.contains("a_checksums: CIDL_SHA256_ILLUMOS is no SHA-256: 12"), "{error}");
        let error = pins.find(&["b"]).unwrap_err().to_string();
        assert!(error.contains("b_version: `rubbish`"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Z_=\"a-f0-9\n #]{0,120}") {
            if let Ok(values) = Values::parse(&text, PathBuf::new()) {
                // What was read is said again in the same words.
                let again: String =
                    values.by_key.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
                let again = Values::parse(&again, PathBuf::new()).unwrap();
                proptest::prop_assert_eq!(again.by_key.len(), values.by_key.len());
            }
        }
    }
}
