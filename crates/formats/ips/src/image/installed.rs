//! What an image says is installed: a catalog in format 4, a database in format 5.

use std::path::Path;

use proto::{Proto, ProtoPath};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{CONFIG, read_text};
use crate::Error;
use crate::catalog::{CatalogEntry, read_base, read_entry};

const CATALOG: &str = "var/pkg/state/installed/catalog.base.C";
const CATALOG_ATTRS: &str = "var/pkg/state/installed/catalog.attrs";
const DATABASE: &str = "var/pkg/state/catalog.db";
/// What a database leaves beside itself while a change is under way.
const LEFT_BEHIND: [&str; 2] = ["var/pkg/state/catalog.db-journal", "var/pkg/state/catalog.db-wal"];

/// The installed packages.
pub(super) struct Installed {
    /// The file that lists them.
    pub(super) place: &'static str,
    pub(super) packages: Vec<CatalogEntry>,
}

/// The installed packages of an image of a format.
pub(super) fn entries(proto: &Proto, format: &str) -> Result<Installed, Error> {
    match format {
        "4" => Ok(Installed { place: CATALOG, packages: from_catalog(proto)? }),
        "5" => Ok(Installed { place: DATABASE, packages: from_database(proto)? }),
        other => Err(Error::ImageFormat { path: CONFIG.into(), version: other.to_owned() }),
    }
}

/// An image without packages has a catalog without parts.
fn from_catalog(proto: &Proto) -> Result<Vec<CatalogEntry>, Error> {
    let Some(text) = read_text(proto, CATALOG)? else {
        return match read_text(proto, CATALOG_ATTRS)? {
            Some(_) => Ok(Vec::new()),
            None => Err(missing(CATALOG)),
        };
    };
    let json: Value =
        serde_json::from_str(&text).map_err(|error| Error::damaged(CATALOG, error.to_string()))?;
    let object = json.as_object().ok_or_else(|| Error::damaged(CATALOG, "is not a JSON object"))?;
    read_base(Path::new(CATALOG), object)
}

fn from_database(proto: &Proto) -> Result<Vec<CatalogEntry>, Error> {
    for path in LEFT_BEHIND {
        let entry = proto.manifest.get(&ProtoPath::new(path).map_err(proto::Error::from)?);
        if entry.and_then(|entry| entry.content()).is_some_and(|content| content.size > 0) {
            let problem = "a change of the image was interrupted; let pkg(1) finish it first";
            return Err(Error::damaged(path, problem));
        }
    }
    let path = ProtoPath::new(DATABASE).map_err(proto::Error::from)?;
    let Some((path, content)) =
        proto.manifest.get(&path).and_then(|entry| Some((&path, entry.content()?)))
    else {
        return Err(missing(DATABASE));
    };
    let file = proto.contents.locate(path, content)?;
    let rows = installed_rows(&file)
        .map_err(|error| Error::damaged(DATABASE, format!("cannot be read: {error}")))?;
    let entry = |[publisher, stem, version, base]: &[String; 4]| {
        let base = serde_json::from_str(base).map_err(|error| error.to_string())?;
        read_entry([publisher, stem, version], &base)
    };
    rows.iter()
        .map(|row| {
            entry(row).map_err(|problem| {
                Error::damaged(DATABASE, format!("{}@{}: {problem}", row[1], row[2]))
            })
        })
        .collect()
}

/// Publisher, stem, version and the catalog entry of every installed package.
fn installed_rows(file: &Path) -> rusqlite::Result<Vec<[String; 4]>> {
    // Immutable: nobody changes a proto while it is read, and nothing may be left beside the file.
    let uri = format!("file:{}?immutable=1", encoded(file));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(uri, flags)?;
    // The file may come from anywhere: nothing in its schema is to be run.
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "cell_size_check", true)?;
    let mut statement =
        database.prepare("SELECT pub, stem, version, base FROM packages WHERE installed = 1")?;
    let rows =
        statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

/// A path as part of a URI.
fn encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02x}"),
        })
        .collect()
}

fn missing(path: &str) -> Error {
    Error::damaged(path, "is missing: the image does not say what is installed")
}
