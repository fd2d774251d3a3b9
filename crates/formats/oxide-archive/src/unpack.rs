//! Unpacks an archive below a directory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use proto::{Digest, Entry, FileContent, Kind, Manifest, Mtime, ProtoPath};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod,
    fchown, futimens, linkat, mkdirat, openat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use sha2::Digest as _;

use crate::destination::{Destination, kind_of, open_directory, word};
use crate::reader::open_ahead;
use crate::walk::{Nowhere, Place, Sink, open_pinned, walk};
use crate::{Error, Metadata, Options, SetOwners, TarReader, open_stream};

/// What was unpacked.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// The metadata of the archive, unless it was a plain tar.
    pub metadata: Option<Metadata>,
    /// Every path below the destination that the archive brought, with its owner and all else.
    /// Digests are there when [`Options::digests`] asks for them.
    pub manifest: Manifest,
    /// The number of members after `oxide.json`, skipped ones included.
    pub members: u64,
    /// Members that are not below the prefix.
    pub skipped: u64,
    /// Bytes of data in all members.
    pub bytes: u64,
    /// Whether owners were set on disk.
    pub owners_set: bool,
}

/// Unpacks an archive below a directory, which must be there.
///
/// A file or link takes the place of a file or link; anything else in its place is an error. A
/// directory that is there gets the member's mode, owner and time. Files are created with mode
/// 0600, filled, then given owner, mode and time by descriptor, so that nobody reads a secret
/// meanwhile and setuid bits survive. Directories get theirs at the end.
///
/// After an error the destination holds what was unpacked before it: unpack into a directory that
/// can be thrown away.
pub fn unpack(
    archive: impl AsRef<Path>,
    root: impl AsRef<Path>,
    options: &Options,
) -> Result<Unpacked, Error> {
    let (archive, root) = (archive.as_ref(), root.as_ref());
    let file = open_pinned(archive, options.pinned)?;
    let handle = open_directory(rustix::fs::CWD, path_bytes(root))
        .map_err(|errno| Error::io("open the directory", root)(errno.into()))?;
    let set_owners = match options.set_owners {
        SetOwners::Always => true,
        SetOwners::Never => false,
        SetOwners::IfRoot => rustix::process::geteuid().is_root(),
    };
    let mut disk = Disk {
        label: root.to_owned(),
        destination: Destination::new(handle),
        set_owners,
        digests: options.digests,
        buffer: vec![0; 256 << 10],
    };
    let mut unpacked = walk(open_ahead(file, archive)?, options, &mut disk)?;
    unpacked.owners_set = set_owners;
    Ok(unpacked)
}

/// Checks an archive as [`unpack`] would and writes nothing. That parents are there is left to the
/// destination.
pub fn check(archive: impl AsRef<Path>, options: &Options) -> Result<Unpacked, Error> {
    let archive = archive.as_ref();
    walk(open_ahead(open_pinned(archive, options.pinned)?, archive)?, options, &mut Nowhere)
}

/// The same for any stream; `path` is what errors call it.
pub fn check_stream(
    input: impl Read + Send,
    path: impl AsRef<Path>,
    options: &Options,
) -> Result<Unpacked, Error> {
    walk(open_stream(input, path)?, options, &mut Nowhere)
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

struct Disk {
    label: PathBuf,
    destination: Destination,
    set_owners: bool,
    digests: bool,
    buffer: Vec<u8>,
}

impl Disk {
    /// The handle of the directory that a path is in, and its name there.
    fn parent<'d, 'p>(
        destination: &'d mut Destination,
        at: &Place,
        path: &'p ProtoPath,
    ) -> Result<(BorrowedFd<'d>, &'p [u8]), Error> {
        let parent = path.parent().unwrap_or_default();
        let name = path.file_name().unwrap_or(b".");
        let handle = destination.directory(&parent).map_err(|problem| at.refused(problem))?;
        Ok((handle, name))
    }

    fn failed(&self, doing: &'static str, path: &ProtoPath) -> impl FnOnce(Errno) -> Error + use<> {
        let on_disk = path.below(&self.label);
        move |errno| Error::io(doing, on_disk)(errno.into())
    }

    /// Runs a call that creates a name; a file or link that is in the way makes room for it.
    fn create<T>(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        mut call: impl FnMut(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        let failed = self.failed("create", path);
        let (parent, name) = Self::parent(&mut self.destination, at, path)?;
        match call(parent, name) {
            Err(Errno::EXIST) => {}
            result => return result.map_err(failed),
        }
        match kind_of(parent, name) {
            Ok(Some(FileType::RegularFile | FileType::Symlink) | None) => {}
            Ok(Some(kind)) => {
                let (there, new) = (word(kind), entry.kind.word());
                return Err(
                    at.refused(format!("a {there} is there, and a {new} cannot replace it"))
                );
            }
            Err(errno) => return Err(failed(errno)),
        }
        unlinkat(parent, name, AtFlags::empty()).and_then(|()| call(parent, name)).map_err(failed)
    }

    /// Owner, then mode (changing the owner may clear setuid bits), then time.
    fn finish_handle(&self, handle: BorrowedFd<'_>, entry: &Entry) -> Result<(), Errno> {
        let metadata = &entry.metadata;
        if self.set_owners {
            fchown(handle, Some(Uid::from_raw(metadata.uid)), Some(Gid::from_raw(metadata.gid)))?;
        }
        fchmod(handle, Mode::from_raw_mode(metadata.mode as _))?;
        futimens(handle, &times(metadata.mtime))
    }
}

impl Sink for Disk {
    fn directory(&mut self, at: &Place, path: &ProtoPath, _entry: &Entry) -> Result<(), Error> {
        if path.is_root() {
            return Ok(());
        }
        let failed = self.failed("create", path);
        let (parent, name) = Self::parent(&mut self.destination, at, path)?;
        match mkdirat(parent, name, Mode::RWXU) {
            Err(Errno::EXIST) => match kind_of(parent, name).map_err(failed)? {
                Some(FileType::Directory) => Ok(()),
                kind => {
                    let there = kind.map_or("thing", word);
                    Err(at
                        .refused(format!("a {there} is there, and a directory cannot replace it")))
                }
            },
            result => result.map_err(failed),
        }
    }

    fn make_parent(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<bool, Error> {
        let (parent, name) = Self::parent(&mut self.destination, at, path)?;
        if let Ok(Some(FileType::Directory)) = kind_of(parent, name) {
            return Ok(false);
        }
        self.directory(at, path, entry).map(|()| true)
    }

    fn file<R: Read>(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        data: &mut TarReader<R>,
    ) -> Result<FileContent, Error> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle: OwnedFd = self.create(at, path, entry, |parent, name| {
            openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
        })?;
        let mut file = File::from(handle);
        let mut hasher = self.digests.then(sha2::Sha256::new);
        let mut size = 0;
        loop {
            let count = data.read_data(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            let piece = &self.buffer[..count];
            file.write_all(piece).map_err(Error::io("write", path.below(&self.label)))?;
            if let Some(hasher) = &mut hasher {
                hasher.update(piece);
            }
            size += count as u64;
        }
        self.finish_handle(file.as_fd(), entry)
            .map_err(self.failed("set owner, mode and time of", path))?;
        Ok(FileContent { size, digest: hasher.map(|h| Digest(h.finalize().into())) })
    }

    fn symlink(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error> {
        let Kind::Symlink { target } = &entry.kind else { return Ok(()) };
        let (metadata, set_owners) = (entry.metadata, self.set_owners);
        self.create(at, path, entry, |parent, name| {
            symlinkat(&**target, parent, name)?;
            let nofollow = AtFlags::SYMLINK_NOFOLLOW;
            if set_owners {
                let uid = Some(Uid::from_raw(metadata.uid));
                chownat(parent, name, uid, Some(Gid::from_raw(metadata.gid)), nofollow)?;
            }
            utimensat(parent, name, &times(metadata.mtime), nofollow)
        })
    }

    fn hardlink(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        target: &ProtoPath,
    ) -> Result<(), Error> {
        let (directory, old_name) = Self::parent(&mut self.destination, at, target)?;
        let directory = directory
            .try_clone_to_owned()
            .map_err(Error::io("open the directory of", target.below(&self.label)))?;
        // Without a flag the call does not follow a symbolic link that stands at the old name.
        self.create(at, path, entry, |parent, name| {
            linkat(&directory, old_name, parent, name, AtFlags::empty())
        })
    }

    fn finish(&mut self, unpacked: &Unpacked) -> Result<(), Error> {
        // Innermost first: filling a directory changes its time, and its mode may forbid it.
        let directories: Vec<_> =
            unpacked.manifest.iter().filter(|(_, entry)| entry.is_directory()).collect();
        for (path, entry) in directories.into_iter().rev() {
            let failed = self.failed("set owner, mode and time of", path);
            let handle = self
                .destination
                .directory(path)
                .and_then(|handle| handle.try_clone_to_owned().map_err(|e| e.to_string()))
                .map_err(|problem| {
                    Error::io("open", path.below(&self.label))(std::io::Error::other(problem))
                })?;
            self.finish_handle(handle.as_fd(), entry).map_err(failed)?;
        }
        Ok(())
    }
}

/// The time of last access is left alone.
fn times(mtime: Mtime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: mtime.seconds as _, tv_nsec: mtime.nanoseconds as _ },
    }
}
