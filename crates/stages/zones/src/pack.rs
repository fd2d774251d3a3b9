//! From a directory to a layer.

use std::fs;
use std::path::{Path, PathBuf};

use oxide_archive::{ArchiveType, Metadata, Writer, Written};
use proto::{Contents, Entry, Kind, Manifest, Mtime, Owners, Store};

use crate::Error;

/// What a layer says about itself.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// Name and version of the zone package, for `oxide.json`.
    pub package: Option<(String, String)>,
    /// The time of every member, seconds since 1970.
    pub mtime: i64,
}

/// A layer that was packed.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The archive.
    pub archive: Written,
    /// Paths in it, the root included.
    pub entries: usize,
    /// Bytes of all files in it.
    pub bytes: u64,
}

/// Where members of a layer are.
const PREFIX: &str = "root";

/// Packs what is in a directory as a layer: the directory becomes the zone's root.
///
/// Everything belongs to root:root. Files are 0755 if their owner may execute them, else 0644, and
/// keep setuid and setgid; directories are 0755, or 1777 with the sticky bit. Hard links stay hard
/// links. Devices, pipes, sockets and names that are not UTF-8 are errors, for a zone could not be
/// installed from them; the output then stays as it was.
pub fn pack(directory: &Path, output: &Path, options: &PackOptions) -> Result<Packed, Error> {
    check_output(directory, output)?;
    let manifest = proto::import_directory(directory, Owners::Root)?;
    check_entries(directory, &manifest)?;
    // Nothing is ever added to the store: all contents are in the directory.
    let store = Store::create(directory)?;
    let contents = Contents { store, tree: Some(directory.to_owned()) };

    let metadata = Metadata::new(ArchiveType::Layer);
    let metadata = match &options.package {
        Some((name, version)) => metadata.with_package(name, version),
        None => metadata,
    };
    let mut writer = Writer::create(output, &metadata, options.mtime)?;
    let mut bytes = 0;
    for (path, entry) in manifest.iter() {
        let entry = normalised(entry, options.mtime);
        writer.entry(PREFIX, path, &entry, &contents)?;
        bytes += entry.content().map_or(0, |content| content.size);
    }
    Ok(Packed { archive: writer.commit()?, entries: manifest.len(), bytes })
}

fn check_output(directory: &Path, output: &Path) -> Result<(), Error> {
    let examined = fs::metadata(directory).map_err(Error::io("examine", directory))?;
    if !examined.is_dir() {
        return Err(Error::NotPackable {
            path: directory.to_owned(),
            problem: "is no directory; give the one that becomes the zone's root".to_owned(),
        });
    }
    let real = directory.canonicalize().map_err(Error::io("resolve", directory))?;
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let parent = parent.canonicalize().map_err(Error::io("resolve", &parent))?;
    if parent.starts_with(&real) {
        return Err(Error::OutputInside {
            output: output.to_owned(),
            directory: directory.to_owned(),
        });
    }
    Ok(())
}

fn check_entries(directory: &Path, manifest: &Manifest) -> Result<(), Error> {
    for (path, entry) in manifest.iter() {
        let refuse =
            |problem: String| Err(Error::NotPackable { path: path.below(directory), problem });
        match &entry.kind {
            Kind::CharacterDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {
                return refuse(format!("a {} cannot be in a layer; remove it", entry.kind.word()));
            }
            Kind::File(_) | Kind::Directory | Kind::Symlink { .. } | Kind::Hardlink { .. } => {}
        }
        if path.as_str().is_none() {
            return refuse("its name is not UTF-8; rename it".to_owned());
        }
        if PREFIX.len() + 1 + path.as_bytes().len() > LONGEST_MEMBER {
            return refuse(format!(
                "its path in the layer is longer than {LONGEST_MEMBER} bytes; shorten it"
            ));
        }
    }
    Ok(())
}

/// The longest member name that a zone can be installed from.
const LONGEST_MEMBER: usize = 1023;

/// An entry without what depends on the machine it was packed on.
fn normalised(entry: &Entry, mtime: i64) -> Entry {
    let on_disk = entry.metadata.mode;
    let mode = match entry.kind {
        Kind::Directory if on_disk & 0o1000 != 0 => 0o1777,
        Kind::Directory => 0o755,
        Kind::Symlink { .. } => 0o777,
        _ if on_disk & 0o100 != 0 => 0o755 | on_disk & 0o6000,
        _ => 0o644,
    };
    let metadata = proto::Metadata::root(mode).at(Mtime::from_seconds(mtime));
    Entry { metadata, ..entry.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(kind: Kind, mode: u32) -> u32 {
        normalised(&Entry::new(kind, proto::Metadata::owned(mode, 500, 500)), 7).metadata.mode
    }

    #[test]
    fn modes_depend_on_permission_to_execute_alone() {
        let file = || Kind::File(proto::FileContent { size: 0, digest: None });
        assert_eq!(mode(file(), 0o600), 0o644);
        assert_eq!(mode(file(), 0o664), 0o644);
        assert_eq!(mode(file(), 0o700), 0o755);
        assert_eq!(mode(file(), 0o4711), 0o4755);
        assert_eq!(mode(Kind::Directory, 0o2700), 0o755);
        assert_eq!(mode(Kind::Directory, 0o1770), 0o1777);
    }
}
