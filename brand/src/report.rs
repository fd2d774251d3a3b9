//! What an installation did, and how long each phase of it took.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

/// An installation that is complete.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The zone's name.
    pub zone: String,
    /// The zone root.
    pub root: String,
    /// Whether everything got the owner it should have; only root can do that.
    pub owners_set: bool,
    /// The phases, in the order they were carried out.
    pub phases: Vec<Phase>,
    /// The whole installation.
    pub milliseconds: u64,
}

/// A part of an installation.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// What was done.
    pub name: Step,
    /// With what: a tree, an archive, a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
    /// Paths that were examined, made, removed or unpacked.
    pub paths: u64,
    /// Bytes in files that were copied or unpacked.
    pub bytes: u64,
    /// What became of the paths of a replicated tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicated: Option<Replicated>,
}

/// The kinds of phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Settings, baseline and layers are looked at, and the decision for each path is made.
    Plan,
    /// Links and copies of one tree are made.
    Replicate,
    /// What is for the global zone only is removed.
    Prune,
    /// The baseline archive is unpacked.
    Baseline,
    /// A layer is unpacked.
    Layer,
    /// `/etc/default/init` is copied.
    Init,
    /// The zone root gets its name.
    Finish,
}

/// What became of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replicated {
    /// Directories, the tree itself included.
    pub directories: u64,
    /// Symbolic links, those that were links before included.
    pub links: u64,
    /// Files of the zone's own.
    pub copies: u64,
    /// Further names of copied files.
    pub hard_links: u64,
    /// Bytes in copies.
    pub bytes: u64,
}

impl Replicated {
    /// Everything but directories.
    pub fn files(&self) -> u64 {
        self.links + self.copies + self.hard_links
    }
}

impl fmt::Display for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replicated { directories, links, bytes, .. } = self;
        let files = self.files();
        write!(f, "{files} files ({links} links), {directories} directories, {bytes} bytes")
    }
}

/// A clock that is read at the end of each phase.
#[derive(Debug)]
pub(crate) struct Clock {
    begun: Instant,
    phase: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let now = Instant::now();
        Clock { begun: now, phase: now }
    }

    /// Milliseconds since the last phase ended.
    pub(crate) fn phase(&mut self) -> u64 {
        let now = Instant::now();
        let elapsed = now - self.phase;
        self.phase = now;
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since the start.
    pub(crate) fn whole(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
