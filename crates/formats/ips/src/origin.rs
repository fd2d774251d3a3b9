//! Where packages come from.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::payload::PayloadReader;
use crate::{Action, Error, Fmri, Manifest, PackageArchive, Repository, Standing};

/// A payload as an origin stores it.
pub struct StoredPayload {
    /// The number of stored bytes.
    pub size: u64,
    /// One gzip member, unchecked.
    pub reader: Box<dyn Read + Send>,
}

/// A payload that will be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The package, with its publisher.
    pub fmri: &'a Fmri,
    /// The action that delivers it.
    pub action: &'a Action,
}

/// Something that has packages: a file repository, a package archive, a depot.
pub trait Origin: Send + Sync {
    /// Where it is, for messages.
    fn location(&self) -> &Path;

    /// Every package, with publisher and full version, in order (oldest version first).
    fn packages(&self) -> &[Fmri];

    /// The manifest of a package that [`Origin::packages`] names, byte for byte.
    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error>;

    /// The same where the SHA-256 of the manifest is known beforehand, so that an origin that keeps
    /// manifests by digest need not ask anybody. The caller checks what it gets.
    fn known_manifest_text(&self, fmri: &Fmri, sha256: &proto::Digest) -> Result<String, Error> {
        let _ = sha256;
        self.manifest_text(fmri)
    }

    /// The payload `sha1` of a publisher as it is stored, unchecked.
    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error>;

    /// Fetches payloads that will be asked for, many at once, where they are not at hand. What
    /// cannot be had is an error when it is asked for, and then at once.
    fn prefetch(&self, wanted: &[Wanted<'_>]) {
        let _ = wanted;
    }

    /// The same for manifests, each with its SHA-256 where that is known. Those that cannot be
    /// had are one error which names all of them.
    fn prefetch_manifests(&self, wanted: &[(&Fmri, Option<&proto::Digest>)]) -> Result<(), Error> {
        let _ = wanted;
        Ok(())
    }

    /// The manifest of a package that [`Origin::packages`] names.
    fn manifest(&self, fmri: &Fmri) -> Result<Manifest, Error> {
        let source = format!("{} {fmri}", self.location().display());
        Manifest::parse(source, &self.manifest_text(fmri)?)?.of_package(fmri)
    }

    /// What has become of a package that [`Origin::packages`] names.
    fn standing(&self, fmri: &Fmri) -> Result<Standing, Error> {
        Ok(Standing::of(&self.manifest(fmri)?))
    }

    /// What an action of a publisher's package delivers, uncompressed. Size and strongest hash
    /// are checked while reading; what is wrong is an error before the end is reported.
    fn payload(&self, publisher: &str, action: &Action) -> Result<Box<dyn Read + Send>, Error> {
        let sha1 = action.payload.as_deref().unwrap_or_default();
        let stored = self.stored_payload(publisher, sha1)?;
        let reader = PayloadReader::new(stored.reader, action)
            .map_err(|error| Error::damaged(self.location(), format!("{action}: {error}")))?;
        Ok(Box::new(reader))
    }
}

/// Opens a repository or a package archive, whichever is there.
pub fn open_origin(path: impl AsRef<Path>) -> Result<Box<dyn Origin>, Error> {
    let path = path.as_ref();
    if path.is_dir() {
        return Ok(Box::new(Repository::open(path)?));
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .map_err(Error::io("read", path))?;
    if start.get(257..262) == Some(b"ustar") {
        Ok(Box::new(PackageArchive::open(path)?))
    } else {
        Err(Error::damaged(
            path,
            "neither a repository (a directory with pkg5.repository) nor a package archive (.p5p)",
        ))
    }
}

/// The newest version of every package of every publisher, in order.
pub fn newest(packages: &[Fmri]) -> Vec<Fmri> {
    let mut newest: Vec<Fmri> = Vec::new();
    for fmri in packages {
        match newest.last_mut() {
            Some(last) if (&last.publisher, &last.stem) == (&fmri.publisher, &fmri.stem) => {
                if last.version <= fmri.version {
                    *last = fmri.clone();
                }
            }
            _ => newest.push(fmri.clone()),
        }
    }
    newest
}
