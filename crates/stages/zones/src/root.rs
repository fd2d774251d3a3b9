//! Paths in a proto root as its own kernel would resolve them.

use std::collections::VecDeque;
use std::fs::File;

use proto::{FileContent, Kind, Proto, ProtoPath};

use crate::Error;

/// The most symbolic links on one way, as in the illumos kernel.
const MOST_LINKS: usize = 20;

/// A proto root to look things up in.
#[derive(Clone, Copy)]
pub(crate) struct Root<'a> {
    pub(crate) proto: &'a Proto,
}

/// A path without symbolic links, and the links that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Links to directories that were passed on the way.
    pub(crate) directory_links: Vec<ProtoPath>,
    /// Links that stand for the thing itself, in the order they were followed.
    pub(crate) links: Vec<ProtoPath>,
    /// Where it is.
    pub(crate) path: ProtoPath,
}

impl<'a> Root<'a> {
    /// Follows a path from the root of the proto; absolute links stay inside. The error says
    /// what is missing.
    pub(crate) fn resolve(self, path: &str) -> Result<Resolved, String> {
        let mut pending: VecDeque<Vec<u8>> =
            path.as_bytes().split(|&b| b == b'/').map(<[u8]>::to_vec).collect();
        let mut found =
            Resolved { directory_links: Vec::new(), links: Vec::new(), path: ProtoPath::root() };
        let mut followed = 0;
        while let Some(component) = pending.pop_front() {
            match &component[..] {
                b"" | b"." => continue,
                b".." => {
                    found.path = found.path.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = found.path.join(&component).map_err(|error| error.to_string())?;
            let Some(entry) = self.proto.manifest.get(&next) else {
                return Err(match found.links.last().or(found.directory_links.last()) {
                    Some(link) => format!("{next} is missing, where the link {link} leads to"),
                    None => format!("{next} is missing"),
                });
            };
            let last = pending.iter().all(|component| component.is_empty());
            match &entry.kind {
                Kind::Symlink { target } => {
                    followed += 1;
                    if followed > MOST_LINKS {
                        return Err(format!("{next}: more than {MOST_LINKS} links in a row"));
                    }
                    if target.first() == Some(&b'/') {
                        found.path = ProtoPath::root();
                    }
                    for component in target.rsplit(|&b| b == b'/') {
                        pending.push_front(component.to_vec());
                    }
                    if last { &mut found.links } else { &mut found.directory_links }.push(next);
                }
                Kind::Directory => found.path = next,
                _ if last => found.path = next,
                kind => return Err(format!("{next} is a {}, not a directory", kind.word())),
            }
        }
        Ok(found)
    }

    /// The file at a path without links, and the name it has its bytes under.
    pub(crate) fn file(self, path: &ProtoPath) -> Option<(&'a ProtoPath, &'a FileContent)> {
        let (path, entry) = self.proto.manifest.resolve_hardlink(path)?;
        Some((path, entry.content()?))
    }

    /// Opens a file.
    pub(crate) fn open(self, path: &ProtoPath) -> Result<Option<File>, Error> {
        let Some((path, content)) = self.file(path) else { return Ok(None) };
        Ok(Some(self.proto.contents.open(path, content)?))
    }

    /// The text of a small file that may be missing.
    pub(crate) fn text(self, path: &str) -> Result<Option<(ProtoPath, String)>, Error> {
        let Ok(resolved) = self.resolve(path) else { return Ok(None) };
        let Some((file, content)) = self.file(&resolved.path) else { return Ok(None) };
        let bytes = self.proto.contents.read(file, content)?;
        Ok(Some((resolved.path, String::from_utf8_lossy(&bytes).into_owned())))
    }
}
