//! Writes the archive.

use std::path::Path;

use oxide_archive::{Writer, Written};
use proto::{Entry, Kind, Metadata, Proto, ProtoPath};

use crate::Error;

/// Members in an order in which each can be made when it is read: directories, files, hard links,
/// symbolic links, each sorted by path.
pub(crate) fn write(
    zone: &Proto,
    metadata: &oxide_archive::Metadata,
    epoch: i64,
    path: &Path,
) -> Result<Written, Error> {
    let mut writer = Writer::create(path, metadata, epoch)?;
    for pass in 0..4 {
        for (path, entry) in members(zone).filter(|(_, entry)| rank(&entry.kind) == pass) {
            match entry.kind {
                // A hard link has no owner, mode or time of its own.
                Kind::Hardlink { .. } => {
                    let bare = Entry { metadata: Metadata::root(0), ..entry.clone() };
                    writer.entry("root", path, &bare, &zone.contents)?;
                }
                _ => writer.entry("root", path, entry, &zone.contents)?,
            }
        }
    }
    Ok(writer.commit()?)
}

/// Every path of the zone but the root itself, which is made when a zone is installed.
pub(crate) fn members(zone: &Proto) -> impl Iterator<Item = (&ProtoPath, &Entry)> {
    zone.manifest.iter().filter(|(path, _)| !path.is_root())
}

fn rank(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => 0,
        Kind::Hardlink { .. } => 2,
        Kind::Symlink { .. } => 3,
        _ => 1,
    }
}
