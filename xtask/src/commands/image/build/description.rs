//! A pool and its datasets in TOML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::source::{Owners, Source};
use crate::failure::Failure;
use crate::releng::config::Size;

/// A whole description.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Description {
    pub(super) pool: Pool,
    #[serde(rename = "dataset")]
    pub(super) datasets: Vec<Dataset>,
}

/// `[pool]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Pool {
    pub(super) name: Option<String>,
    pub(super) version: Option<u64>,
    pub(super) features: Vec<String>,
    pub(super) size: Option<Size>,
    pub(super) headroom: Option<u64>,
    pub(super) ashift: Option<u32>,
    pub(super) compression: Option<String>,
    pub(super) record_size: Option<String>,
    pub(super) failmode: Option<String>,
    pub(super) autoexpand: Option<bool>,
    pub(super) bootfs: Option<String>,
    pub(super) salt: Option<String>,
    pub(super) guid: Option<String>,
}

/// `[[dataset]]`, or `--dataset`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Dataset {
    pub(super) name: String,
    pub(super) tree: Option<PathBuf>,
    pub(super) manifest: Option<PathBuf>,
    pub(super) tar: Option<PathBuf>,
    #[serde(default)]
    pub(super) owners: Owners,
    pub(super) compression: Option<String>,
    pub(super) record_size: Option<String>,
    pub(super) snapshot: Option<String>,
    #[serde(default)]
    pub(super) properties: BTreeMap<String, String>,
}

impl Description {
    /// Reads a file; paths in it become relative to the current directory.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::missing(format!("cannot read {}: {error}", path.display()))
        })?;
        let mut description: Self = toml::from_str(&text).map_err(|error| {
            Failure::usage(format!(
                "{} cannot be used\n{}",
                path.display(),
                error.to_string().trim()
            ))
            .hint("`cargo xtask image build --help` shows every key")
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        for dataset in &mut description.datasets {
            let Dataset { tree, manifest, tar, .. } = dataset;
            for path in [tree, manifest, tar].into_iter().flatten() {
                *path = base.join(&*path);
            }
        }
        Ok(description)
    }
}

impl Dataset {
    /// Reads `NAME[:KEY=VALUE,...]`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        let mut dataset = Self { name: name.to_owned(), ..Self::default() };
        for pair in keys.split(',').filter(|pair| !pair.is_empty()) {
            let refuse = |problem: &str| Failure::usage(format!("--dataset {text}: {problem}"));
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| refuse(&format!("`{pair}` is not KEY=VALUE")))?;
            let file = || Some(PathBuf::from(value));
            let word = || Some(value.to_owned());
            match key {
                "tree" => dataset.tree = file(),
                "manifest" => dataset.manifest = file(),
                "tar" => dataset.tar = file(),
                "owners" => {
                    dataset.owners = match value {
                        "root" => Owners::Root,
                        "from-disk" => Owners::FromDisk,
                        _ => return Err(refuse("owners are `root` or `from-disk`")),
                    }
                }
                "compression" => dataset.compression = word(),
                "recordsize" | "record-size" => dataset.record_size = word(),
                "snapshot" => dataset.snapshot = word(),
                _ => {
                    dataset.properties.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        Ok(dataset)
    }

    /// What goes into it.
    pub(super) fn source(&self) -> Result<Option<Source>, Failure> {
        let Self { name, tree, manifest, tar, owners, .. } = self;
        let refuse = |problem: &str| Err(Failure::usage(format!("dataset {name}: {problem}")));
        if tree.is_some() && tar.is_some() {
            return refuse("has a tree and a tar; only one can go into it");
        }
        if manifest.is_some() && tree.is_none() {
            return refuse("has a manifest and no tree that it belongs to");
        }
        Ok(Source::given(tree.as_deref(), manifest.as_deref(), tar.as_deref(), *owners))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_on_the_command_line() {
        let dataset =
            Dataset::parse("ROOT/a:mountpoint=/a,recordsize=8K,org.example:key=v,tree=d").unwrap();
        assert_eq!(dataset.name, "ROOT/a");
        assert_eq!(dataset.record_size.as_deref(), Some("8K"));
        assert_eq!(dataset.properties["mountpoint"], "/a");
        assert_eq!(dataset.properties["org.example:key"], "v");
        assert!(matches!(dataset.source().unwrap(), Some(Source::Tree { .. })));
        assert!(Dataset::parse("a:b").unwrap_err().error.to_string().contains("not KEY=VALUE"));
        assert!(Dataset::parse("a:manifest=m").unwrap().source().is_err());
        assert!(Dataset::parse("a:tree=t,tar=u").unwrap().source().is_err());
    }
}
