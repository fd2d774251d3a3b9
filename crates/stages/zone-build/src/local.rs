//! What a path of the source brings into an image.

use std::path::{Path, PathBuf};
use std::{fs, io};

use proto::ProtoPath;
use walkdir::WalkDir;

use crate::Error;

/// A file or directory of the source, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub(crate) to: ProtoPath,
    /// The file on disk, or none for a directory.
    pub(crate) file: Option<FoundFile>,
}

/// A file of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

/// Everything at and below a path. Symbolic links are followed, as omicron's own tool does: what
/// they lead to is in the image.
pub(crate) fn walk(from: &Path, to: &ProtoPath) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for entry in WalkDir::new(from).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| describe(&error, from))?;
        let path = entry.path();
        let rest = path.strip_prefix(from).unwrap_or(path);
        let to = match rest.as_os_str().is_empty() {
            true => to.clone(),
            false => {
                let rest = rest
                    .to_str()
                    .ok_or_else(|| format!("{} has a name that is not UTF-8", path.display()))?;
                to.join(rest).map_err(|error| error.to_string())?
            }
        };
        let metadata = entry.metadata().map_err(|error| describe(&error, from))?;
        let file = match metadata.file_type() {
            kind if kind.is_dir() => None,
            kind if kind.is_file() => Some(file(path, &metadata)),
            _ => {
                return Err(format!(
                    "{} is no file and no directory; only those can be in an image",
                    path.display()
                ));
            }
        };
        found.push(Found { to, file });
    }
    Ok(found)
}

/// A file that is built or put into place meanwhile.
pub(crate) fn examine(path: &Path) -> Result<FoundFile, Error> {
    let metadata = fs::metadata(path).map_err(Error::io("examine", path))?;
    Ok(file(path, &metadata))
}

/// A file of the source, with what of its metadata matters.
fn file(path: &Path, metadata: &fs::Metadata) -> FoundFile {
    use std::os::unix::fs::PermissionsExt as _;
    FoundFile {
        path: path.to_owned(),
        size: metadata.len(),
        executable: metadata.permissions().mode() & 0o100 != 0,
    }
}

fn describe(error: &walkdir::Error, from: &Path) -> String {
    let path = error.path().unwrap_or(from).display();
    match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => {
            format!("{path} leads back to {}, in which it is", ancestor.display())
        }
        (None, Some(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            format!("{path} is missing, or a link that leads nowhere")
        }
        (None, Some(cause)) => format!("{path} cannot be read: {cause}"),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_those_that_cannot_be_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("a/deep")).unwrap();
        fs::write(root.join("a/deep/file"), "text").unwrap();
        symlink("deep/file", root.join("a/link")).unwrap();
        let to = ProtoPath::new("opt/x").unwrap();
        let found = walk(&root.join("a"), &to).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|one| (one.to.as_str().unwrap(), one.file.as_ref().map(|file| file.size)))
            .collect();
        assert_eq!(
            names,
            [
                ("opt/x", None),
                ("opt/x/deep", None),
                ("opt/x/deep/file", Some(4)),
                ("opt/x/link", Some(4)),
            ]
        );
        symlink("..", root.join("a/deep/up")).unwrap();
        let problem = walk(&root.join("a"), &to).unwrap_err();
        assert!(problem.contains("leads back to"), "{problem}");
        fs::remove_file(root.join("a/deep/up")).unwrap();
        symlink("nowhere", root.join("a/dead")).unwrap();
        let problem = walk(&root.join("a"), &to).unwrap_err();
        assert!(problem.contains("dead is missing, or a link that leads nowhere"), "{problem}");
    }
}
