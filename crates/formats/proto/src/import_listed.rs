//! From a directory on disk and its manifest to a manifest that is complete.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::Digest as _;

use crate::{
    Digest, Entry, Error, ExtendedAttributes, FileContent, Kind, Manifest, ProtoPath, mtree,
};

/// Reads a directory tree as its manifest (an mtree(5) file; see [`mtree`]) says: types, modes,
/// owners, times, links and devices are the manifest's, and the tree gives the bytes of the regular
/// files. Contents are left where they are, found by path.
///
/// The two must agree. Every file, directory and link of the manifest stands in the tree, with the
/// size, digest and link text that its line has, unless the line says `optional`; devices, pipes
/// and sockets, which take privileges to make, need not. Everything in the tree is in the manifest.
/// Lines without `time=` are at the epoch.
pub fn import_listed(
    root: &Path,
    manifest: &Path,
    attributes: ExtendedAttributes,
) -> Result<Manifest, Error> {
    let text = fs::read_to_string(manifest).map_err(Error::io("read", manifest))?;
    let mut imported = Manifest::new();
    let mut places = BTreeMap::new();
    for listed in mtree::read_lines(&text, manifest)? {
        let at = listed.place(manifest);
        let on_disk = listed.path.below(root);
        let found = match fs::symlink_metadata(&on_disk) {
            Ok(found) => Some(found),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                None
            }
            Err(error) => return Err(Error::io("examine", &on_disk)(error)),
        };
        if found.is_none() && listed.is_optional() {
            continue;
        }
        let size = found.as_ref().filter(|f| f.is_file() && listed.is_file()).map(Metadata::len);
        let line = listed.line;
        if found.is_none() && listed.is_file() {
            return Err(at(format!("{}: is not in the tree {}", listed.path, root.display())));
        }
        let (path, entry) = listed.into_entry(size).map_err(&at)?;
        compare(&path, &entry, found.as_ref(), root).map_err(|error| error.at(&at))?;
        if found.is_some() {
            attributes.check(&on_disk)?;
        }
        imported.insert(path.clone(), entry).map_err(|error| at(error.to_string()))?;
        places.insert(path, line);
    }
    if let Err(error) = imported.check() {
        let path = match &error {
            Error::Parent { path, .. } | Error::Hardlink { path, .. } => path,
            _ => return Err(error),
        };
        let line = places.get(path).copied().unwrap_or(0);
        let problem = error.to_string();
        return Err(Error::Mtree { path: manifest.to_owned(), line, problem });
    }
    nothing_more(root, &ProtoPath::root(), &imported, manifest)?;
    Ok(imported)
}

/// Why an entry is not as the tree has it.
enum Difference {
    Found(String),
    Failed(Error),
}

impl Difference {
    fn at(self, place: &impl Fn(String) -> Error) -> Error {
        match self {
            Self::Found(problem) => place(problem),
            Self::Failed(error) => error,
        }
    }
}

fn compare(
    path: &ProtoPath,
    entry: &Entry,
    found: Option<&Metadata>,
    root: &Path,
) -> Result<(), Difference> {
    let on_disk = path.below(root);
    let differs = |problem: String| Err(Difference::Found(format!("{path}: {problem}")));
    let Some(found) = found else {
        return match entry.kind {
            Kind::CharacterDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => Ok(()),
            _ => differs(format!("is not in the tree {}", root.display())),
        };
    };
    let as_said = match entry.kind {
        Kind::File(_) | Kind::Hardlink { .. } => found.is_file(),
        Kind::Directory => found.is_dir(),
        Kind::Symlink { .. } => found.is_symlink(),
        // Often empty files hold the places of these.
        _ => !found.is_dir() && !found.is_symlink(),
    };
    if !as_said {
        return differs(format!("is no {} in the tree {}", entry.kind.word(), root.display()));
    }
    match &entry.kind {
        Kind::File(content) if content.size != found.len() => differs(format!(
            "is {} bytes long in the tree {}, the manifest says {}",
            found.len(),
            root.display(),
            content.size
        )),
        Kind::File(FileContent { digest: Some(digest), .. }) => {
            let has = sha256(&on_disk).map_err(Difference::Failed)?;
            if has == *digest {
                return Ok(());
            }
            differs(format!("has the digest {has} in the tree, the manifest says {digest}"))
        }
        Kind::Symlink { target } => {
            let text = fs::read_link(&on_disk)
                .map_err(|error| Difference::Failed(Error::io("read", &on_disk)(error)))?;
            if text.as_os_str().as_bytes() == &**target {
                return Ok(());
            }
            let target = String::from_utf8_lossy(target);
            differs(format!("leads to {} in the tree, the manifest says {target}", text.display()))
        }
        _ => Ok(()),
    }
}

fn sha256(path: &Path) -> Result<Digest, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
    Ok(Digest(hasher.finalize().into()))
}

/// Looks for what the manifest does not have, in order, so that the same one is always named.
fn nothing_more(
    root: &Path,
    directory: &ProtoPath,
    listed: &Manifest,
    manifest: &Path,
) -> Result<(), Error> {
    let on_disk = directory.below(root);
    if !listed.contains(directory) {
        return Err(Error::Unlisted { path: on_disk, manifest: manifest.to_owned() });
    }
    let mut names = fs::read_dir(&on_disk)
        .and_then(|entries| entries.map(|e| e.map(|e| e.file_name())).collect())
        .map_err(Error::io("list", &on_disk))
        .map(|names: Vec<_>| names)?;
    names.sort();
    for name in names {
        let path = directory.join(name.as_bytes())?;
        match listed.get(&path) {
            Some(entry) if entry.is_directory() => nothing_more(root, &path, listed, manifest)?,
            Some(_) => {}
            None => {
                let path = path.below(root);
                return Err(Error::Unlisted { path, manifest: manifest.to_owned() });
            }
        }
    }
    Ok(())
}
