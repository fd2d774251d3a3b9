//! A proto while it is being changed: nothing of it is seen before everything has succeeded.

use std::collections::BTreeMap;

use proto::{Contents, Entry, FileContent, Kind, Manifest, Metadata, Mtime, Proto, ProtoPath};

use crate::{Error, Timestamp};

/// A copy of a proto's manifest that is changed in the proto's stead.
pub(crate) struct Stage<'a> {
    pub(crate) manifest: Manifest,
    /// What was there before.
    pub(crate) before: &'a Manifest,
    pub(crate) contents: &'a Contents,
    pub(crate) date: Timestamp,
    /// Files that were placed while their payloads were still on their way, with the numbers of
    /// these, in order.
    expected: Vec<(ProtoPath, usize)>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(proto: &'a Proto, date: Timestamp) -> Self {
        let mut stage = Self {
            manifest: proto.manifest.clone(),
            before: &proto.manifest,
            contents: &proto.contents,
            date,
            expected: Vec::new(),
        };
        if !stage.manifest.contains(&ProtoPath::root()) {
            let root = Entry::directory(Metadata::root(0o755).at(stage.mtime()));
            stage.manifest.replace(ProtoPath::root(), root);
        }
        stage
    }

    /// Notes that a file's content is still on its way.
    pub(crate) fn expect(&mut self, path: ProtoPath, payload: usize) {
        self.expected.push((path, payload));
    }

    /// Gives the files that were placed early the contents that came.
    pub(crate) fn arrived(&mut self, contents: &BTreeMap<usize, FileContent>) {
        for (path, payload) in std::mem::take(&mut self.expected) {
            // What was put there afterwards stays.
            if let Some(Entry { kind: Kind::File(there), .. }) = self.manifest.get_mut(&path)
                && there.digest.is_none()
                && let Some(content) = contents.get(&payload)
            {
                *there = content.clone();
            }
        }
    }

    pub(crate) fn mtime(&self) -> Mtime {
        Mtime::from_seconds(self.date.epoch())
    }

    /// A path that this code wrote down.
    pub(crate) fn path(&self, text: &str) -> Result<ProtoPath, Error> {
        Ok(ProtoPath::new(text).map_err(proto::Error::from)?)
    }

    /// The text of a file as it stands now.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        let path = self.path(path)?;
        let Some((file, entry)) = self.manifest.resolve_hardlink(&path) else { return Ok(None) };
        let Some(content) = entry.content() else { return Ok(None) };
        let bytes = self.contents.read(file, content)?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Error::damaged(path.to_string(), "is not UTF-8 text"))
    }

    pub(crate) fn store(&self, bytes: &[u8]) -> Result<FileContent, Error> {
        let store = &self.contents.store;
        store.add_bytes(bytes).map_err(Error::io("write to", store.directory()))
    }

    /// Gives a file that is there another text; its owner, group and mode stay.
    pub(crate) fn rewrite(&mut self, path: &str, text: &str) -> Result<(), Error> {
        let content = self.store(text.as_bytes())?;
        let path = self.path(path)?;
        let mtime = self.mtime();
        let file = self.manifest.resolve_hardlink(&path).map(|(file, _)| file.clone());
        if let Some(entry) = file.and_then(|file| self.manifest.get_mut(&file)) {
            entry.kind = Kind::File(content);
            entry.metadata.mtime = mtime;
        }
        Ok(())
    }

    /// Makes or replaces a file of root's.
    pub(crate) fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let content = self.store(bytes)?;
        self.put(path, Kind::File(content), mode)
    }

    /// Makes a directory of root's, unless it is there.
    pub(crate) fn directory(&mut self, path: &str) -> Result<(), Error> {
        let proto_path = self.path(path)?;
        match self.manifest.get(&proto_path) {
            Some(entry) if entry.is_directory() => Ok(()),
            _ => self.put(path, Kind::Directory, 0o755),
        }
    }

    /// Puts something of root's at a path, making the directories above it.
    pub(crate) fn put(&mut self, path: &str, kind: Kind, mode: u32) -> Result<(), Error> {
        let metadata = Metadata::root(mode).at(self.mtime());
        let path = self.path(path)?;
        let mut above = path.parent();
        while let Some(directory) = above {
            match self.manifest.get(&directory) {
                Some(entry) if !entry.is_directory() => {
                    return Err(Error::Proto(proto::Error::Parent {
                        path,
                        parent: directory,
                        problem: entry.kind.word(),
                    }));
                }
                _ => above = directory.parent(),
            }
        }
        let directories = Metadata::root(0o755).at(self.mtime());
        self.manifest.ensure_parents(&path, directories);
        self.manifest.replace(path, Entry::new(kind, metadata));
        Ok(())
    }

    /// The content of a file that was there before, found by its digest from now on, so that it
    /// can be moved.
    pub(crate) fn movable(&self, path: &ProtoPath) -> Result<Option<FileContent>, Error> {
        let Some((file, entry)) = self.before.resolve_hardlink(path) else { return Ok(None) };
        let Some(content) = entry.content() else { return Ok(None) };
        if content.digest.is_some() {
            return Ok(Some(content.clone()));
        }
        let on_disk = self.contents.locate(file, content)?;
        Ok(Some(self.contents.store.add_file(on_disk)?))
    }

    /// Takes a path and everything below it out, to `var/pkg/lost+found`.
    pub(crate) fn salvage(&mut self, path: &ProtoPath) -> Result<(), Error> {
        let date = self.date;
        let taken = self.manifest.remove_tree(path);
        let kept = self.path(&format!("var/pkg/lost+found/{path}-{date}"))?;
        let directories = Metadata::root(0o755).at(self.mtime());
        self.manifest.ensure_parents(&kept, directories);
        for (from, mut entry) in taken {
            let below = from.as_bytes().strip_prefix(path.as_bytes()).unwrap_or_default();
            let to = match below.strip_prefix(b"/") {
                Some(below) => kept.join(below).map_err(proto::Error::from)?,
                None => kept.clone(),
            };
            if matches!(entry.kind, Kind::File(_) | Kind::Hardlink { .. })
                && let Some(content) = self.movable(&from)?
            {
                entry.kind = Kind::File(content);
            }
            entry.package = None;
            self.manifest.replace(to, entry);
        }
        Ok(())
    }

    /// Names of files whose first name is gone get its content.
    pub(crate) fn promote_hardlinks(&mut self) -> Result<(), Error> {
        let mut orphans: BTreeMap<ProtoPath, Vec<ProtoPath>> = BTreeMap::new();
        for (path, entry) in self.manifest.iter() {
            if let Kind::Hardlink { target } = &entry.kind
                && self.manifest.get(target).and_then(Entry::content).is_none()
            {
                orphans.entry(target.clone()).or_default().push(path.clone());
            }
        }
        for (gone, names) in orphans {
            let Some(content) = self.movable(&gone)? else { continue };
            let metadata = self.before.resolve_hardlink(&gone).map(|(_, entry)| entry.metadata);
            let Some((first, others)) = names.split_first() else { continue };
            if let Some(entry) = self.manifest.get_mut(first) {
                entry.kind = Kind::File(content);
                entry.metadata = metadata.unwrap_or(entry.metadata);
            }
            for other in others {
                if let Some(entry) = self.manifest.get_mut(other) {
                    entry.kind = Kind::Hardlink { target: first.clone() };
                }
            }
        }
        Ok(())
    }
}
