//! What a run needs from outside, and what it gives back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::{Manifest, Mtime, Proto};

use super::Failure;
use crate::{Origin, Packages, PoolDescription};

/// What the steps of a plan need beside the proto.
pub struct Context<'a> {
    /// The directory of `outputsrc`, `pack_tar` and the other steps that pass files on. It must
    /// be there.
    pub output: PathBuf,
    /// Carries out the `pkg_*` steps.
    pub packages: Option<&'a mut dyn Packages>,
    /// Where the service repository comes from.
    pub smf_seed: SmfSeed,
    /// The time of everything the steps make.
    pub mtime: Mtime,
    /// States that templates left for each other, by `DATASET@SNAPSHOT`.
    pub snapshots: BTreeMap<String, Proto>,
    /// What is in the archives that rehearsed templates would have packed, by their names.
    pub archives: BTreeMap<String, Manifest>,
}

/// Where the service repository of the image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SmfSeed {
    /// No repository is made; the first boot imports every manifest. svccfg(8) cannot run here,
    /// and nothing pretends that it did.
    #[default]
    None,
    /// A repository that svccfg(8) made elsewhere.
    File(PathBuf),
}

/// What a plan did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Applied {
    /// The pool to write, if the template makes one.
    pub pool: Option<PoolDescription>,
    /// What the reader of a build's log should know: what was left out, what was absent.
    pub notes: Vec<Note>,
    /// The archives that are now in the output directory.
    pub written: Vec<PathBuf>,
    /// How many steps ran.
    pub steps: usize,
}

/// A remark of a step that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where the step is written.
    pub origin: Origin,
    /// The remark.
    pub text: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

impl<'a> Context<'a> {
    /// A context with an output directory and nothing else: no package system, no seed, times at
    /// the epoch.
    pub fn new(output: impl Into<PathBuf>) -> Self {
        Self {
            output: output.into(),
            packages: None,
            smf_seed: SmfSeed::None,
            mtime: Mtime::default(),
            snapshots: BTreeMap::new(),
            archives: BTreeMap::new(),
        }
    }

    /// Keeps a state for templates that start from it.
    pub fn snapshot(&mut self, dataset: &str, snapshot: &str, proto: Proto) {
        self.snapshots.insert(format!("{dataset}@{snapshot}"), proto);
    }

    /// The state of that name, else the given one if there is anything in it.
    pub(super) fn state(
        &self,
        dataset: &str,
        snapshot: &str,
        given: &Proto,
    ) -> Result<Proto, Failure> {
        let name = format!("{dataset}@{snapshot}");
        match self.snapshots.get(&name) {
            Some(state) => Ok(state.clone()),
            None if given.manifest.len() > 1 => Ok(given.clone()),
            None => Err(Failure::new(format!(
                "the snapshot {name} is not there; apply the template that makes it first"
            ))),
        }
    }
}
