//! The objects of a file system: which number each path gets, and who contains whom.

use proto::{Kind, Manifest, ProtoPath};

use crate::Error;
use crate::sa::FileType;

/// A path that becomes an object. Hard links become names only.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) path: &'a ProtoPath,
    pub(crate) entry: &'a proto::Entry,
    /// The place of the path in the manifest.
    pub(crate) place: usize,
    /// The object of the containing directory; of the root, itself.
    pub(crate) parent: u64,
    pub(crate) links: u64,
    /// What a directory contains, by name.
    pub(crate) names: Vec<Name<'a>>,
}

/// A directory entry.
#[derive(Debug)]
pub(crate) struct Name<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) object: u64,
    pub(crate) file_type: FileType,
}

/// The type that an entry gets in the file system; a hard link names a regular file.
pub(crate) fn file_type(kind: &Kind) -> FileType {
    match kind {
        Kind::File(_) | Kind::Hardlink { .. } => FileType::Regular,
        Kind::Directory => FileType::Directory,
        Kind::Symlink { .. } => FileType::Symlink,
        Kind::CharacterDevice(_) => FileType::CharacterDevice,
        Kind::BlockDevice(_) => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
    }
}

/// Numbers the paths of a manifest in their order, beginning with the root at `first`.
pub(crate) fn number(manifest: &Manifest, first: u64) -> Result<Vec<Node<'_>>, Error> {
    manifest.check()?;
    let mut nodes: Vec<Node<'_>> = Vec::with_capacity(manifest.len());
    // The directories from the root to where we are.
    let mut above: Vec<usize> = Vec::new();
    let mut hard_links = Vec::new();
    for (place, (path, entry)) in manifest.iter().enumerate() {
        while above.last().is_some_and(|d| !path.starts_with(nodes[*d].path)) {
            above.pop();
        }
        let object = first + nodes.len() as u64;
        let directory = above.last().copied();
        if let Kind::Hardlink { target } = &entry.kind {
            hard_links.extend(directory.map(|directory| (directory, path, target)));
            continue;
        }
        if let (Some(directory), Some(name)) = (directory, path.file_name()) {
            let file_type = file_type(&entry.kind);
            nodes[directory].names.push(Name { name, object, file_type });
            if file_type == FileType::Directory {
                nodes[directory].links += 1;
            }
        }
        let parent = directory.map_or(object, |directory| first + directory as u64);
        let mut links = 1;
        if entry.is_directory() {
            links = 2; // its name and its own `.`
            above.push(nodes.len());
        }
        nodes.push(Node { path, entry, place, parent, links, names: Vec::new() });
    }
    let mut fuller = Vec::new();
    for (directory, path, target) in hard_links {
        // The check above found the target to be a regular file, so it is among the nodes.
        if let Ok(file) = nodes.binary_search_by(|node| node.path.cmp(target))
            && let Some(name) = path.file_name()
        {
            nodes[file].links += 1;
            let (object, file_type) = (first + file as u64, FileType::Regular);
            nodes[directory].names.push(Name { name, object, file_type });
            fuller.push(directory);
        }
    }
    // Each once, however many links it has.
    fuller.sort_unstable();
    fuller.dedup();
    for directory in fuller {
        nodes[directory].names.sort_by_key(|name| name.name);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use proto::{Entry, FileContent, Metadata};

    use super::*;

    fn path(text: &str) -> ProtoPath {
        ProtoPath::new(text).unwrap()
    }

    #[test]
    fn hard_links_are_names_of_one_object() {
        let meta = Metadata::root(0o755);
        let file = Entry::new(Kind::File(FileContent { size: 0, digest: None }), meta);
        let manifest = Manifest::from_iter([
            (path(""), Entry::directory(meta)),
            (path("a"), Entry::directory(meta)),
            (path("a/link"), Entry::hardlink(path("z"), meta)),
            (path("a/sub"), Entry::directory(meta)),
            (path("z"), file),
        ]);
        let nodes = number(&manifest, 6).unwrap();
        let summary: Vec<_> =
            nodes.iter().map(|n| (n.path.to_string(), n.parent, n.links, n.names.len())).collect();
        assert_eq!(
            summary,
            [
                ("/".to_owned(), 6, 3, 2),
                ("a".to_owned(), 6, 3, 2),
                ("a/sub".to_owned(), 7, 2, 0),
                ("z".to_owned(), 6, 2, 0),
            ]
        );
        assert_eq!(nodes[1].names[0].object, 9);
    }

    #[test]
    fn a_hard_link_to_nothing_is_refused() {
        let meta = Metadata::root(0o755);
        let manifest = Manifest::from_iter([
            (path(""), Entry::directory(meta)),
            (path("a"), Entry::hardlink(path("z"), meta)),
        ]);
        assert!(number(&manifest, 6).is_err());
    }
}
