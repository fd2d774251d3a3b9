//! Zone images: a gzip tar whose `oxide.json` says what it is.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

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

/// Unknown members are ignored, as its other readers do.
#[derive(Deserialize)]
struct OxideJson {
    v: String,
    t: String,
    pkg: Option<String>,
    version: Option<String>,
}

/// Reads the start of a zone image up to its `oxide.json`.
pub(crate) fn read_layer(reader: impl Read) -> Result<Layer, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(reader).take(SEARCH));
    let unreadable = |error: std::io::Error| format!("is no gzip tar: {error}");
    for member in archive.entries().map_err(unreadable)? {
        let member = member.map_err(unreadable)?;
        if *member.path_bytes() != *b"oxide.json" {
            continue;
        }
        if !member.header().entry_type().is_file() {
            return Err("its oxide.json is no file".to_owned());
        }
        let mut text = Vec::new();
        member.take(METADATA_LIMIT).read_to_end(&mut text).map_err(unreadable)?;
        let json: OxideJson = serde_json::from_slice(&text)
            .map_err(|error| format!("its oxide.json cannot be read: {error}"))?;
        if json.v != "1" {
            return Err(format!("its oxide.json has the version {:?}; \"1\" is known", json.v));
        }
        if json.t != "layer" {
            return Err(format!(
                "its oxide.json says it is of type {:?}; a zone is a layer",
                json.t
            ));
        }
        return match (json.pkg, json.version) {
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
