//! The jobs of one OS image, host or trampoline.
//!
//! ```text
//! os ─▶ (baseline) ─▶ trim ─▶ final ─▶ pool ─▶ phase-2 ─▶ os-archive
//!                       └──▶ unix        boot-archive ──────┘
//! ```
//!
//! The pool is written behind room for the phase-2 header, so that this file becomes `zfs.img`; it
//! is read once, by phase-2, which puts it into `os.tar.gz` at the same time.
//!
//! Jobs hand a proto on as its manifest, a file; the contents of all protos of a run are in one
//! store.

mod archives;
mod places;
mod protos;
mod ramdisk;
mod record;
mod roms;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use boot_image::FileList;
use boot_image::os_archive::Draft;
use image_templates::{Features, Modes, Plan, Search, genproto};
use jobs::{Job, JobError};

pub(crate) use self::places::Places;
use self::protos::refuse_extended_attributes;
use super::overlay::Piece;
use super::packages::Origins;
use super::pool;
use crate::failure::Failure;
use crate::record::Tool;

/// The kernel, which becomes `unix.z`.
pub(super) const KERNEL: &str = "platform/oxide/kernel/amd64/unix";

/// The dataset and snapshots of the templates' phases.
pub(super) const DATASET: &str = "ramdisk";

/// Which image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Host,
    Trampoline,
}

impl Which {
    /// Both, in the order of their jobs.
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::Trampoline];

    /// The template that installs the packages.
    pub(crate) const OS: &str = "ramdisk-01-os";

    /// The name of the results' directory and of the jobs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Trampoline => "trampoline",
        }
    }

    /// Reads the features of this image.
    pub(super) fn parse_features(self, specs: &[String]) -> Result<Features, Failure> {
        Features::from_specs(specs)
            .map_err(|error| Failure::usage(format!("features of {}: {error}", self.name())))
    }

    /// The templates of the dataset phases, then of the pool.
    fn templates(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Host => (&["ramdisk-02-trim"], "zfs"),
            Self::Trampoline => (&["ramdisk-02-trim", "ramdisk-03-recovery-trim"], "zfs-recovery"),
        }
    }
}

/// The OS archive between the job that begins it and the one that ends it.
type SharedDraft = Arc<Mutex<Option<Draft>>>;

/// Everything about one image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) which: Which,
    /// The name in the phase-2 header.
    pub(crate) name: String,
    /// Features, in order.
    pub(crate) features: Vec<String>,
    pub(crate) search: Search,
    /// The list of the boot archive's members.
    pub(crate) boot_archive: PathBuf,
    /// What is laid over the image, in order: omicron packages, then directories.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) directories: Vec<PathBuf>,
    /// ROMs by board, as far as they are given.
    pub(crate) roms: Vec<(String, PathBuf)>,
    /// Whether stand-ins are made for the others.
    pub(crate) stand_in_roms: bool,
    pub(crate) target_size: u64,
    pub(crate) pool: pool::Wants,
    /// What makes the image, for its notes and record.
    pub(crate) tool: Tool,
    /// The digest of the lock.
    pub(crate) lock: Option<proto::Digest>,
    pub(crate) build_time: i64,
}

/// The plans of an image's templates, loaded before anything runs.
#[derive(Debug)]
pub(super) struct Plans {
    pub(super) os: Plan,
    pub(super) trim: Vec<Plan>,
    pub(super) last: Plan,
}

impl Image {
    pub(super) fn plans(&self) -> Result<Plans, Failure> {
        let features = self.which.parse_features(&self.features)?;
        let load = |name: &str| {
            image_templates::load(&self.search, name, &features).map_err(Failure::usage)
        };
        let (trim, last) = self.which.templates();
        Ok(Plans {
            os: load(Which::OS)?,
            trim: trim.iter().map(|name| load(name)).collect::<Result<_, _>>()?,
            last: load(last)?,
        })
    }

    /// The jobs. Packages come from `origins`, once the files `os_reads` are there; the trim
    /// templates take the files `trim_reads` from other jobs.
    pub(crate) fn jobs(
        self,
        places: &Places,
        origins: Origins,
        os_reads: Option<PathBuf>,
        trim_reads: Vec<PathBuf>,
    ) -> Result<Vec<Job>, Failure> {
        let plans = self.plans()?;
        let list = FileList::read(&self.boot_archive).map_err(|error| {
            Failure::usage(error).hint(
                "`boot-archive` in [templates] names the file that lists the boot archive's \
                 members, one path a line",
            )
        })?;
        let mut overlays = Vec::new();
        for directory in &self.directories {
            refuse_extended_attributes(directory)?;
            overlays.push(genproto(directory, Modes::AsOnDisk).map_err(Failure::usage)?);
        }
        let templates = self.templates(&plans);
        let image = Arc::new(self);
        let (pool, form) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let archive = SharedDraft::default();
        Ok(vec![
            image.os_job(places, plans.os, origins, os_reads),
            image.record_job(places, templates),
            image.trim_job(places, plans.trim, trim_reads.clone()),
            image.final_job(places, plans.last, overlays, &pool, trim_reads),
            image.pool_job(places, &pool, &form),
            image.phase2_job(places, &archive, &form),
            image.unix_job(places),
            image.boot_archive_job(places, list),
            image.rom_job(places),
            image.os_archive_job(places, &archive),
        ])
    }

    pub(super) fn job(
        self: &Arc<Self>,
        name: &str,
        action: impl FnOnce(&Self, &jobs::Context) -> Result<(), JobError> + Send + 'static,
    ) -> Job {
        let image = Arc::clone(self);
        Job::new(format!("{}/{name}", self.which.name()), move |job| action(&image, job))
    }

    /// The archives of the overlay, which jobs read.
    fn archives(&self) -> impl Iterator<Item = PathBuf> {
        self.pieces.iter().map(|piece| piece.archive.clone())
    }
}
