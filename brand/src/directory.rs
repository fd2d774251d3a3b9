//! Directories as open handles.
//!
//! Names below a handle are single components and are never followed when they are symbolic
//! links, so nobody who can write into a tree can lead us out of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid,
};

use crate::Error;

/// Owner, group, permissions and time of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permissions with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) mtime: Timespec,
}

/// Whether owners are set. An ordinary user cannot, and leaves everything its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    Kept,
    Skipped,
}

impl Ownership {
    /// What this process may do.
    pub(crate) fn of_process() -> Ownership {
        if rustix::process::geteuid().is_root() { Ownership::Kept } else { Ownership::Skipped }
    }
}

impl Metadata {
    // the types of the fields differ from system to system
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub(crate) fn of(stat: &Stat) -> Metadata {
        Metadata {
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            mode: stat.st_mode as u32 & 0o7777,
            mtime: Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ },
        }
    }

    /// Owner first: setting it clears setuid and setgid. Time last.
    pub(crate) fn apply(&self, file: impl AsFd, ownership: Ownership) -> io::Result<()> {
        if ownership == Ownership::Kept {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(&file, mode(self.mode))?;
        rustix::fs::futimens(&file, &modified(self.mtime))?;
        Ok(())
    }
}

/// Times for `utimensat`: this modification time, the access time as it is.
pub(crate) fn modified(mtime: Timespec) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
    Timestamps { last_access: omitted, last_modification: mtime }
}

#[allow(clippy::unnecessary_cast)]
fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits as _)
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The type that a directory tells of an entry. illumos's directories tell none.
fn told_type(_entry: &rustix::fs::DirEntry) -> Option<FileType> {
    #[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
    return Some(_entry.file_type()).filter(|told| *told != FileType::Unknown);
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    None
}

/// The identity of a file: device and inode.
#[allow(clippy::unnecessary_cast)]
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl Directory {
    /// Opens a directory that is trusted by its path: links in the path are followed.
    pub(crate) fn open(path: &Path) -> Result<Directory, Error> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let handle = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(Error::io("open directory", path))?;
        Ok(Directory { handle, path: path.into() })
    }

    /// The path of a name in it, for messages.
    pub(crate) fn join(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// For `map_err`: the path is only put together when there is an error.
    fn failed<E: Into<io::Error>>(
        &self,
        action: &'static str,
        name: &OsStr,
    ) -> impl FnOnce(E) -> Error {
        move |source| Error::io(action, self.join(name))(source)
    }

    pub(crate) fn child(&self, name: &OsStr) -> Result<Directory, Error> {
        let handle = rustix::fs::openat(&self.handle, name, DIRECTORY, Mode::empty())
            .map_err(self.failed("open directory", name))?;
        Ok(Directory { handle, path: self.join(name) })
    }

    /// Walks down a relative path of plain names. No component may be a link.
    pub(crate) fn descend(&self, relative: &Path) -> Result<Directory, Error> {
        let mut current = Directory { handle: self.duplicate()?, path: self.path.clone() };
        for component in relative.components() {
            match component {
                Component::Normal(name) => current = current.child(name)?,
                _ => {
                    let path = self.path.join(relative);
                    return Err(Error::io("walk", path)(io::Error::from(
                        io::ErrorKind::InvalidInput,
                    )));
                }
            }
        }
        Ok(current)
    }

    fn duplicate(&self) -> Result<OwnedFd, Error> {
        self.handle.try_clone().map_err(Error::io("open directory", &self.path))
    }

    /// Makes a directory that only its owner can enter, until its metadata is applied.
    pub(crate) fn make(&self, name: &OsStr) -> Result<(), Error> {
        rustix::fs::mkdirat(&self.handle, name, Mode::RWXU)
            .map_err(self.failed("make directory", name))
    }

    pub(crate) fn own_stat(&self) -> Result<Stat, Error> {
        rustix::fs::fstat(&self.handle).map_err(Error::io("examine", &self.path))
    }

    /// What a name is, without following it; nothing if it is not there.
    pub(crate) fn stat(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("examine", name)(error)),
        }
    }

    /// All names, sorted by bytes.
    pub(crate) fn names(&self) -> Result<Vec<OsString>, Error> {
        Ok(self.entries()?.into_iter().map(|(name, _)| name).collect())
    }

    /// All names with their types, as far as the directory itself tells them, sorted by bytes.
    pub(crate) fn entries(&self) -> Result<Vec<(OsString, Option<FileType>)>, Error> {
        let failed = || Error::io("list", &self.path);
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push((OsString::from_vec(name.to_vec()), told_type(&entry)));
            }
        }
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }

    pub(crate) fn read_link(&self, name: &OsStr) -> Result<OsString, Error> {
        let text = rustix::fs::readlinkat(&self.handle, name, Vec::new())
            .map_err(self.failed("read link", name))?;
        Ok(OsStr::from_bytes(text.as_bytes()).to_owned())
    }

    pub(crate) fn make_link(&self, name: &OsStr, text: &OsStr) -> Result<(), Error> {
        rustix::fs::symlinkat(text, &self.handle, name).map_err(self.failed("make link", name))
    }

    /// Owner and time of a symbolic link.
    pub(crate) fn apply_to_link(
        &self,
        name: &OsStr,
        metadata: &Metadata,
        ownership: Ownership,
    ) -> Result<(), Error> {
        let failed = || self.failed("set owner or time of link", name);
        if ownership == Ownership::Kept {
            let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(&self.handle, name, Some(uid), Some(gid), flags)
                .map_err(failed())?;
        }
        let times = modified(metadata.mtime);
        rustix::fs::utimensat(&self.handle, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed())
    }

    /// Gives the file at `first` in another directory a second name here.
    pub(crate) fn make_hard_link(
        &self,
        name: &OsStr,
        other: &Directory,
        first: &OsStr,
    ) -> Result<(), Error> {
        rustix::fs::linkat(&other.handle, first, &self.handle, name, AtFlags::empty())
            .map_err(self.failed("make hard link", name))
    }

    /// Opens a regular file for reading.
    pub(crate) fn read_file(&self, name: &OsStr) -> Result<File, Error> {
        // not blocking: the name may have become a pipe since it was examined
        let flags =
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty())
            .map_err(self.failed("open", name))?;
        Ok(handle.into())
    }

    /// Makes a new file that only its owner can read, until its metadata is applied.
    pub(crate) fn make_file(&self, name: &OsStr) -> Result<File, Error> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(self.failed("make", name))?;
        Ok(handle.into())
    }

    pub(crate) fn apply(&self, metadata: &Metadata, ownership: Ownership) -> Result<(), Error> {
        metadata
            .apply(&self.handle, ownership)
            .map_err(Error::io("set owner, mode or time of", &self.path))
    }

    /// Works in this directory and gives it back its modification time, so that a correction does
    /// not show.
    pub(crate) fn keeping_time<T>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mtime = Metadata::of(&self.own_stat()?).mtime;
        let result = work(self)?;
        rustix::fs::futimens(&self.handle, &modified(mtime))
            .map_err(Error::io("set time of", &self.path))?;
        Ok(result)
    }

    pub(crate) fn remove_file(&self, name: &OsStr) -> Result<(), Error> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())
            .map_err(self.failed("remove", name))
    }

    pub(crate) fn remove_directory(&self, name: &OsStr) -> Result<(), Error> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR)
            .map_err(self.failed("remove directory", name))
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        rustix::fs::renameat(&self.handle, from, &self.handle, to)
            .map_err(self.failed("rename", from))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}
