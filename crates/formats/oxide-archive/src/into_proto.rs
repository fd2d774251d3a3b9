//! Puts the members of an archive into a proto root.

use std::io::{self, Read};
use std::path::Path;

use proto::{Entry, FileContent, Kind, Proto, ProtoPath};

use crate::reader::open_ahead;
use crate::walk::{Place, Sink, open_pinned, walk};
use crate::{Error, Options, TarReader, Unpacked, open_stream};

/// Puts the members of an archive below `at` in a proto root; contents go into its store.
///
/// Checks and rules are those of [`crate::unpack`]; the paths of [`Unpacked::manifest`] are below
/// `at`. The directory `at` must be there unless [`Options::make_parents`] is set or the archive
/// has a member for it. After an error the proto is as it was; only its store may have more files.
pub fn into_proto(
    archive: impl AsRef<Path>,
    proto: &mut Proto,
    at: &ProtoPath,
    options: &Options,
) -> Result<Unpacked, Error> {
    let archive = archive.as_ref();
    let file = open_pinned(archive, options.pinned)?;
    take(open_ahead(file, archive)?, proto, at, options)
}

/// The same from a stream; `name` is what errors call it. A pinned digest cannot be compared.
pub fn into_proto_stream(
    input: impl Read + Send,
    name: impl AsRef<Path>,
    proto: &mut Proto,
    at: &ProtoPath,
    options: &Options,
) -> Result<Unpacked, Error> {
    take(open_stream(input, name)?, proto, at, options)
}

fn take<R: Read>(
    reader: TarReader<R>,
    proto: &mut Proto,
    at: &ProtoPath,
    options: &Options,
) -> Result<Unpacked, Error> {
    let mut sink = Tree { proto: proto.clone(), at: at.clone() };
    let unpacked = walk(reader, options, &mut sink)?;
    *proto = sink.proto;
    Ok(unpacked)
}

struct Tree {
    proto: Proto,
    at: ProtoPath,
}

impl Tree {
    fn full(&self, at: &Place, path: &ProtoPath) -> Result<ProtoPath, Error> {
        if path.is_root() {
            return Ok(self.at.clone());
        }
        self.at
            .join(path.as_bytes())
            .map_err(|error| at.refused(format!("below {} its name {}", self.at, error.reason)))
    }

    /// Names the outermost parent that is not as it should be, as a walk on disk would.
    fn check_parent(&self, at: &Place, path: &ProtoPath) -> Result<(), Error> {
        let mut parents = Vec::new();
        let mut parent = path.parent();
        while let Some(directory) = parent {
            parent = directory.parent();
            parents.push(directory);
        }
        for parent in parents.iter().rev() {
            match self.proto.manifest.get(parent) {
                Some(entry) if entry.is_directory() => {}
                // A proto that nobody put anything into has no entry for its root yet.
                None if parent.is_root() => {}
                Some(entry) => {
                    let word = entry.kind.word();
                    return Err(at.refused(format!("its parent {parent} is a {word}")));
                }
                None => return Err(at.refused(format!("its parent {parent} is missing"))),
            }
        }
        Ok(())
    }

    /// Puts a file or link in place of nothing, a file or a link.
    fn put(&mut self, at: &Place, path: ProtoPath, entry: Entry) -> Result<(), Error> {
        self.check_parent(at, &path)?;
        match self.proto.manifest.get(&path).map(|there| &there.kind) {
            None | Some(Kind::Symlink { .. } | Kind::Hardlink { .. }) => {}
            Some(Kind::File(_)) => self.keep_other_names(&path)?,
            // A device takes the place of the same kind of device.
            Some(kind) if *kind != Kind::Directory && kind.word() == entry.kind.word() => {}
            Some(kind) => {
                let (there, new) = (kind.word(), entry.kind.word());
                return Err(
                    at.refused(format!("a {there} is there, and a {new} cannot replace it"))
                );
            }
        }
        self.proto.manifest.replace(path, entry);
        Ok(())
    }

    /// Taking a file away leaves its other names with its content, as on a disk: the first of
    /// them becomes the file.
    fn keep_other_names(&mut self, path: &ProtoPath) -> Result<(), Error> {
        let names: Vec<ProtoPath> = self
            .proto
            .manifest
            .iter()
            .filter(|(_, e)| matches!(&e.kind, Kind::Hardlink { target } if target == path))
            .map(|(name, _)| name.clone())
            .collect();
        let Some((heir, others)) = names.split_first() else { return Ok(()) };
        let Some(mut file) = self.proto.manifest.get(path).cloned() else { return Ok(()) };
        if let Kind::File(content) = &mut file.kind
            && content.digest.is_none()
        {
            let bytes = self.proto.contents.open(path, content)?;
            *content = self
                .proto
                .contents
                .store
                .add(bytes)
                .map_err(Error::io("store a copy of", path.to_string()))?;
        }
        let kind = file.kind;
        if let Some(entry) = self.proto.manifest.get_mut(heir) {
            entry.kind = kind;
        }
        for other in others {
            if let Some(entry) = self.proto.manifest.get_mut(other) {
                entry.kind = Kind::Hardlink { target: heir.clone() };
            }
        }
        Ok(())
    }
}

impl Sink for Tree {
    fn directory(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error> {
        let path = self.full(at, path)?;
        self.check_parent(at, &path)?;
        match self.proto.manifest.get_mut(&path) {
            Some(there) if there.is_directory() => there.metadata = entry.metadata,
            Some(there) => {
                let there = there.kind.word();
                return Err(
                    at.refused(format!("a {there} is there, and a directory cannot replace it"))
                );
            }
            None => {
                self.proto.manifest.replace(path, entry.clone());
            }
        }
        Ok(())
    }

    fn make_parent(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<bool, Error> {
        let full = self.full(at, path)?;
        if self.proto.manifest.get(&full).is_some_and(Entry::is_directory) {
            return Ok(false);
        }
        self.proto.manifest.ensure_parents(&full, entry.metadata);
        self.directory(at, path, entry).map(|()| true)
    }

    fn file<R: Read>(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        data: &mut TarReader<R>,
    ) -> Result<FileContent, Error> {
        let path = self.full(at, path)?;
        self.check_parent(at, &path)?;
        let mut source = Source { data, error: None };
        let content = match self.proto.contents.store.add(&mut source) {
            Ok(content) => content,
            Err(error) => {
                return Err(source
                    .error
                    .unwrap_or_else(|| Error::io("store", path.to_string())(error)));
            }
        };
        let entry = Entry::new(Kind::File(content.clone()), entry.metadata);
        self.put(at, path, entry)?;
        Ok(content)
    }

    fn symlink(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error> {
        let path = self.full(at, path)?;
        self.put(at, path, entry.clone())
    }

    fn hardlink(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        target: &ProtoPath,
    ) -> Result<(), Error> {
        let (path, target) = (self.full(at, path)?, self.full(at, target)?);
        // The name has the metadata of the file, whatever the link's header says.
        let metadata = self.proto.manifest.get(&target).map_or(entry.metadata, |e| e.metadata);
        self.put(at, path, Entry::hardlink(target, metadata))
    }

    fn special(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error> {
        let path = self.full(at, path)?;
        self.put(at, path, entry.clone())
    }

    fn finish(&mut self, _unpacked: &Unpacked) -> Result<(), Error> {
        Ok(())
    }
}

/// Member data as a plain reader; the error that it cannot carry is kept beside.
struct Source<'a, R> {
    data: &'a mut TarReader<R>,
    error: Option<Error>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.data.read_data(buffer).map_err(|error| {
            self.error = Some(error);
            io::Error::other("the archive is damaged")
        })
    }
}
