//! Where the bytes of the zone's files come from.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::Compression;
use flate2::read::GzEncoder;
use ips::{Action, ActionKind, Image, InstalledPackage, Origin, PayloadReader};
use proto::{FileContent, Proto, ProtoPath};
use sha1::{Digest as _, Sha1};

use crate::Error;
use crate::accounts::Pristine;

/// Where one payload is.
#[derive(Clone)]
pub(crate) enum Source {
    /// A file of the proto.
    Proto(ProtoPath, FileContent),
    /// The stored payload of an origin, by the origin's index.
    Origin(usize),
    /// Worked out.
    Bytes(Vec<u8>),
}

/// What was found for one action.
pub(crate) enum Found {
    /// The packaged bytes.
    Packaged(Source),
    /// The packaged bytes, but not in the proto, whose file was changed.
    PackagedElsewhere(Source),
    /// Only the changed file of the proto.
    Changed { source: Source, sha1: String, size: u64 },
    /// Nothing.
    Missing,
}

pub(crate) struct Finder<'a> {
    pub(crate) proto: &'a Proto,
    pub(crate) origins: &'a [&'a dyn Origin],
    /// Paths at which the proto should have a payload, by its SHA-1.
    same: BTreeMap<&'a str, Vec<&'a str>>,
    pristine: Pristine,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(
        proto: &'a Proto,
        image: &'a Image,
        origins: &'a [&'a dyn Origin],
    ) -> Result<Self, Error> {
        let mut same: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, action) in image.actions() {
            if let (ActionKind::File, Some(payload), Some(path)) =
                (action.kind, action.payload.as_deref(), action.path())
            {
                same.entry(payload).or_default().push(path);
            }
        }
        Ok(Self { proto, origins, same, pristine: Pristine::read(proto, image)? })
    }

    /// Finds the payload of a file action of a package.
    pub(crate) fn find(&self, package: &InstalledPackage, action: &Action) -> Result<Found, Error> {
        let path = action.path().unwrap_or_default();
        let there = self.file(path);
        if let Some((path, content)) = &there
            && self.is_packaged(path, content, action)?
        {
            return Ok(Found::Packaged(Source::Proto(path.clone(), content.clone())));
        }
        if let Some(bytes) = self.pristine.of(path)
            && is_payload(bytes, action)?
        {
            return Ok(Found::Packaged(Source::Bytes(bytes.to_vec())));
        }
        let elsewhere = self.elsewhere(package, action)?;
        Ok(match (there, elsewhere) {
            (None, Some(source)) => Found::Packaged(source),
            (None, None) => Found::Missing,
            (Some(_), Some(source)) => Found::PackagedElsewhere(source),
            (Some((path, content)), None) => {
                let sha1 = self.sha1(&path, &content)?;
                let size = content.size;
                Found::Changed { source: Source::Proto(path, content), sha1, size }
            }
        })
    }

    fn elsewhere(
        &self,
        package: &InstalledPackage,
        action: &Action,
    ) -> Result<Option<Source>, Error> {
        let Some(payload) = action.payload.as_deref() else { return Ok(None) };
        for path in self.same.get(payload).into_iter().flatten() {
            if let Some((path, content)) = self.file(path)
                && self.is_packaged(&path, &content, action)?
            {
                return Ok(Some(Source::Proto(path, content)));
            }
        }
        let publisher = package.fmri.publisher.as_deref().unwrap_or_default();
        for (index, origin) in self.origins.iter().enumerate() {
            match origin.stored_payload(publisher, payload) {
                Ok(_) => return Ok(Some(Source::Origin(index))),
                Err(ips::Error::NoPayload { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The regular file of the proto at a path.
    fn file(&self, path: &str) -> Option<(ProtoPath, FileContent)> {
        let path = ProtoPath::new(path).ok()?;
        let (path, entry) = self.proto.manifest.resolve_hardlink(&path)?;
        Some((path.clone(), entry.content()?.clone()))
    }

    fn is_packaged(
        &self,
        path: &ProtoPath,
        content: &FileContent,
        action: &Action,
    ) -> Result<bool, Error> {
        if action.get("pkg.size").is_some_and(|size| size != content.size.to_string()) {
            return Ok(false);
        }
        is_payload(self.proto.contents.open(path, content)?, action)
    }

    fn sha1(&self, path: &ProtoPath, content: &FileContent) -> Result<String, Error> {
        let mut file = self.proto.contents.open(path, content)?;
        let mut hasher = Sha1::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", path.to_string()))? {
                0 => return Ok(hex::encode(hasher.finalize())),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Opens a payload, uncompressed.
    pub(crate) fn open(
        &self,
        source: &Source,
        publisher: &str,
        action: &Action,
    ) -> Result<Box<dyn Read + Send>, ips::Error> {
        Ok(match source {
            Source::Proto(path, content) => Box::new(self.proto.contents.open(path, content)?),
            Source::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Source::Origin(index) => self.origins[*index].payload(publisher, action)?,
        })
    }
}

/// Whether some bytes are what an action delivers, by the strongest hash it names.
fn is_payload(bytes: impl Read, action: &Action) -> Result<bool, Error> {
    // The reader of stored payloads knows the hashes; not compressing costs next to nothing.
    let stored = GzEncoder::new(bytes, Compression::none());
    let checked = PayloadReader::new(stored, action)
        .and_then(|mut reader| io::copy(&mut reader, &mut io::sink()));
    match checked {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(Error::io("read", action.path().unwrap_or_default())(error)),
    }
}
