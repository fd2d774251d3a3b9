//! Replaces the end of a zip, so that a repository of gigabytes is signed again in an instant.
//!
//! What is replaced is first copied to a file beside it. Whoever finds that file next, because this
//! process came to its end in between, puts it back before doing anything else. Readers that look
//! in just that moment find a damaged zip.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;

use crate::Error;
use crate::compression::{Method, PROBE};
use crate::metadata::Files;
use crate::output::write_error;
use crate::zip::{Writer, copy};

/// A zip that nobody else refreshes meanwhile.
pub(crate) struct Held {
    file: File,
    zip: PathBuf,
}

impl Held {
    /// Locks a zip, and undoes what an interrupted refresh did. `None` when it cannot be written
    /// to in place.
    pub(crate) fn open(zip: &Path) -> Result<Option<Self>, Error> {
        let Ok(file) = File::options().read(true).write(true).open(zip) else { return Ok(None) };
        let metadata = file.metadata().map_err(Error::io("read", zip))?;
        // A name that is a link, or one of several, stays what it is only if all see the change.
        let link = fs::symlink_metadata(zip).is_ok_and(|there| there.is_symlink());
        if !metadata.is_file() || metadata.nlink() > 1 || link {
            return Ok(None);
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let source = std::io::Error::other("another process refreshes it");
                return Err(Error::Io { doing: "lock", path: zip.to_owned(), source });
            }
            Err(fs::TryLockError::Error(_)) => return Ok(None),
        }
        let held = Self { file, zip: zip.to_owned() };
        held.undo()?;
        Ok(Some(held))
    }

    /// Writes metadata and directory behind the first entries. Returns the length of the zip.
    pub(crate) fn replace_tail(
        &self,
        before: (u64, Vec<Vec<u8>>),
        time: Timestamp,
        files: &Files,
    ) -> Result<u64, Error> {
        let base = before.0;
        let write = |error| Error::io("write", &self.zip)(error);
        let mut writer = Writer::behind(tempfile::tempfile().map_err(write)?, time, before);
        for (name, text) in files {
            let method = Method::choose(&text[..text.len().min(PROBE)]);
            writer
                .entry(&format!("repo/metadata/{name}"), method, |out| {
                    copy(&mut &text[..], method, out)
                })
                .map_err(write_error(&self.zip))?;
        }
        let (file, size) = writer.finish().map_err(write_error(&self.zip))?;
        let tail = part(&file, 0).map_err(write)?;
        let old = part(&self.file, base).map_err(Error::io("read", &self.zip))?;
        let journal = self.write_journal(base, &old)?;
        if let Err(error) = self.write_tail(base, &tail) {
            // The disk may be full: what was there fits, it was there a moment ago.
            self.write_tail(base, &old).map_err(write)?;
            fs::remove_file(&journal).map_err(Error::io("remove", &journal))?;
            return Err(write(error));
        }
        fs::remove_file(&journal).map_err(Error::io("remove", &journal))?;
        Ok(size)
    }

    fn write_tail(&self, base: u64, tail: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(tail, base)?;
        self.file.set_len(base + tail.len() as u64)?;
        self.file.sync_data()
    }

    /// The file beside the zip that holds what is being replaced.
    fn journal(&self) -> PathBuf {
        let name = self.zip.file_name().unwrap_or_default().to_string_lossy();
        self.zip.with_file_name(format!(".{name}.before-refresh"))
    }

    /// Digest of the rest, offset, bytes.
    fn write_journal(&self, base: u64, old: &[u8]) -> Result<PathBuf, Error> {
        let path = self.journal();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let rest = [&base.to_le_bytes()[..], old].concat();
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(&Digest::of(&rest).0)?;
            file.write_all(&rest)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(Error::io("write", &path))?;
        Ok(path)
    }

    /// Puts back what an interrupted refresh was about to replace.
    fn undo(&self) -> Result<(), Error> {
        let path = self.journal();
        let mut bytes = Vec::new();
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            opened => opened
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(Error::io("read", &path))?,
        };
        if let Some((digest, rest)) = bytes.split_first_chunk::<32>()
            && Digest::of(rest).0 == *digest
            && let Some((base, old)) = rest.split_first_chunk::<8>()
        {
            let write = Error::io("write", &self.zip);
            self.write_tail(u64::from_le_bytes(*base), old).map_err(write)?;
        }
        fs::remove_file(&path).map_err(Error::io("remove", &path))
    }
}

/// Everything from an offset on.
fn part(file: &File, from: u64) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len().saturating_sub(from);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_is_undone() {
        let directory = tempfile::tempdir().unwrap();
        let zip = directory.path().join("repo.zip");
        fs::write(&zip, b"targets|metadata").unwrap();
        let held = Held::open(&zip).unwrap().unwrap();
        assert!(Held::open(&zip).is_err(), "two at once");
        held.write_journal(8, b"metadata").unwrap();
        held.write_tail(8, b"half of what is longer").unwrap();
        drop(held);
        drop(Held::open(&zip).unwrap());
        assert_eq!(fs::read(&zip).unwrap(), b"targets|metadata");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

        // One that is not complete was never acted on.
        fs::write(directory.path().join(".repo.zip.before-refresh"), [7; 50]).unwrap();
        drop(Held::open(&zip).unwrap());
        assert_eq!(fs::read(&zip).unwrap(), b"targets|metadata");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

        fs::hard_link(&zip, directory.path().join("other")).unwrap();
        assert!(Held::open(&zip).unwrap().is_none());
    }
}
