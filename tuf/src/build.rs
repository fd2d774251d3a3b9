//! Builds a repository.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::assemble::{self, BuildReport, Frame};
use crate::inputs::{self, Input};
use crate::plan::Plan;
use crate::signing::{Lease, Signing};
use crate::{Error, Key};

/// What to build.
#[derive(Debug)]
pub struct BuildOptions {
    /// The version of the whole; a semantic version.
    pub system_version: String,
    /// The artifacts; their order has no effect.
    pub inputs: Vec<Input>,
    /// The keys that sign; with none, a throwaway key is made. Under a root of its own each is
    /// listed for every role.
    pub keys: Vec<Key>,
    /// The roots to sign under, `1.root.json` to the last, which are taken over byte for byte; with
    /// none, a root is made of the keys.
    pub roots: Vec<PathBuf>,
    /// Days from the build time until the metadata expires; 7 is usual.
    pub expires_days: u32,
    /// When the repository is built: the time of all entries, the version of the metadata and the
    /// start of its validity. Whole seconds count.
    pub build_time: Timestamp,
    /// The zip to write. It appears when it is complete; a file that is there is replaced.
    pub out: PathBuf,
    /// Whether the installinator document is made; only tests leave it out.
    pub installinator_document: bool,
}

/// Builds, signs and writes a repository.
///
/// Targets are written first, each input read once and sorted by name, the documents and the
/// metadata last. Memory: about 20 MiB and a few hundred bytes per target.
///
/// # Errors
///
/// When an input is not what it was given as or changes meanwhile, two inputs collide, a version
/// or time cannot be expressed, a key does not sign, or the zip cannot be written. Nothing is left
/// behind then.
pub fn build(options: &BuildOptions) -> Result<BuildReport, Error> {
    let lease = Lease::new(options.build_time, options.expires_days)?;
    let signing = Signing::given(&options.keys, &options.roots, &options.out)?;
    let mut plan = Plan::default();
    for input in &options.inputs {
        for planned in inputs::plan(input, &options.system_version)? {
            plan.add(planned)?;
        }
    }
    let frame = Frame {
        system_version: &options.system_version,
        installinator_document: options.installinator_document,
        metadata: BTreeMap::new(),
        out: &options.out,
        digest: true,
    };
    assemble::write(&plan, frame, &signing, lease)
}
