//! From a directory on disk to a manifest.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::{
    Device, Entry, Error, ExtendedAttributes, FileContent, Kind, Manifest, Metadata, Mtime,
    ProtoPath,
};

/// Whose the files of an imported directory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// root:root, whoever owns them on disk: what an ordinary user's tree means.
    Root,
    /// As on disk: for trees that were unpacked by root.
    FromDisk,
}

/// Reads a directory tree: types, modes, links and times as on disk. Contents are left where they
/// are, found by path, and not hashed.
///
/// Extended attributes and access control lists are refused, as a proto cannot hold them; see
/// [`import_directory_with`].
pub fn import_directory(root: &Path, owners: Owners) -> Result<Manifest, Error> {
    import_directory_with(root, owners, ExtendedAttributes::Refuse)
}

/// The same, with a choice of what happens to extended attributes. Labels that a system puts on
/// every file (`security.selinux`, `security.ima`, `trusted.overlay.*` and the like) are always
/// left behind.
pub fn import_directory_with(
    root: &Path,
    owners: Owners,
    attributes: ExtendedAttributes,
) -> Result<Manifest, Error> {
    let mut importer =
        Importer { owners, attributes, links: HashMap::new(), manifest: Manifest::new() };
    importer.add(root, ProtoPath::root())?;
    Ok(importer.manifest)
}

struct Importer {
    owners: Owners,
    attributes: ExtendedAttributes,
    links: HashMap<(u64, u64), ProtoPath>,
    manifest: Manifest,
}

impl Importer {
    fn add(&mut self, on_disk: &Path, path: ProtoPath) -> Result<(), Error> {
        let found = fs::symlink_metadata(on_disk).map_err(Error::io("examine", on_disk))?;
        self.attributes.check(on_disk)?;
        let (uid, gid) = match self.owners {
            Owners::Root => (0, 0),
            Owners::FromDisk => (found.uid(), found.gid()),
        };
        let mtime = Mtime { seconds: found.mtime(), nanoseconds: found.mtime_nsec() as u32 };
        let metadata = Metadata::owned(found.mode(), uid, gid).at(mtime);
        let kind = found.file_type();
        let device = Device { major: linux_major(found.rdev()), minor: linux_minor(found.rdev()) };
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            let target = fs::read_link(on_disk).map_err(Error::io("read", on_disk))?;
            Kind::Symlink { target: target.into_os_string().into_vec().into() }
        } else if kind.is_file() {
            let first = (found.nlink() > 1)
                .then(|| self.links.insert((found.dev(), found.ino()), path.clone()))
                .flatten();
            match first {
                Some(target) => {
                    self.links.insert((found.dev(), found.ino()), target.clone());
                    Kind::Hardlink { target }
                }
                None => Kind::File(FileContent { size: found.len(), digest: None }),
            }
        } else if kind.is_char_device() {
            Kind::CharacterDevice(device)
        } else if kind.is_block_device() {
            Kind::BlockDevice(device)
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_socket() {
            Kind::Socket
        } else {
            return Err(Error::Special { path: on_disk.to_owned(), kind: "door" });
        };
        let is_directory = matches!(kind, Kind::Directory);
        self.manifest.insert(path.clone(), Entry::new(kind, metadata))?;
        if is_directory {
            let mut names = fs::read_dir(on_disk)
                .and_then(|entries| entries.map(|e| e.map(|e| e.file_name())).collect())
                .map_err(Error::io("list", on_disk))
                .map(|names: Vec<_>| names)?;
            names.sort();
            for name in names {
                self.add(&on_disk.join(&name), path.join(name.as_bytes())?)?;
            }
        }
        Ok(())
    }
}

// The Linux encoding of dev_t as user space sees it; imports of device nodes happen on Linux.
fn linux_major(device: u64) -> u32 {
    (((device >> 32) & 0xffff_f000) | ((device >> 8) & 0xfff)) as u32
}

fn linux_minor(device: u64) -> u32 {
    (((device >> 12) & 0xffff_ff00) | (device & 0xff)) as u32
}
