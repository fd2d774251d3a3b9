//! Where templates and their files are looked for.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// A template root with the group in use, and the external source trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    root: PathBuf,
    group: String,
    external: Vec<PathBuf>,
    promised: BTreeSet<String>,
}

impl Search {
    /// Looks below `ROOT/GROUP`, then below `ROOT`.
    pub fn new(root: impl Into<PathBuf>, group: impl Into<String>) -> Self {
        Self { root: root.into(), group: group.into(), ..Self::default() }
    }

    /// The templates of this repository.
    pub fn own(group: impl Into<String>) -> Self {
        Self::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"), group)
    }

    /// Adds an external source tree (`extsrc`), looked through after those added before.
    #[must_use]
    pub fn external(mut self, directory: impl Into<PathBuf>) -> Self {
        self.external.push(directory.into());
        self
    }

    /// Declares that an external source will be there when the template is applied, although it
    /// is not when the template is checked: something that an earlier stage makes.
    #[must_use]
    pub fn promise(mut self, name: impl Into<String>) -> Self {
        self.promised.insert(name.into());
        self
    }

    /// `ROOT/GROUP`.
    pub fn group_directory(&self) -> PathBuf {
        self.root.join(&self.group)
    }

    /// The file of a main template.
    pub(crate) fn template(&self, name: &str) -> PathBuf {
        self.group_directory().join(format!("{name}.json"))
    }

    /// The places of an include, in order.
    pub(crate) fn include_places(&self, name: &str) -> [PathBuf; 2] {
        let file = format!("{name}.json");
        [self.group_directory().join("include").join(&file), self.root.join("include").join(&file)]
    }

    /// The places of a `src` file, in order.
    pub(crate) fn source_places(&self, name: &str) -> [PathBuf; 2] {
        [self.group_directory().join("files").join(name), self.root.join("files").join(name)]
    }

    /// The file a `src` names.
    pub(crate) fn source(&self, name: &str) -> Option<PathBuf> {
        self.source_places(name).into_iter().find(|place| place.is_file())
    }

    /// The file an `extsrc` names.
    pub(crate) fn external_source(&self, name: &str) -> Option<PathBuf> {
        self.external.iter().map(|tree| tree.join(name)).find(|place| place.is_file())
    }

    /// What a file is called wherever the root is: its path below the root, or below `extsrc` for
    /// one of an external tree.
    pub(crate) fn name_of(&self, path: &Path) -> String {
        let external = self.external.iter().find_map(|tree| path.strip_prefix(tree).ok());
        let name = match (path.strip_prefix(&self.root), external) {
            (Ok(below), _) => below.to_owned(),
            (Err(_), Some(below)) => Path::new("extsrc").join(below),
            (Err(_), None) => path.file_name().unwrap_or_default().into(),
        };
        name.to_string_lossy().into_owned()
    }

    /// Whether an external source was declared to come.
    pub(crate) fn is_promised(&self, name: &str) -> bool {
        self.promised.contains(name)
    }

    /// The external source trees.
    pub(crate) fn external_trees(&self) -> &[PathBuf] {
        &self.external
    }
}

/// Whether a name from a template stays below the directory it is looked for in.
pub(crate) fn stays_below(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}
