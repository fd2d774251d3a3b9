//! A footprint as a file, to compare later ones with.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::measure::VERSION;
use crate::{Error, Footprint};

impl Footprint {
    /// Reads a record.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let refuse = |problem| Error::Record { path: path.to_owned(), problem };
        let footprint: Self =
            serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if footprint.v != VERSION {
            return Err(refuse(format!("version {} is not {VERSION}", footprint.v)));
        }
        Ok(footprint)
    }

    /// Writes the record, complete or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Record { path: path.to_owned(), problem: error.to_string() })?;
        let mut file = tempfile::Builder::new()
            .prefix(".footprint.")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(Error::io("write", path))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .map_err(Error::io("write", path))?;
        file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
        Ok(())
    }
}
