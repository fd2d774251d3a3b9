//! The image while steps work on it: paths as the system would walk them.

use std::collections::BTreeSet;
use std::io::Read;

use proto::{Entry, FileContent, Kind, Metadata, Mtime, Proto, ProtoPath};

use super::Failure;
use crate::Permissions;
use crate::accounts::Accounts;

/// A proto with the operations that steps are made of.
pub(crate) struct Image {
    pub(crate) proto: Proto,
    /// The time of everything new.
    pub(crate) mtime: Mtime,
}

/// How many symbolic links one path may lead through, as in illumos.
const MOST_LINKS: usize = 20;

impl Image {
    /// The path with every symbolic link on the way to its last component followed. Absolute
    /// links start at the root of the image. Nothing leads outside.
    pub(crate) fn walk(&self, path: &ProtoPath) -> Result<ProtoPath, Failure> {
        self.resolve(path, false)
    }

    /// The same, and the last component followed too.
    pub(crate) fn follow(&self, path: &ProtoPath) -> Result<ProtoPath, Failure> {
        self.resolve(path, true)
    }

    fn resolve(&self, path: &ProtoPath, last: bool) -> Result<ProtoPath, Failure> {
        let mut todo: Vec<Vec<u8>> = path.components().rev().map(<[u8]>::to_vec).collect();
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(component) = todo.pop() {
            match &component[..] {
                b"" | b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(component),
            }
            let here = ProtoPath::new(at.join(&b'/'))?;
            let entry = self.proto.manifest.get(&here);
            if let Some(Entry { kind: Kind::Symlink { target }, .. }) = entry
                && (last || !todo.is_empty())
            {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Failure::new(format!("/{path} leads through too many links")));
                }
                at.pop();
                if target.first() == Some(&b'/') {
                    at.clear();
                }
                todo.extend(target.split(|&b| b == b'/').rev().map(<[u8]>::to_vec));
            }
        }
        Ok(ProtoPath::new(at.join(&b'/'))?)
    }

    pub(crate) fn get(&self, path: &ProtoPath) -> Option<&Entry> {
        self.proto.manifest.get(path)
    }

    /// The path that a new entry gets; its parent must be a directory.
    pub(crate) fn place(&self, path: &ProtoPath) -> Result<ProtoPath, Failure> {
        let place = self.walk(path)?;
        if let Some(parent) = place.parent() {
            match self.get(&parent) {
                Some(entry) if entry.is_directory() => {}
                Some(entry) => {
                    let word = entry.kind.word();
                    return Err(Failure::new(format!("/{parent} is a {word}, not a directory")));
                }
                None => {
                    let reason = format!(
                        "the directory /{parent} is missing; make it first with `ensure_dir`"
                    );
                    return Err(Failure::missing(&parent, reason));
                }
            }
        }
        Ok(place)
    }

    /// The path and content of the regular file that a path leads to.
    pub(crate) fn file(&self, path: &ProtoPath) -> Result<(ProtoPath, FileContent), Failure> {
        let found = self.follow(path)?;
        match self.proto.manifest.resolve_hardlink(&found) {
            Some((at, Entry { kind: Kind::File(content), .. })) => {
                Ok((at.clone(), content.clone()))
            }
            Some((_, entry)) => {
                Err(Failure::new(format!("/{path} is a {}, not a file", entry.kind.word())))
            }
            None => Err(Failure::missing(path, format!("/{path} is missing"))),
        }
    }

    /// Whether a content is only known to come: nobody has its bytes.
    pub(crate) fn is_foreseen(&self, content: &FileContent) -> bool {
        content.digest.is_none() && self.proto.contents.tree.is_none()
    }

    /// Puts a file at a path whose bytes are only known to come.
    pub(crate) fn put_foreseen(
        &mut self,
        path: &ProtoPath,
        size: u64,
        metadata: Metadata,
    ) -> Result<(), Failure> {
        let place = self.place(path)?;
        self.put(&place, Entry::new(Kind::File(FileContent { size, digest: None }), metadata))
    }

    /// The bytes of a small file.
    pub(crate) fn read(&self, path: &ProtoPath) -> Result<Vec<u8>, Failure> {
        let (at, content) = self.file(path)?;
        Ok(self.proto.contents.read(&at, &content)?)
    }

    /// Takes one path out, as unlink(2): the content stays while it has another name.
    pub(crate) fn unlink(&mut self, path: &ProtoPath) -> Option<Entry> {
        let removed = self.proto.manifest.remove(path)?;
        self.keep_linked([(path.clone(), removed.clone())]);
        Some(removed)
    }

    /// Takes a directory out with everything in it.
    pub(crate) fn remove_tree(&mut self, path: &ProtoPath) {
        let removed = self.proto.manifest.remove_tree(path);
        self.keep_linked(removed);
    }

    /// Gives the content of removed files to hard links that are still there.
    fn keep_linked(&mut self, removed: impl IntoIterator<Item = (ProtoPath, Entry)>) {
        let mut removed: std::collections::BTreeMap<ProtoPath, Entry> =
            removed.into_iter().filter(|(_, entry)| matches!(entry.kind, Kind::File(_))).collect();
        if removed.is_empty() {
            return;
        }
        let links: Vec<(ProtoPath, ProtoPath)> = self
            .proto
            .manifest
            .iter()
            .filter_map(|(path, entry)| match &entry.kind {
                Kind::Hardlink { target } if removed.contains_key(target) => {
                    Some((target.clone(), path.clone()))
                }
                _ => None,
            })
            .collect();
        let mut heirs = std::collections::BTreeMap::new();
        for (target, link) in links {
            let heir: &ProtoPath = heirs.entry(target.clone()).or_insert_with(|| link.clone());
            let Some(entry) = self.proto.manifest.get_mut(&link) else { continue };
            if *heir != link {
                entry.kind = Kind::Hardlink { target: heir.clone() };
            } else if let Some(file) = removed.remove(&target) {
                // The entry keeps its own package; content and permissions were common.
                entry.kind = file.kind;
                entry.metadata = file.metadata;
            }
        }
    }

    /// Puts a new entry at a place, over whatever non-directory is there.
    pub(crate) fn put(&mut self, place: &ProtoPath, entry: Entry) -> Result<(), Failure> {
        if self.get(place).is_some_and(Entry::is_directory) {
            return Err(Failure::new(format!("/{place} is a directory")));
        }
        self.unlink(place);
        self.proto.manifest.replace(place.clone(), entry);
        Ok(())
    }

    /// Stores what a reader gives and puts it at a place as a new file, unless the same bytes are
    /// there already: then only owner, group and mode change.
    pub(crate) fn put_file(
        &mut self,
        path: &ProtoPath,
        reader: impl Read,
        metadata: Metadata,
    ) -> Result<(), Failure> {
        let place = self.place(path)?;
        let content = self
            .proto
            .contents
            .store
            .add(reader)
            .map_err(|error| Failure::because("its content cannot be stored", error))?;
        if self.holds(&place, &content)? {
            self.set_metadata(&place, metadata);
            return Ok(());
        }
        self.put(&place, Entry::new(Kind::File(content), metadata))
    }

    fn holds(&mut self, place: &ProtoPath, content: &FileContent) -> Result<bool, Failure> {
        let found = match self.proto.manifest.resolve_hardlink(place) {
            Some((at, Entry { kind: Kind::File(found), .. })) => (at.clone(), found.clone()),
            _ => return Ok(false),
        };
        let (at, found) = found;
        if found.size != content.size || found.digest.is_some() || self.is_foreseen(&found) {
            return Ok(found == *content);
        }
        let file = self.proto.contents.open(&at, &found)?;
        let found = self
            .proto
            .contents
            .store
            .add(file)
            .map_err(|error| Failure::because(format!("/{at} cannot be read"), error))?;
        Ok(found == *content)
    }

    /// Sets owner, group and mode of a path and of all names of the same file; the time stays.
    pub(crate) fn set_metadata(&mut self, place: &ProtoPath, metadata: Metadata) {
        let mut names = BTreeSet::from([place.clone()]);
        if let Some((at, Entry { kind: Kind::File(_), .. })) =
            self.proto.manifest.resolve_hardlink(place)
        {
            let at = at.clone();
            let links = self.proto.manifest.iter().filter(
                |(_, entry)| matches!(&entry.kind, Kind::Hardlink { target } if *target == at),
            );
            names.extend(links.map(|(path, _)| path.clone()));
            names.insert(at);
        }
        for name in names {
            if let Some(entry) = self.proto.manifest.get_mut(&name) {
                entry.metadata = metadata.at(entry.metadata.mtime);
            }
        }
    }

    /// The metadata that owner, group and mode of a step mean in this image, now.
    pub(crate) fn metadata(&self, permissions: &Permissions) -> Result<Metadata, Failure> {
        let accounts = Accounts::of(&self.proto)?;
        let uid = accounts.user(&permissions.owner).map_err(Failure::new)?;
        let gid = accounts.group(&permissions.group).map_err(Failure::new)?;
        Ok(Metadata::owned(permissions.mode, uid, gid).at(self.mtime))
    }

    /// Makes the root directory if there is none, as every mounted file system has one.
    pub(crate) fn ensure_root(&mut self) {
        let root = ProtoPath::root();
        if !self.proto.manifest.contains(&root) {
            let metadata = Metadata::root(0o755).at(self.mtime);
            self.proto.manifest.replace(root, Entry::directory(metadata));
        }
    }
}
