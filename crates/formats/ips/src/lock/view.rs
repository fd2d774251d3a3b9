//! An origin as a lock knows it.

use std::collections::BTreeMap;
use std::path::Path;

use proto::Digest;

use crate::origin::StoredPayload;
use crate::origin::Wanted;
use crate::{Error, Fmri, Origin};

/// An origin of which nothing is seen but locked packages. A manifest that is not the locked one
/// is an error; payloads are checked against the manifests as always.
pub struct LockedOrigin {
    origin: Box<dyn Origin>,
    packages: Vec<Fmri>,
    digests: BTreeMap<Fmri, Digest>,
}

impl LockedOrigin {
    pub(super) fn new(
        origin: Box<dyn Origin>,
        packages: impl Iterator<Item = (Fmri, Digest)>,
    ) -> Self {
        let digests: BTreeMap<Fmri, Digest> = packages.collect();
        Self { origin, packages: digests.keys().cloned().collect(), digests }
    }

    /// The origin itself.
    pub fn into_inner(self) -> Box<dyn Origin> {
        self.origin
    }
}

impl Origin for LockedOrigin {
    fn location(&self) -> &Path {
        self.origin.location()
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        let Some(expected) = self.digests.get(fmri) else {
            let path = self.origin.location().to_owned();
            return Err(Error::NoPackage { path, fmri: Box::new(fmri.clone()) });
        };
        let text = self.origin.known_manifest_text(fmri, expected)?;
        let found = Digest::of(text.as_bytes());
        if found != *expected {
            let problem = format!(
                "the manifest of {fmri} has the SHA-256 {found}; the lock file says {expected}. \
                 Somebody published this version again with other contents: take the old one back, \
                 or accept the new one with `cargo xtask lock update {}`",
                fmri.stem
            );
            return Err(Error::damaged(self.origin.location(), problem));
        }
        Ok(text)
    }

    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error> {
        self.origin.stored_payload(publisher, sha1)
    }

    fn prefetch(&self, wanted: &[Wanted<'_>]) {
        self.origin.prefetch(wanted);
    }

    fn prefetch_manifests(&self, wanted: &[(&Fmri, Option<&Digest>)]) -> Result<(), Error> {
        let known: Vec<_> = wanted
            .iter()
            .map(|(fmri, digest)| (*fmri, self.digests.get(fmri).or(*digest)))
            .collect();
        self.origin.prefetch_manifests(&known)
    }
}
