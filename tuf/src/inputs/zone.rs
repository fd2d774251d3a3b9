//! Zone images: a gzip tar whose `oxide.json` says what it is.

use std::io::Read;
use std::path::Path;

use oxide_archive::{ArchiveType, METADATA_NAME, MemberKind, Metadata};

use super::{PinnedFile, Planned, artifact, base_name};
use crate::Error;
use crate::artifact::Kind;

/// `oxide.json` is normally the first member; it is looked for in this many unpacked bytes.
const SEARCH: u64 = 64 << 20;
/// `oxide.json` itself is a line.
const METADATA_LIMIT: u64 = 64 << 10;

/// What the `oxide.json` of a layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The name of the zone.
    pub(crate) package: String,
    /// Its version.
    pub(crate) version: String,
}

/// Reads the start of a zone image up to its `oxide.json`.
pub(crate) fn read_layer(reader: impl Read + Send) -> Result<Layer, String> {
    let mut reader = reader;
    let mut magic = [0; 2];
    reader.read_exact(&mut magic).map_err(|_| "is too short for a gzip tar".to_owned())?;
    if magic != [0x1f, 0x8b] {
        return Err("is no gzip tar".to_owned());
    }
    let whole = (&magic[..]).chain(reader);
    let unreadable =
        |error: oxide_archive::Error| format!("is no gzip tar: {}", super::chain(&error));
    let mut archive = oxide_archive::open_stream(whole, "it").map_err(unreadable)?;
    while let Some(member) = archive.next_member().map_err(unreadable)? {
        if archive.position() > SEARCH {
            break;
        }
        if member.name != METADATA_NAME.as_bytes() {
            continue;
        }
        if member.kind != MemberKind::File || member.size > METADATA_LIMIT {
            return Err("its oxide.json is no small file".to_owned());
        }
        let mut text = Vec::new();
        archive.read_all(&mut text).map_err(unreadable)?;
        let metadata = Metadata::from_json(&text)
            .map_err(|problem| format!("its oxide.json cannot be read: {problem}"))?;
        if metadata.archive_type != ArchiveType::Layer {
            return Err(format!(
                "its oxide.json says it is of type {}; a zone is a layer",
                metadata.archive_type
            ));
        }
        return match (metadata.package, metadata.version) {
            (Some(package), Some(version)) => Ok(Layer { package, version }),
            (None, _) => Err("its oxide.json has no pkg, the zone's name".to_owned()),
            (_, None) => Err("its oxide.json has no version; stamp the package first".to_owned()),
        };
    }
    Err("has no oxide.json".to_owned())
}

pub(super) fn plan(path: &Path, file_name: Option<&str>) -> Result<Planned, Error> {
    let pinned = PinnedFile::new(path)?;
    let layer = read_layer(pinned.open()?)
        .map_err(|problem| Error::input(path, format!("as a zone image: {problem}")))?;
    let name = match file_name {
        Some(name) => name.to_owned(),
        None => base_name(path)?,
    };
    if name.contains('/') {
        return Err(Error::input(
            path,
            format!("the file name {name:?} on the rack has a folder in it"),
        ));
    }
    if layer.package.is_empty() {
        return Err(Error::input(path, "as a zone image: the pkg in its oxide.json is empty"));
    }
    artifact(format!("zones/{name}"), pinned, Kind::Zone { name: layer.package }, layer.version)
}
