//! Writes archives.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use gzip::{GzipWriter, Level};
use proto::{Contents, Entry, Kind, Mtime, ProtoPath};

use crate::header::{self, BLOCK, padding};
use crate::member::{Member, MemberKind, printable};
use crate::{Error, METADATA_NAME, Metadata, OutputFile, Written};

/// Writes a tar whose bytes depend on what is put in alone.
///
/// Names are given without a leading or trailing `/`; members appear in the order of the calls.
pub struct Writer<W: Write> {
    output: W,
    path: PathBuf,
    position: u64,
}

impl Writer<GzipWriter<OutputFile>> {
    /// Begins an Oxide archive on disk: one gzip member at the best level. `mtime` (seconds) is the
    /// time of `oxide.json`.
    pub fn create(path: impl AsRef<Path>, metadata: &Metadata, mtime: i64) -> Result<Self, Error> {
        let path = path.as_ref();
        let output = GzipWriter::new(OutputFile::create(path)?, Level::Best);
        Self::new(output, path, metadata, mtime)
    }

    /// Begins a compressed tar without metadata on disk.
    pub fn create_plain(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Ok(Self::plain(GzipWriter::new(OutputFile::create(path)?, Level::Best), path))
    }

    /// Ends the archive and gives it its name.
    pub fn commit(self) -> Result<Written, Error> {
        let path = self.path.clone();
        self.finish()?.finish().map_err(Error::io("write", &path))?.commit()
    }
}

impl<W: Write> Writer<W> {
    /// Begins an Oxide archive: writes `oxide.json`. `path` is what errors call it.
    pub fn new(output: W, path: &Path, metadata: &Metadata, mtime: i64) -> Result<Self, Error> {
        let json = metadata.to_json()?;
        let mut writer = Self::plain(output, path);
        let owner = proto::Metadata::root(0o444).at(Mtime::from_seconds(mtime));
        writer.file_bytes(METADATA_NAME, owner, json.as_bytes())?;
        Ok(writer)
    }

    /// Begins a tar without metadata.
    pub fn plain(output: W, path: &Path) -> Self {
        Self { output, path: path.to_owned(), position: 0 }
    }

    /// Continues a tar whose first `position` bytes, whole members, are written elsewhere.
    pub fn resume(output: W, path: &Path, position: u64) -> Self {
        Self { output, path: path.to_owned(), position }
    }

    /// Writes what stands before the data of a file and gives the output back. The data, and zeros
    /// up to a multiple of 512 bytes, are left to the caller, who goes on with [`Writer::resume`].
    pub fn begin_file(
        mut self,
        name: impl AsRef<[u8]>,
        metadata: proto::Metadata,
        size: u64,
    ) -> Result<W, Error> {
        self.header(name.as_ref().to_vec(), MemberKind::File, size, metadata)?;
        Ok(self.output)
    }

    /// Writes a directory.
    pub fn directory(
        &mut self,
        name: impl AsRef<[u8]>,
        metadata: proto::Metadata,
    ) -> Result<(), Error> {
        let name = [name.as_ref(), b"/"].concat();
        self.header(name, MemberKind::Directory, 0, metadata)
    }

    /// Writes a file. `data` must give exactly `size` bytes.
    pub fn file(
        &mut self,
        name: impl AsRef<[u8]>,
        metadata: proto::Metadata,
        size: u64,
        mut data: impl Read,
    ) -> Result<(), Error> {
        let name = name.as_ref();
        self.header(name.to_vec(), MemberKind::File, size, metadata)?;
        let copied = std::io::copy(&mut data.by_ref().take(size), &mut self.output)
            .map_err(Error::io("write", &self.path))?;
        let more = data.read(&mut [0]).map_err(Error::io("read data for", &self.path))?;
        if copied != size || more != 0 {
            let problem = if copied < size {
                format!("its data end after {copied} of {size} bytes")
            } else {
                format!("its data are longer than {size} bytes")
            };
            return Err(self.unwritable(name, problem));
        }
        self.position += size;
        self.zeros(padding(size))
    }

    /// Writes a file whose bytes are in memory.
    pub fn file_bytes(
        &mut self,
        name: impl AsRef<[u8]>,
        metadata: proto::Metadata,
        data: &[u8],
    ) -> Result<(), Error> {
        self.file(name, metadata, data.len() as u64, data)
    }

    /// Writes a symbolic link.
    pub fn symlink(
        &mut self,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        metadata: proto::Metadata,
    ) -> Result<(), Error> {
        let kind = MemberKind::Symlink { target: target.as_ref().to_vec() };
        self.header(name.as_ref().to_vec(), kind, 0, metadata)
    }

    /// Writes a hard link; `target` is the name of a member that was written before.
    pub fn hardlink(
        &mut self,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        metadata: proto::Metadata,
    ) -> Result<(), Error> {
        let kind = MemberKind::Hardlink { target: target.as_ref().to_vec() };
        self.header(name.as_ref().to_vec(), kind, 0, metadata)
    }

    /// Writes an entry of a proto root as member `prefix/path`. The root itself becomes `prefix`.
    pub fn entry(
        &mut self,
        prefix: &str,
        path: &ProtoPath,
        entry: &Entry,
        contents: &Contents,
    ) -> Result<(), Error> {
        let name = |path: &ProtoPath| match (prefix, path.is_root()) {
            ("", true) => b".".to_vec(),
            ("", false) => path.as_bytes().to_vec(),
            (prefix, true) => prefix.as_bytes().to_vec(),
            (prefix, false) => [prefix.as_bytes(), path.as_bytes()].join(&b'/'),
        };
        let member = name(path);
        let metadata = entry.metadata;
        match &entry.kind {
            Kind::File(content) => {
                self.file(member, metadata, content.size, contents.open(path, content)?)
            }
            Kind::Directory => self.directory(member, metadata),
            Kind::Symlink { target } => self.symlink(member, target, metadata),
            Kind::Hardlink { target } => self.hardlink(member, name(target), metadata),
            Kind::CharacterDevice(device) => {
                self.header(member, MemberKind::CharacterDevice(*device), 0, metadata)
            }
            Kind::BlockDevice(device) => {
                self.header(member, MemberKind::BlockDevice(*device), 0, metadata)
            }
            Kind::Fifo => self.header(member, MemberKind::Fifo, 0, metadata),
            Kind::Socket => Err(self.unwritable(&member, "a tar cannot hold a socket")),
        }
    }

    /// Writes the end of the archive and gives the output back.
    pub fn finish(mut self) -> Result<W, Error> {
        self.zeros(2 * BLOCK as u64)?;
        Ok(self.output)
    }

    fn header(
        &mut self,
        name: Vec<u8>,
        kind: MemberKind,
        size: u64,
        metadata: proto::Metadata,
    ) -> Result<(), Error> {
        let member = Member {
            name,
            kind,
            size,
            metadata,
            extended_attributes: Vec::new(),
            sparse: false,
            offset: self.position,
        };
        let body = member.name.strip_suffix(b"/").unwrap_or(&member.name);
        let empty_link = matches!(&member.kind, MemberKind::Symlink { target }
            | MemberKind::Hardlink { target } if target.is_empty() || target.contains(&0));
        if body.is_empty() || body.contains(&0) || empty_link {
            return Err(self.unwritable(&member.name, "a name is empty or has a NUL"));
        }
        let blocks =
            header::encode(&member).map_err(|problem| self.unwritable(&member.name, problem))?;
        self.output.write_all(&blocks).map_err(Error::io("write", &self.path))?;
        self.position += blocks.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, count: u64) -> Result<(), Error> {
        let zeros = [0; 2 * BLOCK];
        self.output.write_all(&zeros[..count as usize]).map_err(Error::io("write", &self.path))?;
        self.position += count;
        Ok(())
    }

    fn unwritable(&self, member: &[u8], problem: impl Into<String>) -> Error {
        Error::Unwritable {
            path: self.path.clone(),
            member: printable(member),
            problem: problem.into(),
        }
    }
}
