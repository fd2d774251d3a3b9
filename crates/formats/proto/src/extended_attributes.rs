//! Extended attributes of files on disk, which no proto root holds.

use std::path::Path;

use crate::Error;

/// What happens to extended attributes, access control lists among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtendedAttributes {
    /// A file that has any is an error.
    #[default]
    Refuse,
    /// They are left behind.
    Drop,
}

/// Attributes that systems put on every file, and that mean nothing elsewhere: security labels,
/// measurements, what overlays keep for themselves, and the view of a server's own lists.
const OF_THE_SYSTEM: [&str; 6] = [
    "security.selinux",
    "security.SMACK64",
    "security.ima",
    "security.evm",
    "system.nfs4_acl",
    "com.apple.provenance",
];
const OVERLAYS: [&str; 2] = ["trusted.overlay.", "user.overlay."];

impl ExtendedAttributes {
    /// Whether an attribute of this name is an error: not those that say something about the
    /// system that the file is on.
    pub fn refuse(self, name: &str) -> bool {
        self == Self::Refuse
            && !OF_THE_SYSTEM.contains(&name)
            && !OVERLAYS.iter().any(|start| name.starts_with(start))
    }

    /// Refuses a file or directory on disk with attributes that would be lost, unless they may be.
    /// Symbolic links are not followed.
    pub fn check(self, path: &Path) -> Result<(), Error> {
        if self == Self::Drop {
            return Ok(());
        }
        match names(path)?.into_iter().find(|name| self.refuse(name)) {
            Some(attribute) => Err(Error::ExtendedAttribute { path: path.to_owned(), attribute }),
            None => Ok(()),
        }
    }
}

/// The names of a file's attributes, not following symbolic links.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn names(path: &Path) -> Result<Vec<String>, Error> {
    use rustix::io::Errno;

    let mut list = [0; 1024];
    let length = match rustix::fs::llistxattr(path, &mut list) {
        Ok(length) => length,
        // A file system without attributes.
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        Err(Errno::RANGE) => return long_list(path),
        Err(error) => return Err(Error::io("list the attributes of", path)(error.into())),
    };
    Ok(split(&list[..length]))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn long_list(path: &Path) -> Result<Vec<String>, Error> {
    // No system in use lets the names of one file take more.
    let mut list = vec![0; 1 << 20];
    let length = rustix::fs::llistxattr(path, &mut list)
        .map_err(|error| Error::io("list the attributes of", path)(error.into()))?;
    Ok(split(&list[..length]))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn split(list: &[u8]) -> Vec<String> {
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// On other systems attributes are not looked for.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn names(_path: &Path) -> Result<Vec<String>, Error> {
    Ok(Vec::new())
}
