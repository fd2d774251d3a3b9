//! Files that appear under their name complete or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// A file beside its final name, to be written in any order. Dropped before [`Pending::commit`], it
/// is gone.
pub(crate) struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = tempfile::Builder::new()
            .prefix(".partial-")
            .tempfile_in(directory(path))
            .map_err(Error::io("create", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, after its bytes are on the disk.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let Self { file, path } = self;
        settle(file.as_file(), &path)?;
        file.persist(&path).map_err(|error| Error::io("write", &path)(error.error))?;
        Ok(())
    }
}

/// What is done to a file before it gets its name `path`: mode 0644 whatever the umask is, and one
/// sync.
pub(crate) fn settle(file: &File, path: &Path) -> Result<(), Error> {
    let settle = || -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()
    };
    settle().map_err(Error::io("write", path))
}

impl Write for Pending {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Pending {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
