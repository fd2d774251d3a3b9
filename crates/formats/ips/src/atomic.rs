//! Files and directories that appear complete and readable to all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::Error;

/// Makes a directory and its missing parents, 0755 whatever the umask: other users must be able
/// to read a repository.
pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    // Nothing is above the first word of a relative path but where one is.
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directory(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
            .map_err(Error::io("create", path)),
    }
}

/// A temporary file beside `path`, to be given to [`persist`].
pub(crate) fn beside(path: &Path) -> Result<NamedTempFile, Error> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(Error::io("create a file in", parent))
}

/// Gives a temporary file its name and mode 0644.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> Result<(), Error> {
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))
        .map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

/// Writes a file, which appears complete or not at all.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = beside(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    persist(file, path)
}
