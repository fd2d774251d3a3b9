//! Where the bytes of the zone's files come from.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ips::{Action, ActionKind, Image, InstalledPackage, Origin};
use proto::{FileContent, Proto, ProtoPath};
use sha1::Sha1;
use sha2::Sha512_256;

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
        let file = self.proto.contents.open(path, content)?;
        digest::<Sha1>(file).map_err(Error::io("read", path.to_string()))
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
    let hashes = action.attributes.list("pkg.content-hash");
    let strong = hashes.iter().find_map(|hash| hash.strip_prefix("file:sha512t_256:"));
    let hash = match strong {
        Some(_) => digest::<Sha512_256>(bytes),
        None => digest::<Sha1>(bytes),
    };
    let hash = hash.map_err(Error::io("read", action.path().unwrap_or_default()))?;
    Ok(Some(hash.as_str()) == strong.or(action.payload.as_deref()))
}

/// The digest of everything a reader gives, in hex.
fn digest<D: sha2::Digest>(mut bytes: impl Read) -> io::Result<String> {
    let mut hasher = D::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
