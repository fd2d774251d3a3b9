//! Package archives (`.p5p`): a repository without catalogs in one tar file.
//!
//! The first member, `pkg5.index.0.gz`, lists the others with their places, so that a reader need
//! not walk the file. Without it, or without the comment that announces it, the file is walked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::origin::{Origin, StoredPayload};
use crate::payload::is_hash;
use crate::{Error, Fmri, unquote};

pub(crate) const INDEX: &str = "pkg5.index.0.gz";
pub(crate) const INDEX_COMMENT: &str = "pkg5.archive.version.0";
/// The size of headers and the unit of padding in tar files.
pub(crate) const BLOCK: u64 = 512;
/// Longer than any record of an index: a path and four numbers.
const LONGEST_RECORD: u64 = 8192;

/// A package archive.
#[derive(Debug)]
pub struct PackageArchive {
    path: PathBuf,
    file: Arc<File>,
    /// Where the headers of each member begin.
    members: BTreeMap<String, u64>,
    publishers: Vec<String>,
    packages: Vec<Fmri>,
}

/// A part of a file, read without moving anybody else's place in it.
#[derive(Debug, Clone)]
struct Part {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let length = buffer.len().min(room);
        let count = self.file.read_at(&mut buffer[..length], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// A member as its header says.
struct Member {
    name: String,
    start: u64,
    size: u64,
    comment: Option<String>,
}

impl PackageArchive {
    /// Opens an archive and reads its index. Members that lie beyond the end of the file, twice
    /// or under names that lead elsewhere are errors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut archive = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            members: BTreeMap::new(),
            publishers: Vec::new(),
            packages: Vec::new(),
        };
        let first = archive.member_at(0, length)?;
        let indexed = first.name == INDEX
            && first.comment.as_deref().is_some_and(|c| c.starts_with("pkg5.archive.version."));
        if indexed {
            archive.read_index(&first, length)?;
        } else {
            archive.walk(length)?;
        }
        archive.list()?;
        Ok(archive)
    }

    fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::damaged(&self.path, problem)
    }

    fn part(&self, position: u64, end: u64) -> Part {
        Part { file: Arc::clone(&self.file), position, end }
    }

    fn member_at(&self, offset: u64, length: u64) -> Result<Member, Error> {
        let refuse = |error: &dyn std::fmt::Display| {
            self.damaged(format!("no tar member at byte {offset}: {error}"))
        };
        let mut tar = tar::Archive::new(self.part(offset, length));
        let mut entries = tar.entries().map_err(|error| refuse(&error))?;
        let mut entry = entries
            .next()
            .ok_or_else(|| refuse(&"the archive ends here"))?
            .map_err(|error| refuse(&error))?;
        let mut comment = None;
        if let Some(extensions) = entry.pax_extensions().map_err(|error| refuse(&error))? {
            for extension in extensions {
                let extension = extension.map_err(|error| refuse(&error))?;
                if extension.key_bytes() == b"comment" {
                    comment = Some(String::from_utf8_lossy(extension.value_bytes()).into_owned());
                }
            }
        }
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| refuse(&"its name is not UTF-8"))?;
        let name = name.strip_suffix('/').unwrap_or(&name).to_owned();
        let (start, size) = (offset + entry.raw_file_position(), entry.size());
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(self.damaged(format!(
                "cut short: {name} should end at byte {}, the file has {length}",
                start.saturating_add(size)
            )));
        }
        Ok(Member { name, start, size, comment })
    }

    fn add_member(&mut self, name: &str, offset: u64) -> Result<(), Error> {
        let safe = !name.is_empty()
            && !name.contains('\0')
            && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !safe {
            return Err(self.damaged(format!("the member name {name:?} leads elsewhere")));
        }
        if self.members.insert(name.to_owned(), offset).is_some() {
            return Err(self.damaged(format!("the member {name} is there twice")));
        }
        Ok(())
    }

    fn read_index(&mut self, index: &Member, length: u64) -> Result<(), Error> {
        // Offsets count from the end of the index.
        let base = index.start + index.size.next_multiple_of(BLOCK);
        let mut text = io::BufReader::new(gzip::GzipReader::new(
            self.part(index.start, index.start + index.size),
        ));
        // Every member takes at least a block.
        let most = length / BLOCK;
        for number in 1.. {
            let mut record = Vec::new();
            let read =
                io::BufRead::read_until(&mut (&mut text).take(LONGEST_RECORD), b'\n', &mut record);
            read.map_err(|error| self.damaged(format!("{INDEX}: {error}")))?;
            if record.is_empty() {
                break;
            }
            let refuse =
                |problem: &str| self.damaged(format!("{INDEX}, record {number}: {problem}"));
            if number > most {
                return Err(refuse("the file has no room for so many members"));
            }
            let fields: Vec<&[u8]> = record.split(|&byte| byte == 0).collect();
            let [name, offset, entry_size, size, _kind, b"\n"] = fields[..] else {
                return Err(refuse("name, offset, entry size, size and type were expected"));
            };
            let number = |field: &[u8]| {
                std::str::from_utf8(field).ok().and_then(|text| text.parse::<u64>().ok())
            };
            let (Some(offset), Some(entry_size), Some(_)) =
                (number(offset), number(entry_size), number(size))
            else {
                return Err(refuse("an offset or size is no number"));
            };
            let offset = base.saturating_add(offset);
            if offset.saturating_add(entry_size) > length {
                return Err(refuse("the member lies beyond the end of the file: cut short?"));
            }
            let name = std::str::from_utf8(name).map_err(|_| refuse("the name is not UTF-8"))?;
            let name = name.strip_suffix('/').unwrap_or(name).to_owned();
            self.add_member(&name, offset)?;
        }
        Ok(())
    }

    fn walk(&mut self, length: u64) -> Result<(), Error> {
        let mut offset = 0;
        while !self.at_end(offset, length)? {
            let member = self.member_at(offset, length)?;
            self.add_member(&member.name, offset)?;
            offset = member.start + member.size.next_multiple_of(BLOCK);
        }
        Ok(())
    }

    /// A tar file ends with blocks of zeros.
    fn at_end(&self, offset: u64, length: u64) -> Result<bool, Error> {
        let mut block = [0; BLOCK as usize];
        let short = "cut short: the blocks of zeros that end a tar file are missing";
        self.part(offset.min(length), length)
            .read_exact(&mut block)
            .map_err(|_| self.damaged(short))?;
        Ok(block.iter().all(|&byte| byte == 0))
    }

    /// Finds publishers and packages among the names of members.
    fn list(&mut self) -> Result<(), Error> {
        for name in self.members.keys() {
            match name.split('/').collect::<Vec<_>>()[..] {
                ["publisher", publisher] => {
                    crate::fmri::check_publisher(publisher).map_err(|p| self.damaged(p))?;
                    self.publishers.push(publisher.to_owned());
                }
                ["publisher", publisher, "pkg", stem, version] => {
                    let text = unquote(stem).zip(unquote(version));
                    let fmri = text
                        .and_then(|(stem, version)| {
                            Fmri::parse(&format!("pkg://{publisher}/{stem}@{version}")).ok()
                        })
                        .filter(|fmri| fmri.publisher.as_deref() == Some(publisher));
                    let Some(fmri) = fmri else {
                        return Err(self.damaged(format!("the member {name} names no package")));
                    };
                    self.packages.push(fmri);
                }
                _ => {}
            }
        }
        self.packages.sort();
        Ok(())
    }

    /// The publishers, by name.
    pub fn publishers(&self) -> &[String] {
        &self.publishers
    }

    /// Opens a member that the index has under `name`; none when it has not.
    fn open_member(&self, name: &str) -> Result<Option<Part>, Error> {
        let Some(&offset) = self.members.get(name) else { return Ok(None) };
        let length = self.file.metadata().map_err(Error::io("read", &self.path))?.len();
        let member = self.member_at(offset, length)?;
        if member.name != name {
            return Err(self.damaged(format!(
                "the index is wrong: at byte {offset} is {}, not {name}",
                member.name
            )));
        }
        Ok(Some(self.part(member.start, member.start + member.size)))
    }
}

impl Origin for PackageArchive {
    fn location(&self) -> &Path {
        &self.path
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        let missing = || Error::NoPackage { path: self.path.clone(), fmri: Box::new(fmri.clone()) };
        let (Some(publisher), Some((stem, version))) = (&fmri.publisher, fmri.quoted()) else {
            return Err(missing());
        };
        let name = format!("publisher/{publisher}/pkg/{stem}/{version}");
        let mut text = String::new();
        self.open_member(&name)?
            .ok_or_else(missing)?
            .read_to_string(&mut text)
            .map_err(|error| self.damaged(format!("{name}: {error}")))?;
        Ok(text)
    }

    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error> {
        if !is_hash(sha1) {
            let problem = format!("{sha1:?} is no payload name; 40 hex digits were expected");
            return Err(self.damaged(problem));
        }
        // An archive may hold a payload once although two publishers deliver it.
        let others = self.publishers.iter().map(String::as_str).filter(|p| *p != publisher);
        for publisher in std::iter::once(publisher).chain(others) {
            let files = format!("publisher/{publisher}/file/{}", &sha1[..2]);
            for name in [format!("{files}/{sha1}"), format!("{files}/{}/{sha1}", &sha1[2..8])] {
                if let Some(part) = self.open_member(&name)? {
                    let size = part.end - part.position;
                    return Ok(StoredPayload { size, reader: Box::new(part) });
                }
            }
        }
        Err(Error::NoPayload { path: self.path.clone(), hash: sha1.to_owned() })
    }
}
