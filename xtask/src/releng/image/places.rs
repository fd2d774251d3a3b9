//! Where the files of one OS image are, while it is made and afterwards.

use std::path::{Path, PathBuf};

use jobs::JobError;
use proto::{Proto, Store};

use crate::record;

/// Where one image's files are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Results.
    pub(crate) set: PathBuf,
    /// Intermediate files.
    pub(crate) work: PathBuf,
    /// The store of all protos' contents.
    pub(crate) store: PathBuf,
}

impl Places {
    /// The proto with all packages installed.
    pub(crate) fn os(&self) -> PathBuf {
        self.work.join("os.mtree")
    }

    pub(super) fn trim(&self) -> PathBuf {
        self.work.join("trim.mtree")
    }

    /// What the image is made from, among the results.
    pub(super) fn record(&self) -> PathBuf {
        self.set.join(record::NAME)
    }

    pub(super) fn last(&self) -> PathBuf {
        self.work.join("final.mtree")
    }

    /// The pool image behind room for the phase-2 header: what becomes `zfs.img`.
    pub(super) fn draft(&self) -> PathBuf {
        self.work.join("zfs.img")
    }

    /// Reads a proto that another job left.
    pub(crate) fn load(&self, manifest: &Path) -> Result<Proto, JobError> {
        Ok(Proto::load(manifest, Store::create(&self.store)?)?)
    }

    pub(super) fn new_proto(&self) -> Result<Proto, JobError> {
        Ok(Proto::new(Store::create(&self.store)?))
    }
}
