//! Packages that are not published yet.

use std::path::{Path, PathBuf};

use crate::origin::StoredPayload;
use crate::publish::{Publication, read_sources};
use crate::{Error, Fmri, Manifest, Origin};

/// An origin of packages that somebody is about to publish: their names and manifests are known,
/// but their files may not be there yet. It serves to choose packages before all are made.
pub struct Unpublished {
    location: PathBuf,
    packages: Vec<Fmri>,
    texts: Vec<String>,
}

impl Unpublished {
    /// Reads manifests in source form as [`publish`](crate::publish()) does, without looking for
    /// the files they deliver. `location` is where the packages will be, for messages.
    pub fn read<P: AsRef<Path>>(
        location: impl Into<PathBuf>,
        publication: &Publication,
        manifests: &[P],
    ) -> Result<Self, Error> {
        let mut found: Vec<(Fmri, Manifest)> = Vec::new();
        for manifest in manifests {
            found.extend(read_sources(publication, manifest.as_ref())?);
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (packages, texts) =
            found.into_iter().map(|(fmri, manifest)| (fmri, manifest.to_string())).unzip();
        Ok(Self { location: location.into(), packages, texts })
    }
}

impl Origin for Unpublished {
    fn location(&self) -> &Path {
        &self.location
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        match self.packages.binary_search(fmri) {
            Ok(at) => Ok(self.texts[at].clone()),
            Err(_) => {
                let path = self.location.clone();
                Err(Error::NoPackage { path, fmri: Box::new(fmri.clone()) })
            }
        }
    }

    fn stored_payload(&self, _: &str, sha1: &str) -> Result<StoredPayload, Error> {
        Err(Error::NoPayload { path: self.location.clone(), hash: sha1.to_owned() })
    }
}
