//! Where packages come from.

use std::io::Read;
use std::path::Path;

use crate::{Action, Error, Fmri, Manifest};

/// Something that has packages: a file repository or a package archive.
pub trait Origin: Send + Sync {
    /// Where it is, for messages.
    fn location(&self) -> &Path;

    /// Every package, with publisher and full version, in order (oldest version first).
    fn packages(&self) -> &[Fmri];

    /// The manifest of a package that [`Origin::packages`] names, byte for byte.
    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error>;

    /// The payload `sha1` of a publisher as it is stored: one gzip member, unchecked.
    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<Box<dyn Read + Send>, Error>;

    /// The manifest of a package that [`Origin::packages`] names.
    fn manifest(&self, fmri: &Fmri) -> Result<Manifest, Error> {
        let source = format!("{} {fmri}", self.location().display());
        Manifest::parse(source, &self.manifest_text(fmri)?)
    }
}
