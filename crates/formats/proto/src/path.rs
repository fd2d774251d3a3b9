//! Paths inside a proto root.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path inside a proto root: relative, normal, in bytes (any encoding); the root is empty.
///
/// Paths order by component, so that everything below a directory follows it immediately.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ProtoPath(Box<[u8]>);

/// Why a text is not a path inside a proto root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {reason}")]
pub struct PathError {
    /// The text that was refused, made printable.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The longest path a proto root may hold, in bytes (illumos `MAXPATHLEN` less the NUL).
const LONGEST_PATH: usize = 1023;
/// The longest single name, in bytes (illumos `MAXNAMELEN` less the NUL).
const LONGEST_NAME: usize = 255;

impl ProtoPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path. One leading and trailing `/` are dropped; `.`, `..`, empty components, NUL
    /// and lengths over the system's limits are refused.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let given = path.as_ref();
        let refuse =
            |reason| Err(PathError { path: String::from_utf8_lossy(given).into_owned(), reason });
        let trimmed = given.strip_prefix(b"/").unwrap_or(given);
        let trimmed = trimmed.strip_suffix(b"/").unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Ok(Self::root());
        }
        if trimmed.len() > LONGEST_PATH {
            return refuse("is longer than 1023 bytes");
        }
        for component in trimmed.split(|&b| b == b'/') {
            match component {
                b"" => return refuse("has an empty component"),
                b"." => return refuse("has a `.` component"),
                b".." => return refuse("has a `..` component"),
                name if name.contains(&0) => return refuse("has a NUL byte"),
                name if name.len() > LONGEST_NAME => {
                    return refuse("has a name longer than 255 bytes");
                }
                _ => {}
            }
        }
        Ok(Self(trimmed.into()))
    }

    /// The bytes, without a leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, outermost first; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|c| !c.is_empty())
    }

    /// The containing directory; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// The last component; none for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// This path with `below` (itself a checked path text) appended.
    pub fn join(&self, below: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let mut joined = self.0.to_vec();
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(below.as_ref());
        Self::new(joined)
    }

    /// Whether this is `directory` or lies below it.
    pub fn starts_with(&self, directory: &Self) -> bool {
        directory.is_root()
            || self
                .0
                .strip_prefix(&*directory.0)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The path below a directory on disk.
    pub fn below(&self, directory: &Path) -> std::path::PathBuf {
        if self.is_root() {
            directory.to_owned()
        } else {
            directory.join(OsStr::from_bytes(&self.0))
        }
    }
}

/// Component by component, so that a directory is followed by what is in it: that of the bytes,
/// with `/` before all others. Paths are compared more often than anything else is done with them.
impl Ord for ProtoPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((ours, _), (theirs, _)) = (self.0.as_chunks::<16>(), other.0.as_chunks::<16>());
        let same = 16 * ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let (ours, theirs) = (&self.0[same..], &other.0[same..]);
        match ours.iter().zip(theirs).find(|(a, b)| a != b) {
            Some((b'/', _)) => Ordering::Less,
            Some((_, b'/')) => Ordering::Greater,
            Some((a, b)) => a.cmp(b),
            None => ours.len().cmp(&theirs.len()),
        }
    }
}

impl PartialOrd for ProtoPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ProtoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            f.write_str("/")
        } else {
            f.write_str(&String::from_utf8_lossy(&self.0))
        }
    }
}

impl fmt::Debug for ProtoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl std::str::FromStr for ProtoPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ProtoPath {
        ProtoPath::new(text).unwrap()
    }

    #[test]
    fn refuses_what_could_lead_outside() {
        for bad in ["../x", "a/../b", "a//b", "./a", "a/.", "//a", "a\0b"] {
            assert!(ProtoPath::new(bad).is_err(), "{bad}");
        }
        assert!(ProtoPath::new("a".repeat(256)).is_err());
        assert!(ProtoPath::new("a/".repeat(512) + "a").is_err());
    }

    #[test]
    fn a_directory_is_followed_by_its_contents() {
        let mut paths = [path("usr-a"), path("usr/bin"), path("usr"), path("usr!"), path("")];
        paths.sort();
        assert_eq!(paths, [path(""), path("usr"), path("usr/bin"), path("usr!"), path("usr-a")]);
    }

    #[test]
    fn the_order_is_that_of_components() {
        let parts =
            ["a", "usr", "usr-", "usr!", "usr0", "b\u{7f}", "bin", "file-of-a-long-name", "é"];
        let mut paths = vec![ProtoPath::root()];
        for one in parts {
            paths.push(path(one));
            for two in parts {
                paths.push(path(&format!("{one}/{two}")));
                for three in ["x", "-", "a-name-of-sixteen"] {
                    paths.push(path(&format!("{one}/{two}/{three}")));
                }
            }
        }
        for a in &paths {
            for b in &paths {
                assert_eq!(a.cmp(b), a.components().cmp(b.components()), "{a} {b}");
            }
        }
    }

    #[test]
    fn parents_and_names() {
        assert_eq!(path("/usr/bin/").parent(), Some(path("usr")));
        assert_eq!(path("usr").parent(), Some(ProtoPath::root()));
        assert_eq!(ProtoPath::root().parent(), None);
        assert_eq!(path("usr/bin").file_name(), Some(&b"bin"[..]));
        assert!(path("usr/bin").starts_with(&path("usr")));
        assert!(!path("usr2").starts_with(&path("usr")));
        assert!(path("usr").starts_with(&ProtoPath::root()));
    }
}
