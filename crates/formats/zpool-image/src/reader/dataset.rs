//! A file system in a pool image.

use std::collections::BTreeMap;
use std::io::{self, Read};

use proto::{Device, Entry, FileContent, Kind, Manifest, Metadata, Mtime, ProtoPath};

use super::attributes::{Attribute, Attributes, Layouts};
use super::block::Storage;
use super::fields::{bits, u64_at};
use super::object::{Dnode, Object, ObjectSet};
use super::pointer::Pointer;
use super::zap::{self, entries};
use crate::Error;
use crate::dnode::{DIRECTORY, SYSTEM_ATTRIBUTES};

/// The longest text of a symbolic link that is believed.
const LONGEST_LINK: u64 = 64 << 10;

/// The names in a directory, sorted, with their objects.
type Names = Vec<(Vec<u8>, u64)>;

/// What an object is to those who have its name.
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Extended attributes, which an entry does not hold.
    pub(super) has_extended: bool,
    /// Names it says it has.
    links: u64,
}

/// Objects that were met on the way through a dataset.
#[derive(Default)]
struct Met {
    /// A bit for each, 64 together.
    objects: BTreeMap<u64, u64>,
    /// The first paths of those that may have more than one.
    paths: BTreeMap<u64, ProtoPath>,
}

/// A path that is visited; what cannot be read is an error instead of the entry.
pub(super) struct Seen<'p> {
    pub(super) path: &'p ProtoPath,
    pub(super) object: u64,
    pub(super) entry: Result<Found, Error>,
}

/// A dataset of a pool image, opened.
#[derive(Debug)]
pub struct Dataset<'a> {
    name: &'a str,
    storage: &'a Storage,
    set: ObjectSet,
    layouts: Layouts,
    root: u64,
    /// The directory looked into last: files are mostly asked for one directory after another.
    recent: Option<(ProtoPath, Names)>,
}

/// The bytes of a regular file, from its begin; every block is checked.
#[derive(Debug)]
pub struct FileReader<'a> {
    /// For messages: the dataset, the object and the path.
    place: String,
    storage: &'a Storage,
    object: Object,
    size: u64,
    position: u64,
    block: Vec<u8>,
}

impl<'a> Dataset<'a> {
    pub(super) fn open(
        name: &'a str,
        pointer: &Pointer,
        storage: &'a Storage,
    ) -> Result<Self, Error> {
        Self::open_set(name, pointer, storage)
            .map_err(|error| error.within(format_args!("dataset {name}")))
    }

    fn open_set(dataset: &'a str, pointer: &Pointer, storage: &'a Storage) -> Result<Self, Error> {
        let mut set = ObjectSet::open(pointer, storage)?;
        if set.purpose != 2 {
            return Err(storage.unknown("datasets that are no file systems"));
        }
        let mut object = |number| set.object(number, storage);
        let master = entries(&mut object(1)?, storage)?;
        let number = |table: &[zap::Entry], name: &str| {
            let entry = table.iter().find(|entry| entry.name == name.as_bytes());
            entry
                .and_then(zap::Entry::number)
                .ok_or_else(|| storage.damaged(format!("a file system without {name}")))
        };
        if number(&master, "VERSION")? < 5 {
            return Err(storage.unknown("file systems before version 5"));
        }
        let attributes = entries(&mut object(number(&master, "SA_ATTRS")?)?, storage)?;
        let mut layouts = Layouts::default();
        for entry in entries(&mut object(number(&attributes, "REGISTRY")?)?, storage)? {
            if let Some(value) = entry.number() {
                layouts.register(&entry.name, value);
            }
        }
        for entry in entries(&mut object(number(&attributes, "LAYOUTS")?)?, storage)? {
            let key = std::str::from_utf8(&entry.name).ok().and_then(|name| name.parse().ok());
            if let Some(key) = key {
                let (numbers, _) = entry.value.as_chunks::<2>();
                layouts.define(key, numbers.iter().map(|n| u16::from_be_bytes(*n)));
            }
        }
        let root = number(&master, "ROOT")?;
        Ok(Self { name: dataset, storage, set, layouts, root, recent: None })
    }

    /// Everything in the dataset: types, modes, owners, times and links. Of a file with several
    /// names, the first is the file and the others are hard links. Digests are not known.
    pub fn manifest(&mut self) -> Result<Manifest, Error> {
        let mut manifest = Manifest::new();
        self.walk(|seen| Ok(manifest.insert(seen.path.clone(), seen.entry?.entry)?))?;
        Ok(manifest)
    }

    /// Visits every path with its object, directories before what they contain.
    pub(super) fn walk(
        &mut self,
        mut visit: impl FnMut(Seen<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut met = Met::default();
        let mut left = vec![(ProtoPath::root(), self.root)];
        while let Some((path, object)) = left.pop() {
            match self.look(&path, object, &mut met) {
                Ok((found, names)) => {
                    visit(Seen { path: &path, object, entry: Ok(found) })?;
                    for (below, child) in names.into_iter().rev() {
                        left.push((below, child));
                    }
                }
                Err(error) => {
                    let place = self.place(object, &path);
                    visit(Seen { path: &path, object, entry: Err(error.within(place)) })?;
                }
            }
        }
        Ok(())
    }

    /// The entry at a path, and what is below it.
    fn look(
        &mut self,
        path: &ProtoPath,
        object: u64,
        met: &mut Met,
    ) -> Result<(Found, Vec<(ProtoPath, u64)>), Error> {
        let dnode = self.set.dnode(object, self.storage)?;
        let mut found = self.entry(&dnode)?;
        let entry = &mut found.entry;
        let is_single = found.links == 1 && !entry.is_directory();
        if !met.is_new(object) {
            match (met.paths.get(&object), &entry.kind) {
                (Some(first), Kind::Directory) => {
                    return Err(self.storage.damaged(format!("is also {first}")));
                }
                (Some(first), Kind::File(_)) => {
                    entry.kind = Kind::Hardlink { target: first.clone() };
                }
                // A manifest has no further names for anything else: two alike stand for it.
                (Some(_), _) => {}
                (None, _) => {
                    let problem = "has another name, and says that it has one";
                    return Err(self.storage.damaged(problem));
                }
            }
        } else if !is_single {
            met.paths.insert(object, path.clone());
        }
        let mut below = Vec::new();
        if found.entry.is_directory() {
            for (name, child) in self.names(dnode)? {
                let path = path.join(&name).map_err(|error| {
                    self.storage.damaged(format!("a name in it that no file can have: {error}"))
                })?;
                below.push((path, child));
            }
        }
        Ok((found, below))
    }

    pub(super) fn not_there(&self, path: &ProtoPath) -> Error {
        Error::NotThere { path: self.storage.path.clone(), name: path.to_string() }
    }

    fn place(&self, object: u64, path: &ProtoPath) -> String {
        format!("dataset {}, object {object}, path {path}", self.name)
    }

    /// Opens a regular file.
    pub fn file(&mut self, path: &ProtoPath) -> Result<FileReader<'a>, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(self.not_there(path));
        };
        if self.recent.as_ref().is_none_or(|(directory, _)| *directory != parent) {
            let mut names = self.list(self.root, path)?;
            for component in parent.components() {
                let object = find(&names, component).ok_or_else(|| self.not_there(path))?;
                names = self.list(object, path)?;
            }
            self.recent = Some((parent, names));
        }
        let names = self.recent.as_ref().map_or(&[][..], |(_, names)| names);
        let object = find(names, name).ok_or_else(|| self.not_there(path))?;
        let place = self.place(object, path);
        let dnode = self.set.dnode(object, self.storage).map_err(|error| error.within(&place))?;
        let entry = self.entry(&dnode).map_err(|error| error.within(&place))?.entry;
        let Kind::File(content) = entry.kind else {
            return Err(Error::NotThere {
                path: self.storage.path.clone(),
                name: format!("regular file {path}: it is a {}", entry.kind.word()),
            });
        };
        Ok(FileReader {
            place,
            storage: self.storage,
            object: Object::new(dnode),
            size: content.size,
            position: 0,
            block: Vec::new(),
        })
    }

    /// What a directory on the way to a path contains, sorted by name.
    fn list(&mut self, object: u64, path: &ProtoPath) -> Result<Names, Error> {
        let place = format!("dataset {}, object {object}, on the way to {path}", self.name);
        let dnode = self.set.dnode(object, self.storage).map_err(|error| error.within(&place))?;
        if dnode.object_type != DIRECTORY {
            return Err(self.not_there(path));
        }
        self.names(dnode).map_err(|error| error.within(place))
    }

    fn names(&mut self, dnode: Dnode) -> Result<Names, Error> {
        let names = entries(&mut Object::new(dnode), self.storage)?;
        names
            .into_iter()
            .map(|entry| match entry.number() {
                Some(value) => Ok((entry.name, bits(value, 0, 48))),
                None => Err(self.storage.damaged("a directory entry without an object")),
            })
            .collect()
    }

    /// The type and the metadata of an object.
    fn entry(&self, dnode: &Dnode) -> Result<Found, Error> {
        let damaged = || self.storage.damaged("a file without proper attributes");
        if dnode.bonus_type != SYSTEM_ATTRIBUTES {
            return Err(self.storage.unknown("files with attributes in an older form"));
        }
        let spill = match &dnode.spill {
            Some(spill) => self.storage.block(spill)?,
            None => None,
        };
        let mut attributes = Attributes::default();
        for bytes in [Some(&dnode.bonus), spill.as_ref()].into_iter().flatten() {
            self.layouts.read(bytes, &mut attributes).ok_or_else(damaged)?;
        }
        let number = |attribute| attributes.number(attribute).ok_or_else(damaged);
        let mode = number(Attribute::Mode)?;
        let size = number(Attribute::Size)?;
        let time = attributes.get(Attribute::Modified).ok_or_else(damaged)?;
        let (seconds, nanoseconds) = (u64_at(time, 0), u64_at(time, 8));
        let mtime = Mtime {
            seconds: seconds.ok_or_else(damaged)? as i64,
            nanoseconds: nanoseconds.filter(|n| *n < 1_000_000_000).ok_or_else(damaged)? as u32,
        };
        let id = |attribute| Ok::<u32, Error>(bits(number(attribute)?, 0, 32) as u32);
        let (owner, group) = (id(Attribute::Owner)?, id(Attribute::Group)?);
        let metadata = Metadata::owned((mode & 0o7777) as u32, owner, group).at(mtime);
        let device = || {
            let value = number(Attribute::Device)?;
            Ok::<_, Error>(Device { major: (value >> 32) as u32, minor: value as u32 })
        };
        let kind = match mode >> 12 & 0o17 {
            1 => Kind::Fifo,
            2 => Kind::CharacterDevice(device()?),
            4 => Kind::Directory,
            6 => Kind::BlockDevice(device()?),
            8 => Kind::File(FileContent { size, digest: None }),
            10 => Kind::Symlink { target: self.link_text(dnode, size, &attributes)?.into() },
            12 => Kind::Socket,
            _ => return Err(damaged()),
        };
        Ok(Found {
            entry: Entry::new(kind, metadata),
            has_extended: attributes.has_extended(),
            links: number(Attribute::Links)?,
        })
    }

    fn link_text(
        &self,
        dnode: &Dnode,
        size: u64,
        attributes: &Attributes<'_>,
    ) -> Result<Vec<u8>, Error> {
        let text = match attributes.get(Attribute::Symlink) {
            Some(text) => text.to_vec(),
            None => Object::new(dnode.clone()).all(LONGEST_LINK, self.storage)?,
        };
        let text = usize::try_from(size).ok().and_then(|size| text.get(..size));
        text.map(<[u8]>::to_vec).ok_or_else(|| self.storage.damaged("a link without its text"))
    }
}

impl Met {
    /// Notes an object; whether it was not met before.
    fn is_new(&mut self, object: u64) -> bool {
        let bits = self.objects.entry(object / 64).or_default();
        let bit = 1 << (object % 64);
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }
}

fn find(names: &[(Vec<u8>, u64)], name: &[u8]) -> Option<u64> {
    let index = names.binary_search_by(|(other, _)| other.as_slice().cmp(name)).ok()?;
    Some(names[index].1)
}

impl FileReader<'_> {
    /// Bytes in the file.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let block_size = self.object.dnode.block_size;
        let within = (self.position % block_size) as usize;
        let left = (self.size - self.position).min(block_size - within as u64);
        let count = buffer.len().min(left as usize);
        if count == 0 {
            return Ok(0);
        }
        if within == 0 || self.block.is_empty() {
            let block = self.object.block(self.position / block_size, self.storage);
            let block = block.map_err(|error| {
                io::Error::other(
                    error.within(format_args!("{}, byte {}", self.place, self.position)),
                )
            });
            self.block = match block? {
                Some(block) => block,
                None => vec![0; block_size as usize],
            };
        }
        buffer[..count].copy_from_slice(&self.block[within..within + count]);
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_new_once() {
        let mut met = Met::default();
        let objects = [5, 64, 63, u64::MAX, 0];
        assert!(objects.iter().all(|object| met.is_new(*object)));
        assert!(!objects.iter().any(|object| met.is_new(*object)));
        assert!(met.is_new(1));
    }
}
