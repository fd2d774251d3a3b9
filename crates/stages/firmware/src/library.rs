//! Where images are looked for.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use blake3::Hash;
use fetch::{Fetcher, Item, Url};
use store::Name;

use crate::Error;

/// The most that one image may have. As a JSON array a byte takes up to five characters.
const LIMIT: u64 = 128 << 20;
const ANSWER_LIMIT: u64 = 5 * LIMIT;

/// Where images are looked for: directories first, then the store and the addresses.
#[derive(Debug, Default)]
pub struct Library {
    /// Directories with files named by hash, with or without an extension.
    pub directories: Vec<PathBuf>,
    /// Bases of addresses; each is asked for `artifact/HASH`.
    pub bases: Vec<Url>,
    /// The store and the network; without one only directories are looked into.
    pub fetcher: Option<Fetcher>,
}

/// Extensions of files in directories.
const EXTENSIONS: [&str; 5] = ["", ".zip", ".toml", ".corim", ".cbor"];

impl Library {
    /// Gets the bytes that have a hash.
    pub(crate) fn get(&self, hash: Hash, what: &str) -> Result<Vec<u8>, Error> {
        let name = hash.to_hex();
        for directory in &self.directories {
            for extension in EXTENSIONS {
                let path = directory.join(format!("{name}{extension}"));
                match read(&path) {
                    Ok(bytes) if blake3::hash(&bytes) == hash => return Ok(bytes),
                    Ok(bytes) => {
                        let actual = blake3::hash(&bytes).to_string();
                        return Err(Error::Damaged { path, actual });
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::io("read", &path)(error)),
                }
            }
        }
        let what = format!("{what} ({name})");
        let Some(fetcher) = &self.fetcher else { return Err(Error::Missing { what }) };
        if self.bases.is_empty() {
            return Err(Error::Missing { what });
        }
        let check = |file: &mut File| -> Result<(), String> {
            let bytes = decode(file)?;
            match blake3::hash(&bytes) {
                actual if actual == hash => Ok(()),
                actual => Err(format!("its BLAKE3 hash is {actual}")),
            }
        };
        let item = Item {
            name: Name::new("hubris-image", name.to_string()),
            what,
            urls: self.bases.iter().map(|base| address(base, &name)).collect(),
            size: None,
            limit: ANSWER_LIMIT,
            check: &check,
        };
        let (mut file, _) = fetcher.open(&item)?;
        let bytes = decode(&mut file);
        // The store's own check was content, so it is what was checked when it came.
        bytes.map_err(|problem| Error::Missing { what: format!("{}: {problem}", item.what) })
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn address(base: &Url, hash: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/artifact/{hash}", base.path().trim_end_matches('/')));
    url
}

/// Reads an answer: a JSON array of bytes.
fn decode(file: &mut File) -> Result<Vec<u8>, String> {
    let reader = std::io::BufReader::with_capacity(256 << 10, file);
    serde_json::from_reader(reader)
        .map_err(|error| format!("it is no JSON array of bytes: {error}"))
}

/// Writes a file that appears when it is complete.
pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    let failed = |error| Error::io("write", &path)(error);
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}
