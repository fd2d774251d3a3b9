//! A manifest together with its contents.

use std::path::Path;

use crate::{Contents, Error, Manifest, Store};

/// A proto root: what is in it, and where the bytes are.
#[derive(Debug, Clone)]
pub struct Proto {
    /// Every path.
    pub manifest: Manifest,
    /// The bytes of the regular files.
    pub contents: Contents,
}

impl Proto {
    /// An empty proto whose files will go into `store`.
    pub fn new(store: Store) -> Self {
        Self { manifest: Manifest::new(), contents: Contents::in_store(store) }
    }

    /// Reads a proto written by [`Proto::save`]: the manifest file, contents from `store`.
    pub fn load(manifest: &Path, store: Store) -> Result<Self, Error> {
        let manifest = Manifest::read(manifest)?;
        Ok(Self { manifest, contents: Contents::in_store(store) })
    }

    /// Writes the manifest (mtree form) to a file, which appears complete or not at all.
    pub fn save(&self, manifest: &Path) -> Result<(), Error> {
        self.manifest.write(manifest)
    }
}
