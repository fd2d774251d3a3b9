//! A directory tree reached through handles alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proto::ProtoPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// As many handles are kept open; deeper directories are opened again each time.
const MOST_HANDLES: usize = 64;

/// The root and the directories on the way to where members were last put.
///
/// Every component is opened relative to its parent's handle without following symbolic links, so
/// no name can lead outside, whatever stands in the tree.
pub(crate) struct Destination {
    root: OwnedFd,
    open: Vec<(Vec<u8>, OwnedFd)>,
    deep: Option<OwnedFd>,
}

impl Destination {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root, open: Vec::new(), deep: None }
    }

    /// The handle of a directory. The error says which component is what.
    pub(crate) fn directory(&mut self, path: &ProtoPath) -> Result<BorrowedFd<'_>, String> {
        let components: Vec<&[u8]> = path.components().collect();
        let kept = self
            .open
            .iter()
            .zip(&components)
            .take_while(|((name, _), component)| name == *component)
            .count();
        self.open.truncate(kept);
        self.deep = None;
        for (index, component) in components.iter().enumerate().skip(kept) {
            let next = open_directory(self.last(), component).map_err(|errno| {
                let shown = ProtoPath::new(components[..=index].join(&b'/')).unwrap_or_default();
                format!("its parent {shown} {}", self.trouble(component, errno))
            })?;
            if index < MOST_HANDLES {
                self.open.push((component.to_vec(), next));
            } else {
                self.deep = Some(next);
            }
        }
        Ok(self.last())
    }

    fn last(&self) -> BorrowedFd<'_> {
        match (&self.deep, self.open.last()) {
            (Some(directory), _) => directory.as_fd(),
            (None, Some((_, directory))) => directory.as_fd(),
            (None, None) => self.root.as_fd(),
        }
    }

    fn trouble(&self, component: &[u8], errno: Errno) -> String {
        match kind_of(self.last(), component) {
            Ok(None) => "is missing".to_owned(),
            Ok(Some(kind)) if kind != FileType::Directory => format!("is a {}", word(kind)),
            _ => format!("cannot be opened: {errno}"),
        }
    }
}

/// Opens a directory below a handle, not through a symbolic link.
pub(crate) fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// What stands at a name, if anything.
pub(crate) fn kind_of(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<FileType>, Errno> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The word for a type in messages.
pub(crate) fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        _ => "thing of unknown type",
    }
}
