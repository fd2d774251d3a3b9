//! Laying a dataset out as files.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proto::{Entry, Kind, Manifest, Mtime, ProtoPath};

use super::dataset::{Dataset, Found};
use crate::Error;

/// Bytes copied at once; a piece of zeros is left out of the file.
const PIECE: usize = 128 << 10;

/// What [`Dataset::extract`] laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Regular files, directories, links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Devices, pipes and sockets, which are left out: making them needs root or makes no sense.
    pub left_out: Vec<ProtoPath>,
    /// Paths with extended attributes, of which none is laid out.
    pub without_attributes: Vec<ProtoPath>,
}

impl Dataset<'_> {
    /// Lays out what stands at a path: what a directory contains directly below `to`, anything
    /// else under its own name. `to` is an empty directory.
    ///
    /// Permissions and times are set; owners and the set-user, set-group and sticky bits are not,
    /// as owners would need root and the bits mean nothing without them; access control lists are
    /// not, beyond the permissions. Holes stay holes. What else is left out is in the result.
    pub fn extract(&mut self, path: &ProtoPath, to: &Path) -> Result<Extracted, Error> {
        let mut extracted = Extracted::default();
        let mut manifest = Manifest::new();
        self.walk(|seen| {
            let Found { entry, has_extended, .. } = seen.entry?;
            if has_extended && seen.path.starts_with(path) {
                extracted.without_attributes.push(seen.path.clone());
            }
            Ok(manifest.insert(seen.path.clone(), entry)?)
        })?;
        let top = manifest.get(path).ok_or_else(|| self.not_there(path))?;
        let base = match top.is_directory() {
            true => path.clone(),
            false => path.parent().unwrap_or_else(ProtoPath::root),
        };
        let mut directories: Vec<(PathBuf, &Entry)> = Vec::new();
        for (path, entry) in manifest.subtree(path) {
            let target = below(to, path, &base);
            match &entry.kind {
                Kind::Directory => {
                    if *path != base {
                        fs::create_dir(&target).map_err(Error::io("create", &target))?;
                    }
                    directories.push((target, entry));
                }
                Kind::File(_) => {
                    extracted.bytes += self.extract_file(path, entry, &target)?;
                }
                Kind::Hardlink { target: first } if first.starts_with(&base) => {
                    // A link to the file that was laid out, unless that one is outside.
                    let first = below(to, first, &base);
                    match first.symlink_metadata().is_ok_and(|there| there.is_file()) {
                        true => {
                            fs::hard_link(&first, &target).map_err(Error::io("create", &target))?
                        }
                        false => extracted.bytes += self.extract_file(path, entry, &target)?,
                    }
                }
                Kind::Hardlink { .. } => {
                    extracted.bytes += self.extract_file(path, entry, &target)?;
                }
                Kind::Symlink { target: text } => {
                    symlink(std::ffi::OsStr::from_bytes(text), &target)
                        .map_err(Error::io("create", &target))?;
                }
                _ => {
                    extracted.left_out.push(path.clone());
                    continue;
                }
            }
            extracted.entries += 1;
        }
        // What is in a directory changes its time and may need its permissions: innermost first.
        for (directory, entry) in directories.iter().rev() {
            let file = File::open(directory).map_err(Error::io("open", directory))?;
            finish(&file, entry).map_err(Error::io("set the times of", directory))?;
        }
        Ok(extracted)
    }

    fn extract_file(
        &mut self,
        path: &ProtoPath,
        entry: &Entry,
        target: &Path,
    ) -> Result<u64, Error> {
        let mut reader = self.file(path)?;
        let mut file = File::create_new(target).map_err(Error::io("create", target))?;
        let mut piece = vec![0; PIECE];
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    let read = Error::io("read", target);
                    return Err(error.downcast::<Error>().unwrap_or_else(read));
                }
            };
            let stored = match piece[..count].iter().all(|byte| *byte == 0) {
                true => file.seek(SeekFrom::Current(count as i64)).map(|_| ()),
                false => file.write_all(&piece[..count]),
            };
            stored.map_err(Error::io("write", target))?;
        }
        file.set_len(reader.size()).map_err(Error::io("write", target))?;
        finish(&file, entry).map_err(Error::io("set the times of", target))?;
        Ok(reader.size())
    }
}

fn below(to: &Path, path: &ProtoPath, base: &ProtoPath) -> PathBuf {
    let mut target = to.to_owned();
    let skipped = base.components().count();
    target.extend(path.components().skip(skipped).map(std::ffi::OsStr::from_bytes));
    target
}

fn finish(file: &File, entry: &Entry) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(entry.metadata.mode & 0o777))?;
    match time(entry.metadata.mtime) {
        Some(time) => file.set_modified(time),
        None => Ok(()),
    }
}

fn time(mtime: Mtime) -> Option<SystemTime> {
    let seconds = Duration::from_secs(mtime.seconds.unsigned_abs());
    let whole = match mtime.seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        false => SystemTime::UNIX_EPOCH.checked_add(seconds),
    };
    whole?.checked_add(Duration::from_nanos(mtime.nanoseconds.into()))
}
