//! The sorted list of everything in a proto root.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{Entry, Error, Kind, Metadata, ProtoPath};

/// Every path of a proto root with its entry, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<ProtoPath, Entry>,
}

impl Manifest {
    /// An empty manifest.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of entries, the root included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at a path.
    pub fn get(&self, path: &ProtoPath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The entry at a path, to be changed.
    pub fn get_mut(&mut self, path: &ProtoPath) -> Option<&mut Entry> {
        self.entries.get_mut(path)
    }

    /// Whether anything stands at a path.
    pub fn contains(&self, path: &ProtoPath) -> bool {
        self.entries.contains_key(path)
    }

    /// Adds an entry; a path that is taken is an error.
    pub fn insert(&mut self, path: ProtoPath, entry: Entry) -> Result<(), Error> {
        match self.entries.get(&path) {
            Some(there) => {
                Err(Error::Duplicate { there: there.kind.word(), new: entry.kind.word(), path })
            }
            None => {
                self.entries.insert(path, entry);
                Ok(())
            }
        }
    }

    /// Adds an entry or takes the place of the one that is there, which is returned.
    pub fn replace(&mut self, path: ProtoPath, entry: Entry) -> Option<Entry> {
        self.entries.insert(path, entry)
    }

    /// Takes one entry out; what lies below it stays.
    pub fn remove(&mut self, path: &ProtoPath) -> Option<Entry> {
        self.entries.remove(path)
    }

    /// Takes a path and everything below it out and returns it.
    pub fn remove_tree(&mut self, path: &ProtoPath) -> Manifest {
        let paths: Vec<ProtoPath> = self.subtree(path).map(|(p, _)| p.clone()).collect();
        let entries = paths.into_iter().filter_map(|p| self.entries.remove_entry(&p)).collect();
        Manifest { entries }
    }

    /// All entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&ProtoPath, &Entry)> {
        self.entries.iter()
    }

    /// All entries, sorted by path, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&ProtoPath, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// A path, if it is there, and everything below it, sorted.
    pub fn subtree<'a>(
        &'a self,
        path: &'a ProtoPath,
    ) -> impl Iterator<Item = (&'a ProtoPath, &'a Entry)> {
        self.entries
            .range((Bound::Included(path), Bound::Unbounded))
            .take_while(move |(p, _)| p.starts_with(path))
    }

    /// Adds the directories above a path that are not there yet.
    pub fn ensure_parents(&mut self, path: &ProtoPath, metadata: Metadata) {
        let mut parent = path.parent();
        while let Some(directory) = parent {
            if self.contains(&directory) {
                break;
            }
            parent = directory.parent();
            self.entries.insert(directory, Entry::directory(metadata));
        }
    }

    /// The regular file that a path names, through a hard link if it is one.
    pub fn resolve_hardlink(&self, path: &ProtoPath) -> Option<(&ProtoPath, &Entry)> {
        let (path, entry) = self.entries.get_key_value(path)?;
        match &entry.kind {
            Kind::Hardlink { target } => self
                .entries
                .get_key_value(target)
                .filter(|(_, file)| matches!(file.kind, Kind::File(_))),
            _ => Some((path, entry)),
        }
    }

    /// Checks that every parent is a directory and every hard link names a regular file.
    pub fn check(&self) -> Result<(), Error> {
        let word = |path: &ProtoPath| self.get(path).map_or("missing", |e| e.kind.word());
        for (path, entry) in self.iter() {
            if let Some(parent) = path.parent()
                && word(&parent) != "directory"
            {
                let problem = word(&parent);
                return Err(Error::Parent { path: path.clone(), parent, problem });
            }
            if let Kind::Hardlink { target } = &entry.kind
                && word(target) != "file"
            {
                let (target, problem) = (target.clone(), word(target));
                return Err(Error::Hardlink { path: path.clone(), target, problem });
            }
        }
        Ok(())
    }
}

impl FromIterator<(ProtoPath, Entry)> for Manifest {
    fn from_iter<I: IntoIterator<Item = (ProtoPath, Entry)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl IntoIterator for Manifest {
    type Item = (ProtoPath, Entry);
    type IntoIter = std::collections::btree_map::IntoIter<ProtoPath, Entry>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ProtoPath {
        ProtoPath::new(text).unwrap()
    }

    #[test]
    fn a_subtree_is_taken_whole_and_alone() {
        let mut manifest = Manifest::new();
        for directory in ["", "usr", "usr/bin", "usr-local", "var"] {
            manifest.insert(path(directory), Entry::directory(Metadata::root(0o755))).unwrap();
        }
        assert_eq!(manifest.remove_tree(&path("usr")).len(), 2);
        assert!(manifest.contains(&path("usr-local")));
        assert_eq!(manifest.len(), 3);
    }

    #[test]
    fn check_names_a_missing_parent_and_a_dangling_hard_link() {
        let mut manifest = Manifest::new();
        manifest.replace(path(""), Entry::directory(Metadata::root(0o755)));
        manifest.replace(path("a/b"), Entry::symlink("x", Metadata::root(0o777)));
        assert_eq!(manifest.check().unwrap_err().to_string(), "a/b: its parent a is missing");
        manifest.remove(&path("a/b"));
        manifest.replace(path("c"), Entry::hardlink(path("d"), Metadata::root(0o644)));
        assert_eq!(
            manifest.check().unwrap_err().to_string(),
            "c: hard link to d, which is missing"
        );
    }
}
