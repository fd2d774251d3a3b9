//! The jobs of one OS image, host or trampoline.
//!
//! ```text
//! os ─▶ (baseline) ─▶ trim ─▶ final ─▶ pool ─▶ phase-2 ─▶ os-archive
//!                       └──▶ unix        boot-archive ──────┘
//! ```
//!
//! The pool is written behind room for the phase-2 header, so that this file becomes `zfs.img`; it is
//! read once, by phase-2, which puts it into `os.tar.gz` at the same time.
//!
//! Jobs hand a proto on as its manifest, a file; the contents of all protos of a run are in one
//! store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use boot_image::os_archive::{Draft, Notes, Parts};
use boot_image::{FileList, phase2};
use image_templates::{
    Context, Features, ImagePackages, Modes, Plan, PoolDescription, Search, genproto,
};
use jobs::{Job, JobError};
use proto::{ExtendedAttributes, Mtime, Proto, ProtoPath};
use zpool_image::Compression;

use super::overlay::{self, Piece};
use super::packages::{self, Origins};
use super::places::Places;
use super::pool;
use super::roms::BOARDS;
use crate::failure::Failure;
use crate::record::{self, OverlayRecord, Record, Tool};

/// The kernel, which becomes `unix.z`.
pub(super) const KERNEL: &str = "platform/oxide/kernel/amd64/unix";

const MIB: u64 = 1 << 20;

/// The dataset and snapshots of the templates' phases.
pub(super) const DATASET: &str = "ramdisk";

/// Which image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Host,
    Trampoline,
}

impl Which {
    /// The template that installs the packages.
    pub(crate) const OS: &str = "ramdisk-01-os";

    /// The name of the results' directory and of the jobs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Trampoline => "trampoline",
        }
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
        let features = Features::from_specs(&self.features).map_err(|error| {
            Failure::usage(format!("features of {}: {error}", self.which.name()))
        })?;
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

    /// The jobs. Packages come from `origins`, which need `os_reads`; `trim_reads` are files that the trim templates take from other jobs.
    pub(crate) fn jobs(
        self,
        places: &Places,
        origins: Origins,
        os_reads: Vec<PathBuf>,
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

    fn context<'a>(&self, places: &Places) -> Result<Context<'a>, JobError> {
        let output = places.work.join("output");
        fs::create_dir_all(&output)?;
        Ok(Context { mtime: Mtime::from_seconds(self.build_time), ..Context::new(output) })
    }

    fn os_job(
        self: &Arc<Self>,
        places: &Places,
        plan: Plan,
        origins: Origins,
        reads: Vec<PathBuf>,
    ) -> Job {
        let at = places.clone();
        self.job("os", move |image, job| {
            let mut proto = at.new_proto()?;
            let opened = origins.reopen()?;
            let origins: Vec<&dyn ips::Origin> = opened.iter().map(|origin| &**origin).collect();
            let mut packages = ImagePackages::new(&origins, packages::date(image.build_time)?);
            let mut context = image.context(&at)?;
            context.packages = Some(&mut packages);
            apply(&plan, &mut proto, &mut context, job)?;
            for note in &packages.notes {
                job.log(note);
            }
            proto.save(&at.os())?;
            Ok(())
        })
        .reads(reads)
        .makes([places.os()])
    }

    fn trim_job(self: &Arc<Self>, places: &Places, plans: Vec<Plan>, reads: Vec<PathBuf>) -> Job {
        let at = places.clone();
        self.job("trim", move |image, job| {
            let mut proto = at.load(&at.os())?;
            for plan in &plans {
                apply(plan, &mut proto, &mut image.context(&at)?, job)?;
            }
            proto.save(&at.trim())?;
            Ok(())
        })
        .reads(reads)
        .reads([places.os()])
        .makes([places.trim()])
    }

    fn final_job(
        self: &Arc<Self>,
        places: &Places,
        plan: Plan,
        directories: Vec<Plan>,
        pool: &Arc<OnceLock<PoolDescription>>,
        from_jobs: Vec<PathBuf>,
    ) -> Job {
        let (at, pool) = (places.clone(), Arc::clone(pool));
        let reads: Vec<PathBuf> = self.pieces.iter().map(|piece| piece.archive.clone()).collect();
        self.job("final", move |image, job| {
            let mut context = image.context(&at)?;
            // Templates find what other jobs made as `extsrc` or as `outputsrc`.
            for file in &from_jobs {
                let name = file.file_name().ok_or("a job's output has no name")?;
                fs::copy(file, context.output.join(name))?;
            }
            let trimmed = at.load(&at.trim())?;
            for snapshot in ["trim", "recovery-trim"] {
                context.snapshot(DATASET, snapshot, trimmed.clone());
            }
            let mut proto = at.new_proto()?;
            let applied = apply(&plan, &mut proto, &mut context, job)?;
            let description = applied
                .pool
                .ok_or_else(|| format!("{}: makes no pool", plan.template.display()))?;
            if !image.pieces.is_empty() {
                let tree = at.work.join("overlay");
                overlay::make_tree(&image.pieces, &tree).map_err(|failure| failure.error)?;
                let plan = genproto(&tree, Modes::AsOnDisk)?;
                apply(&plan, &mut proto, &mut context, job)?;
            }
            for plan in &directories {
                apply(plan, &mut proto, &mut context, job)?;
            }
            proto.save(&at.last())?;
            pool.set(description).map_err(|_| "the pool was described twice")?;
            Ok(())
        })
        .reads(reads)
        .reads([places.trim()])
        .makes([places.last()])
    }

    fn pool_job(
        self: &Arc<Self>,
        places: &Places,
        pool: &Arc<OnceLock<PoolDescription>>,
        form: &Arc<OnceLock<Compression>>,
    ) -> Job {
        let (at, pool, form) = (places.clone(), Arc::clone(pool), Arc::clone(form));
        self.job("pool", move |image, job| {
            let description = pool.get().ok_or("the pool was not described")?;
            let proto = at.load(&at.last())?;
            let name = Path::new(image.which.name()).join("zfs.img");
            let place = (&*at.draft(), phase2::HEADER_SIZE as u64);
            let (compression, record) =
                image.pool.write(description, &proto, image.build_time, &name, place)?;
            for line in [&record.reason, &record.warning].into_iter().flatten() {
                job.log(line);
            }
            let size = record.footprint.pool.size;
            job.log(format_args!("{:#?}", record.footprint.pool));
            record.save(&at.set, image.pool.earlier.as_ref())?;
            form.set(compression).map_err(|_| "the pool was written twice")?;
            if size > image.target_size {
                return Err(format!(
                    "the pool image has {} MiB and the ramdisk {} MiB; make target-size larger \
                     or the image smaller",
                    size.div_ceil(MIB),
                    image.target_size / MIB
                )
                .into());
            }
            Ok(())
        })
        .reads([places.last()])
        .makes([places.draft()])
        .makes(pool::PoolRecord::files(&places.set))
    }

    /// Reads the image once, for its digest and for `os.tar.gz`, which another job ends when the boot
    /// archive with that digest is there.
    fn phase2_job(
        self: &Arc<Self>,
        places: &Places,
        archive: &SharedDraft,
        form: &Arc<OnceLock<Compression>>,
    ) -> Job {
        let (at, archive, form) = (places.clone(), Arc::clone(archive), Arc::clone(form));
        let made = [places.set.join("zfs.img"), places.set.join("boot_image_csum")];
        self.job("phase-2", move |image, job| {
            let notes = image.notes(&at)?;
            let mut draft = Draft::new(&at.set.join("os.tar.gz"), notes, image.build_time)?;
            let pool = *form.get().ok_or("the pool was not written")?;
            let options = phase2::Options {
                target_size: image.target_size,
                compress: image.pool.container(pool, image.which == Which::Trampoline),
                ..phase2::Options::new(&image.name)
            };
            let output = at.set.join("zfs.img");
            let written = phase2::seal(&at.draft(), &output, &options, Some(&mut draft))?;
            job.log(format_args!("{:#?}", written.header));
            phase2::write_checksum(&written.header, &at.set.join("boot_image_csum"))?;
            *archive.lock().map_err(|_| "the archive's other job panicked")? = Some(draft);
            Ok(())
        })
        .reads([places.draft(), places.os(), places.record()])
        .makes(made)
    }

    /// The files that come into the image through its templates, by name.
    fn templates(&self, plans: &Plans) -> BTreeMap<String, PathBuf> {
        let all = [&plans.os, &plans.last].into_iter().chain(&plans.trim);
        let mut files: BTreeMap<String, PathBuf> = all.flat_map(Plan::files).collect();
        files.insert("boot archive list".to_owned(), self.boot_archive.clone());
        files
    }

    /// Writes down what the image is made from.
    fn record_job(self: &Arc<Self>, places: &Places, templates: BTreeMap<String, PathBuf>) -> Job {
        let at = places.clone();
        let reads: Vec<PathBuf> = self.pieces.iter().map(|piece| piece.archive.clone()).collect();
        self.job("record", move |image, _| {
            let digest = |path: &Path| record::digest(path).map_err(|failure| failure.error);
            let mut overlays = Vec::new();
            for piece in &image.pieces {
                overlays.push(OverlayRecord {
                    name: piece.package.clone(),
                    kind: "package".to_owned(),
                    sha256: digest(&piece.archive)?,
                });
            }
            for directory in &image.directories {
                let name = directory.file_name().unwrap_or_default().to_string_lossy();
                overlays.push(OverlayRecord {
                    name: name.into_owned(),
                    kind: "directory".to_owned(),
                    sha256: record::tree_digest(directory).map_err(|failure| failure.error)?,
                });
            }
            let mut digests = BTreeMap::new();
            for (name, path) in templates {
                digests.insert(name, digest(&path)?);
            }
            let proto = at.load(&at.os())?;
            let record = Record {
                v: 1,
                image: image.which.name().to_owned(),
                name: image.name.clone(),
                build_time: image.build_time,
                tool: image.tool.clone(),
                lock: image.lock,
                packages: Record::packages(&proto).map_err(|failure| failure.error)?,
                features: image.recorded_features().cloned().collect(),
                templates: digests,
                overlays,
            };
            let text = record.text().map_err(|failure| failure.error)?;
            fs::write(at.record(), text)?;
            Ok(())
        })
        .reads(reads)
        .reads([places.os()])
        .makes([places.record()])
    }

    fn unix_job(self: &Arc<Self>, places: &Places) -> Job {
        let at = places.clone();
        self.job("unix", move |_, _| {
            let proto = at.load(&at.trim())?;
            let path = ProtoPath::new(KERNEL)?;
            let content = proto
                .manifest
                .get(&path)
                .and_then(|entry| entry.content())
                .ok_or_else(|| format!("no package delivers the kernel, {path}"))?;
            let kernel = proto.contents.open(&path, content)?;
            boot_image::compress(kernel, KERNEL.as_ref(), &at.set.join("unix.z"))?;
            Ok(())
        })
        .reads([places.trim()])
        .makes([places.set.join("unix.z")])
    }

    fn boot_archive_job(self: &Arc<Self>, places: &Places, list: FileList) -> Job {
        let at = places.clone();
        let made = [places.set.join("cpio"), places.set.join("cpio.z")];
        self.job("boot-archive", move |image, job| {
            let proto = at.load(&at.trim())?;
            let header = phase2::read_header(&at.set.join("zfs.img"))?;
            let cpio = at.set.join("cpio");
            let written = boot_image::boot_archive::write(
                &proto,
                &list,
                &header.sha256,
                u64::try_from(image.build_time).unwrap_or(0),
                &cpio,
            )?;
            job.log(format_args!("{} members", written.members));
            boot_image::compress_file(&cpio, &at.set.join("cpio.z"))?;
            Ok(())
        })
        .reads([places.trim(), places.set.join("zfs.img")])
        .makes(made)
    }

    /// What is written down in `os.tar.gz`.
    fn notes(&self, at: &Places) -> Result<Notes, JobError> {
        let installed = ips::Image::read(&at.load(&at.os())?)?;
        let publishers = installed.config.publishers.iter();
        let packages = installed.packages.iter();
        let commit = self.tool.commit.as_deref().unwrap_or("unknown");
        Ok(Notes {
            image_args: Some(self.arguments_text()),
            git_status: vec![("releng".to_owned(), format!("{commit}\n"))],
            publishers: Some(publishers.map(|p| format!("{}\n", p.name)).collect()),
            packages: Some(packages.map(|p| format!("{}\n", p.fmri.short())).collect()),
            record: Some(fs::read_to_string(at.record())?),
        })
    }

    fn os_archive_job(self: &Arc<Self>, places: &Places, archive: &SharedDraft) -> Job {
        let (at, archive) = (places.clone(), Arc::clone(archive));
        let parts = ["zfs.img", "unix.z", "cpio.z"].map(|name| places.set.join(name));
        let roms: Vec<PathBuf> =
            self.rom_boards().iter().map(|board| Self::rom_path(places, board)).collect();
        self.job("os-archive", move |image, job| {
            let roms: Vec<(String, PathBuf)> = image
                .rom_boards()
                .into_iter()
                .map(|board| (board.clone(), Self::rom_path(&at, &board)))
                .collect();
            let parts = Parts {
                unix: at.set.join("unix.z"),
                boot_archive: at.set.join("cpio.z"),
                default_rom: roms
                    .iter()
                    .find(|(board, _)| board == BOARDS[0])
                    .map(|(_, path)| path.clone()),
                roms,
            };
            let draft = archive.lock().map_err(|_| "the archive's other job panicked")?.take();
            let written = draft.ok_or("the archive was not begun")?.finish(&parts)?;
            for name in written.absent {
                job.log(format_args!("absent: {name}"));
            }
            Ok(())
        })
        .reads(parts)
        .reads(roms)
        .makes([places.set.join("os.tar.gz")])
    }

    /// The features but for those that say where this machine keeps packages.
    fn recorded_features(&self) -> impl Iterator<Item = &String> {
        self.features.iter().filter(|feature| !feature.contains("_url"))
    }

    /// What the image was made from, for `image-args.txt`.
    fn arguments_text(&self) -> String {
        let mut text = format!("image {}\nname {}\n", self.which.name(), self.name);
        for feature in self.recorded_features() {
            text.push_str(&format!("feature {feature}\n"));
        }
        for piece in &self.pieces {
            text.push_str(&format!("overlay {} as {}\n", piece.package, piece.service));
        }
        text
    }
}

/// A directory that is laid over an image must not lose anything on the way.
fn refuse_extended_attributes(directory: &Path) -> Result<(), Failure> {
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        // What cannot be read is named when the directory is.
        let Ok(entry) = entry else { return Ok(()) };
        ExtendedAttributes::Refuse.check(entry.path()).map_err(Failure::usage)?;
    }
    Ok(())
}

/// Applies a plan and tells the job's log what it said.
fn apply(
    plan: &Plan,
    proto: &mut Proto,
    context: &mut Context<'_>,
    job: &jobs::Context,
) -> Result<image_templates::Applied, JobError> {
    job.check_stop()?;
    job.log(format_args!("applying {}", plan.template.display()));
    let applied = image_templates::apply(plan, proto, context)?;
    for note in &applied.notes {
        job.log(note);
    }
    job.log(format_args!("{} steps, {} paths", applied.steps, proto.manifest.len()));
    Ok(applied)
}
