//! The list of files that go into the boot archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proto::ProtoPath;

use crate::Error;

/// A list of paths, one per line; `#` begins a comment. The order of the lines is that of the
/// archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    /// Where the list comes from, for errors.
    pub path: PathBuf,
    /// The entries, in order.
    pub entries: Vec<Listed>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The line number, from 1.
    pub line: usize,
    /// The file.
    pub path: ProtoPath,
}

impl FileList {
    /// Reads a list from disk.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text, path)
    }

    /// Reads a list; `path` is what errors call it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut entries = Vec::new();
        let mut lines = BTreeMap::new();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let bad = |problem| Error::List { path: path.to_owned(), line, problem };
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let file = ProtoPath::new(text).map_err(|error| bad(error.to_string()))?;
            if file.is_root() {
                return Err(bad("the root is no file".to_owned()));
            }
            if let Some(first) = lines.insert(file.clone(), line) {
                return Err(bad(format!("{file} is already in line {first}")));
            }
            entries.push(Listed { line, path: file });
        }
        Ok(Self { path: path.to_owned(), entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_and_their_order() {
        let list =
            FileList::parse("# kernel\n\nkernel/b # why\n/kernel/a\n", "l".as_ref()).unwrap();
        let entries: Vec<_> = list.entries.iter().map(|e| (e.line, e.path.to_string())).collect();
        assert_eq!(entries, [(3, "kernel/b".to_owned()), (4, "kernel/a".to_owned())]);
    }

    #[test]
    fn bad_lines_are_named() {
        let problem = |text| FileList::parse(text, "l".as_ref()).unwrap_err().to_string();
        assert_eq!(problem("a\n\na\n"), "l:3: a is already in line 1");
        assert_eq!(problem("a\n../b\n"), "l:2: path \"../b\" has a `..` component");
        assert_eq!(problem("/\n"), "l:1: the root is no file");
    }
}
