//! Two files that appear together.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{ARCHIVE, Error, GZONLY};

/// A directory in which the results are made before they appear. Dropped, it is gone.
pub(crate) struct Staging {
    directory: TempDir,
    output: PathBuf,
    /// Whether the directory itself becomes the output.
    whole: bool,
}

impl Staging {
    /// Beside an output directory that is not there or empty, else inside of it.
    pub(crate) fn create(output: &Path) -> Result<Self, Error> {
        let whole = match fs::read_dir(output) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::io("list", output)(error)),
        };
        let around = match output.parent() {
            _ if !whole => output,
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(around).map_err(Error::io("create", around))?;
        let directory = tempfile::Builder::new()
            .prefix(".baseline-")
            .tempdir_in(around)
            .map_err(Error::io("create a directory in", around))?;
        Ok(Self { directory, output: output.to_owned(), whole })
    }

    /// Where a result is made.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Lets the results appear. An output directory that has other files gets the archive last,
    /// and has none while `gzonly.txt` changes, so that the two never come from different runs.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let output = &self.output;
        let failed = |error| Error::io("move the results to", output)(error);
        if self.whole {
            let mode = Permissions::from_mode(0o755);
            fs::set_permissions(self.directory.path(), mode).map_err(failed)?;
            fs::rename(self.directory.path(), output).map_err(failed)?;
            // It is the output now, and there is nothing left to take away.
            let _ = self.directory.keep();
            return Ok(());
        }
        match fs::remove_file(output.join(ARCHIVE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        for name in [GZONLY, ARCHIVE] {
            fs::rename(self.path(name), output.join(name)).map_err(failed)?;
        }
        Ok(())
    }
}
