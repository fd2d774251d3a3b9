//! From a manifest to a directory on disk.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{Contents, Entry, Error, Kind, Manifest, Mtime, ProtoPath};

impl Manifest {
    /// Writes the tree to a directory that must not exist yet: contents, links, modes and times.
    /// Owners are not set (that needs root), and devices, pipes and sockets are left out; their
    /// paths are returned. The mtree form beside the tree tells the rest.
    pub fn export(&self, contents: &Contents, root: &Path) -> Result<Vec<ProtoPath>, Error> {
        self.check()?;
        let mut left_out = Vec::new();
        for (path, entry) in self.iter() {
            let on_disk = path.below(root);
            match &entry.kind {
                Kind::Directory => DirBuilder::new()
                    .mode(0o700)
                    .create(&on_disk)
                    .map_err(Error::io("create", &on_disk))?,
                Kind::File(content) => {
                    let mut source = contents.open(path, content)?;
                    let mut target =
                        File::create_new(&on_disk).map_err(Error::io("create", &on_disk))?;
                    std::io::copy(&mut source, &mut target)
                        .map_err(Error::io("write", &on_disk))?;
                    finish(&target, entry).map_err(Error::io("set the mode of", &on_disk))?;
                }
                Kind::Symlink { target } => {
                    symlink(std::ffi::OsStr::from_bytes(target), &on_disk)
                        .map_err(Error::io("create", &on_disk))?;
                }
                Kind::Hardlink { .. } => {}
                Kind::CharacterDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {
                    left_out.push(path.clone());
                }
            }
        }
        for (path, entry) in self.iter() {
            if let Kind::Hardlink { target } = &entry.kind {
                let on_disk = path.below(root);
                fs::hard_link(target.below(root), &on_disk).map_err(Error::io("link", &on_disk))?;
            }
        }
        // Directories last and innermost first: filling one changes its time, and its mode may
        // forbid filling it.
        let directories: Vec<_> = self.iter().filter(|(_, e)| e.is_directory()).collect();
        for (path, entry) in directories.into_iter().rev() {
            let on_disk = path.below(root);
            File::open(&on_disk)
                .and_then(|directory| finish(&directory, entry))
                .map_err(Error::io("set the mode of", &on_disk))?;
        }
        Ok(left_out)
    }
}

fn finish(file: &File, entry: &Entry) -> std::io::Result<()> {
    file.set_modified(system_time(entry.metadata.mtime))?;
    file.set_permissions(Permissions::from_mode(entry.metadata.mode))
}

fn system_time(mtime: Mtime) -> SystemTime {
    let whole = Duration::from_secs(mtime.seconds.unsigned_abs());
    let start = if mtime.seconds < 0 {
        SystemTime::UNIX_EPOCH - whole
    } else {
        SystemTime::UNIX_EPOCH + whole
    };
    start + Duration::from_nanos(mtime.nanoseconds.into())
}
