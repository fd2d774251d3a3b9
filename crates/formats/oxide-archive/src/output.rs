//! Files that appear under their name complete or not at all.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proto::Digest;
use sha2::Digest as _;
use tempfile::NamedTempFile;

use crate::Error;

/// A file that is being written beside its final name. Dropped before [`OutputFile::commit`], it
/// is gone. Its bytes are hashed on the way.
pub struct OutputFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
    hasher: sha2::Sha256,
    size: u64,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

impl OutputFile {
    /// Begins a file. Its directory must be there; an older file of that name stays until
    /// [`OutputFile::commit`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".partial-")
            .tempfile_in(directory)
            .map_err(Error::io("create", &path))?;
        let file = BufWriter::with_capacity(256 << 10, file);
        Ok(Self { file, path, hasher: sha2::Sha256::new(), size: 0 })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name. It gets mode 0644 whatever the umask is.
    pub fn commit(self) -> Result<Written, Error> {
        let Self { file, path, hasher, size } = self;
        let persist = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        persist().map_err(Error::io("write", &path))?;
        Ok(Written { size, sha256: Digest(hasher.finalize().into()), path })
    }
}

impl Write for OutputFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.file.write(data)?;
        self.hasher.update(&data[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
