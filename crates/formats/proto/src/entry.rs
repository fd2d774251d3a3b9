//! One entry of a proto root.

use std::sync::Arc;

use crate::{Digest, ProtoPath};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The type, with what only that type has.
    pub kind: Kind,
    /// Mode, owner, group and time.
    pub metadata: Metadata,
    /// The stem of the package that delivers this path, e.g. `system/library`.
    pub package: Option<Arc<str>>,
}

/// The type of an entry. Doors are left out: they exist only while a system runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File(FileContent),
    /// A directory.
    Directory,
    /// A symbolic link and its text, in any encoding.
    Symlink {
        /// The text of the link.
        target: Box<[u8]>,
    },
    /// A further name of a regular file.
    Hardlink {
        /// The path of the file in the same proto.
        target: ProtoPath,
    },
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A Unix-domain socket.
    Socket,
}

/// Size and digest of a regular file; the bytes themselves are in [`crate::Contents`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, where it is known. A file without one is found by its path.
    pub digest: Option<Digest>,
}

/// Device numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// Mode, owner, group and modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, setuid, setgid and sticky: the low twelve bits only.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Mtime,
}

/// A time as a file system keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mtime {
    /// Seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Mtime {
    /// A whole second.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }
}

impl Metadata {
    /// Owner root, group root, at the epoch.
    pub fn root(mode: u32) -> Self {
        Self::owned(mode, 0, 0)
    }

    /// The given owner and group, at the epoch.
    pub fn owned(mode: u32, uid: u32, gid: u32) -> Self {
        Self { mode: mode & 0o7777, uid, gid, mtime: Mtime::default() }
    }

    /// The same at another time.
    pub fn at(self, mtime: Mtime) -> Self {
        Self { mtime, ..self }
    }
}

impl Entry {
    /// An entry that no package delivers.
    pub fn new(kind: Kind, metadata: Metadata) -> Self {
        Self { kind, metadata, package: None }
    }

    /// A directory.
    pub fn directory(metadata: Metadata) -> Self {
        Self::new(Kind::Directory, metadata)
    }

    /// A regular file whose digest is known.
    pub fn file(size: u64, digest: Digest, metadata: Metadata) -> Self {
        Self::new(Kind::File(FileContent { size, digest: Some(digest) }), metadata)
    }

    /// A symbolic link.
    pub fn symlink(target: impl AsRef<[u8]>, metadata: Metadata) -> Self {
        Self::new(Kind::Symlink { target: target.as_ref().into() }, metadata)
    }

    /// A further name of `target`. Its metadata is that of the file and only kept for printing.
    pub fn hardlink(target: ProtoPath, metadata: Metadata) -> Self {
        Self::new(Kind::Hardlink { target }, metadata)
    }

    /// The same, delivered by a package.
    pub fn from_package(self, stem: impl Into<Arc<str>>) -> Self {
        Self { package: Some(stem.into()), ..self }
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The content of a regular file.
    pub fn content(&self) -> Option<&FileContent> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }
}

impl Kind {
    /// The word for this type in messages.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::File(_) => "file",
            Kind::Directory => "directory",
            Kind::Symlink { .. } => "symlink",
            Kind::Hardlink { .. } => "hard link",
            Kind::CharacterDevice(_) => "character device",
            Kind::BlockDevice(_) => "block device",
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
        }
    }
}
