//! What an image is made of, merged from its parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proto::{Digest, Entry, Kind, Manifest, ProtoPath, Store};

use crate::Error;
use crate::download::below;
use crate::local::{Found, FoundFile};

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// In a file on disk.
    Disk(PathBuf),
    /// Among the contents of unpacked archives.
    Kept(Digest),
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File { bytes: Bytes, size: u64, executable: bool },
    Symlink(Box<[u8]>),
}

impl Node {
    fn word(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File { .. } => "file",
            Self::Symlink(_) => "symlink",
        }
    }
}

/// All paths of an image, the root included, each with who brought it.
///
/// Directories meet; a later file takes the place of an earlier one, as it does when a zone is
/// installed from an image that has both. Anything else at one path is an error.
#[derive(Debug)]
pub(crate) struct Tree {
    image: String,
    nodes: BTreeMap<ProtoPath, (Node, Arc<str>)>,
    replaced: Vec<String>,
}

impl Tree {
    pub(crate) fn new(image: &str) -> Self {
        let root = (ProtoPath::root(), (Node::Directory, Arc::from(image)));
        Self { image: image.to_owned(), nodes: BTreeMap::from([root]), replaced: Vec::new() }
    }

    /// Every path in order; a directory comes before what is in it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ProtoPath, &Node)> {
        self.nodes.iter().map(|(path, (node, _))| (path, node))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What was brought twice, for people.
    pub(crate) fn replaced(&self) -> &[String] {
        &self.replaced
    }

    /// Puts in what was found in the source.
    pub(crate) fn add_found(&mut self, found: &[Found], by: &Arc<str>) -> Result<(), Error> {
        found.iter().try_for_each(|one| match &one.file {
            None => self.put(one.to.clone(), Node::Directory, by),
            Some(file) => self.add_file(one.to.clone(), file, by),
        })
    }

    /// Puts in one file of the source.
    pub(crate) fn add_file(
        &mut self,
        to: ProtoPath,
        file: &FoundFile,
        by: &Arc<str>,
    ) -> Result<(), Error> {
        let bytes = Bytes::Disk(file.path.clone());
        self.put(to, Node::File { bytes, size: file.size, executable: file.executable }, by)
    }

    /// Puts in one file of the contents of archives and blobs.
    pub(crate) fn add_kept(
        &mut self,
        to: ProtoPath,
        kept: &Store,
        digest: Digest,
        by: &Arc<str>,
    ) -> Result<(), Error> {
        let path = kept.path_of(&digest);
        let size = fs::metadata(&path).map_err(Error::io("examine", path))?.len();
        self.put(to, Node::File { bytes: Bytes::Kept(digest), size, executable: false }, by)
    }

    /// Puts in what an archive has at and below a path. Whether there was anything.
    pub(crate) fn add_unpacked(
        &mut self,
        manifest: &Manifest,
        (from, to): (&ProtoPath, &ProtoPath),
        by: &Arc<str>,
    ) -> Result<bool, Error> {
        let mut any = false;
        for (path, entry) in manifest.subtree(from) {
            let Some(rest) = below(path, from) else { continue };
            let at = match (rest.is_root(), to.join(rest.as_bytes())) {
                (true, _) => to.clone(),
                // Both are paths; only together they may be too long.
                (false, Ok(at)) => at,
                (false, Err(error)) => {
                    return Err(Error::io("put into an image", path.to_string())(
                        std::io::Error::other(error),
                    ));
                }
            };
            if let Some(node) = node(manifest, path, entry) {
                self.put(at, node, by)?;
                any = true;
            }
        }
        Ok(any)
    }

    fn put(&mut self, path: ProtoPath, node: Node, by: &Arc<str>) -> Result<(), Error> {
        self.make_parents(&path, &node, by)?;
        match self.nodes.get(&path) {
            Some((there, _)) if *there == node => return Ok(()),
            Some((Node::Directory, _)) | None if node == Node::Directory => {}
            Some((there @ (Node::File { .. } | Node::Symlink(_)), first))
                if node != Node::Directory =>
            {
                let there = there.word();
                self.replaced.push(format!("{path}: the {there} from {first} gives way to {by}'s"));
            }
            Some((there, first)) => {
                return Err(self.conflict(&path, (there, first), (&node, by)));
            }
            None => {}
        }
        self.nodes.insert(path, (node, Arc::clone(by)));
        Ok(())
    }

    fn make_parents(&mut self, path: &ProtoPath, node: &Node, by: &Arc<str>) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut parent = path.parent();
        while let Some(directory) = parent {
            match self.nodes.get(&directory) {
                Some((Node::Directory, _)) => break,
                Some((there, first)) => {
                    return Err(self.conflict(&directory, (there, first), (node, by)));
                }
                None => {}
            }
            parent = directory.parent();
            missing.push(directory);
        }
        for directory in missing {
            self.nodes.insert(directory, (Node::Directory, Arc::clone(by)));
        }
        Ok(())
    }

    fn conflict(
        &self,
        path: &ProtoPath,
        (there, first): (&Node, &Arc<str>),
        (new, second): (&Node, &Arc<str>),
    ) -> Error {
        // What lies below a path needs a directory there.
        let new = if there.word() == new.word() { "directory" } else { new.word() };
        Error::Conflict {
            image: self.image.clone(),
            path: path.clone(),
            there: there.word(),
            first: first.to_string(),
            new,
            second: second.to_string(),
        }
    }
}

/// An entry of an unpacked archive. Its hard links become files, as omicron's own tool makes them.
fn node(manifest: &Manifest, path: &ProtoPath, entry: &Entry) -> Option<Node> {
    let file = |entry: &Entry| {
        let content = entry.content()?;
        let bytes = Bytes::Kept(content.digest?);
        let executable = entry.metadata.mode & 0o100 != 0;
        Some(Node::File { bytes, size: content.size, executable })
    };
    match &entry.kind {
        Kind::Directory => Some(Node::Directory),
        Kind::Symlink { target } => Some(Node::Symlink(target.clone())),
        Kind::File(_) => file(entry),
        Kind::Hardlink { .. } => manifest.resolve_hardlink(path).and_then(|(_, entry)| file(entry)),
        // The reader of archives lets nothing else through.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Node {
        Node::File { bytes: Bytes::Kept(Digest::of(text.as_bytes())), size: 1, executable: false }
    }

    fn put(tree: &mut Tree, path: &str, node: Node, by: &str) -> Result<(), Error> {
        tree.put(ProtoPath::new(path).unwrap(), node, &Arc::from(by))
    }

    #[test]
    fn later_files_win_and_types_must_agree() {
        let mut tree = Tree::new("image");
        put(&mut tree, "etc/a", file("1"), "first").unwrap();
        put(&mut tree, "etc", Node::Directory, "second").unwrap();
        put(&mut tree, "etc/a", file("1"), "second").unwrap();
        assert!(tree.replaced().is_empty());
        put(&mut tree, "etc/a", file("2"), "second").unwrap();
        assert_eq!(tree.replaced(), ["etc/a: the file from first gives way to second's"]);
        put(&mut tree, "etc/a", Node::Symlink(b"b".as_slice().into()), "third").unwrap();
        let paths: Vec<_> =
            tree.iter().map(|(path, node)| (path.to_string(), node.word())).collect();
        let expected = [("", "directory"), ("etc", "directory"), ("etc/a", "symlink")];
        assert_eq!(paths.len(), 3);
        for ((path, word), (wanted, kind)) in paths.iter().zip(expected) {
            assert!((path.trim_matches(['.', '/']), *word) == (wanted, kind), "{paths:?}");
        }
        for (path, node) in [("etc/a/b", file("3")), ("etc", file("3")), ("etc/a", Node::Directory)]
        {
            let error = put(&mut tree, path, node, "fourth").unwrap_err();
            assert!(matches!(error, Error::Conflict { .. }), "{error}");
            assert!(error.to_string().contains("fourth"), "{error}");
        }
    }
}
