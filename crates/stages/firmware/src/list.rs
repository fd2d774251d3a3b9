//! Lists of hashes.

use std::path::{Path, PathBuf};

use blake3::Hash;

use crate::Error;

/// Which manifests are wanted: one line each, a BLAKE3 hash in hexadecimal and a label. Blank lines
/// do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashList {
    /// The file.
    pub path: PathBuf,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The hash of the manifest.
    pub hash: Hash,
    /// What people call it.
    pub label: String,
}

impl HashList {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text, path)
    }

    /// Reads a text, from a file to name in messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut lines: Vec<Line> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let refuse =
                |problem: String| Error::List { path: path.to_owned(), line: number, problem };
            let mut words = line.split_whitespace();
            let Some(word) = words.next() else { continue };
            let hash = parse_hash(word).map_err(|problem| refuse(problem.to_owned()))?;
            if lines.iter().any(|line| line.hash == hash) {
                return Err(refuse(format!("the manifest {hash} is there twice")));
            }
            let label = words.collect::<Vec<_>>().join(" ");
            lines.push(Line { hash, label });
        }
        if lines.is_empty() {
            let problem = "no manifest is named; a line is a BLAKE3 hash and a label".to_owned();
            return Err(Error::List { path: path.to_owned(), line: 1, problem });
        }
        Ok(Self { path: path.to_owned(), lines })
    }
}

/// Reads a hash: 64 lower-case hexadecimal digits.
pub(crate) fn parse_hash(text: &str) -> Result<Hash, &'static str> {
    const PROBLEM: &str = "a BLAKE3 hash of 64 lower-case hexadecimal digits was expected";
    let hash = Hash::from_hex(text).map_err(|_| PROBLEM)?;
    if hash.to_hex().as_str() == text { Ok(hash) } else { Err(PROBLEM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let parse = |text: &str| HashList::parse(text, Path::new("list"));
        let list = parse(&format!("{a} manifest-gimlet-v1.0.2.toml\n\n  {b}\n")).unwrap();
        let labels: Vec<_> = list.lines.iter().map(|line| &line.label[..]).collect();
        assert_eq!(labels, ["manifest-gimlet-v1.0.2.toml", ""]);
        for (text, wanted) in [
            ("\n \n".to_owned(), "list:1: no manifest"),
            (format!("{a} x\n{a} y\n"), "list:2: the manifest aaa"),
            (format!("\n{} x\n", "A".repeat(64)), "list:2: a BLAKE3 hash"),
            ("abc x\n".to_owned(), "list:1: a BLAKE3 hash"),
            ("é\n".to_owned(), "list:1: a BLAKE3 hash"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
