//! The zone root while it is being made: a directory beside its final name.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::Error;
use crate::directory::{Directory, Metadata, Ownership};
use crate::remove::remove;

/// The name of the zone root in the zonepath.
pub(crate) const ROOT: &str = "root";
/// What the name of a root that is being made begins with; the process id follows.
pub(crate) const INSTALLING: &str = "root.installing-";
/// What the name of a root that is being removed begins with; the process id follows.
pub(crate) const REMOVING: &str = "root.removing-";

/// A zone root under its working name.
#[derive(Debug)]
pub(crate) struct Stage<'z> {
    zonepath: &'z Directory,
    name: OsString,
    pub(crate) root: Directory,
}

impl<'z> Stage<'z> {
    /// Makes an empty one that nobody else can enter.
    pub(crate) fn make(zonepath: &'z Directory) -> Result<Stage<'z>, Error> {
        let name = OsString::from(format!("{INSTALLING}{}", std::process::id()));
        zonepath.make(&name)?;
        let root = zonepath.child(&name)?;
        Ok(Stage { zonepath, name, root })
    }

    /// Gives the root its final owner, mode and name.
    pub(crate) fn finish(&self, ownership: Ownership) -> Result<(), Error> {
        check_absent(self.zonepath)?;
        let metadata =
            Metadata { uid: 0, gid: 0, mode: 0o755, ..Metadata::of(&self.root.own_stat()?) };
        self.root.apply(&metadata, ownership)?;
        self.zonepath.rename(&self.name, OsStr::new(ROOT))
    }

    /// Removes it.
    pub(crate) fn abandon(&self) -> Result<(), Error> {
        remove(self.zonepath, &self.name)
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.zonepath.join(&self.name)
    }
}

/// Checks that there is no zone root, not even an empty one.
pub(crate) fn check_absent(zonepath: &Directory) -> Result<(), Error> {
    let root = OsStr::new(ROOT);
    match zonepath.stat(root)? {
        Some(_) => Err(Error::RootExists { path: zonepath.join(root) }),
        None => Ok(()),
    }
}

/// Names that an earlier run left in the zonepath when it was killed. zoneadm's lock on the zone
/// keeps two runs from being there at the same time.
pub(crate) fn leftovers(zonepath: &Directory) -> Result<Vec<OsString>, Error> {
    let mut names = zonepath.names()?;
    names.retain(|name| {
        [INSTALLING, REMOVING].iter().any(|prefix| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix.as_bytes());
            rest.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit))
        })
    });
    Ok(names)
}
