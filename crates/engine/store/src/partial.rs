//! Files that are being fetched.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::Digest;

use crate::Error;
use crate::store::digest_of;

/// A file that is being fetched, locked against other processes and threads. When it is dropped
/// what it holds stays for the next who fetches the same.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        loop {
            let file = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
                .map_err(Error::io("open", &path))?;
            file.lock().map_err(Error::io("lock", &path))?;
            // Whoever had the lock before may have renamed or removed the file.
            let ours = file.metadata().map_err(Error::io("examine", &path))?;
            let there = fs::metadata(&path);
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { path, file });
            }
        }
    }

    /// The file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// How many bytes are there, from this run or an earlier one.
    pub fn size(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(Error::io("examine", &self.path))?.len())
    }

    /// Makes it empty.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(Error::io("empty", &self.path))
    }

    /// Removes it.
    pub fn remove(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }

    pub(crate) fn digest(&self) -> Result<(Digest, u64), Error> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| digest_of(&mut file))
            .map_err(Error::io("read", &self.path))
    }

    /// Gives it its final name. The lock goes with the file, and ends with this value.
    pub(crate) fn rename(self, to: &Path) -> Result<(), Error> {
        fs::rename(&self.path, to).map_err(Error::io("write", to))
    }
}
