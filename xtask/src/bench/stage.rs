//! The stages that are measured, and the usual pipelines they are compared with.
//!
//! A stage runs in a process of its own and ends by printing a [`Done`]; a pipeline is a line for
//! the shell. All work in one directory, whose `input` is made once by [`prepare`].

use std::fs;
use std::path::{Path, PathBuf};

use boot_image::os_archive::{self, Notes, Parts};
use boot_image::phase2;
use ips::{Fmri, InstallOptions, Origin as _, Publication, Publisher, Repository, Timestamp};
use proto::{Proto, Store};
use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};
use zpool_image::{Compression, PoolOptions};

use super::generate::Plan;
use super::measure::{self, Part};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::releng;

/// Everything in the measurements happened at this moment: 2026-01-02T03:04:05Z.
pub(crate) const TIME: i64 = 1_767_323_045;

const PUBLISHER: &str = "bench";

/// Packages that the files are in.
const PACKAGES: usize = 40;

/// Something that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    /// What `--only` names.
    pub(crate) name: &'static str,
    /// What it is if it is not a stage of this program.
    pub(crate) pipeline: Option<Pipeline>,
    /// The pipeline that a stage is compared with.
    pub(crate) against: Option<&'static str>,
}

/// What people do without this program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pipeline {
    /// A line for the shell, in the directory of the measurements.
    pub(crate) line: &'static str,
    /// The directory that it reads.
    pub(crate) reads: &'static str,
}

pub(crate) const fn own(name: &'static str, against: Option<&'static str>) -> Stage {
    Stage { name, pipeline: None, against }
}

pub(crate) const fn shell(name: &'static str, reads: &'static str, line: &'static str) -> Stage {
    Stage { name, pipeline: Some(Pipeline { line, reads }), against: None }
}

/// All of them, in the order they take turns.
pub(crate) const STAGES: [Stage; 11] = [
    own("releng", None),
    own("install", None),
    own("baseline", Some("tar-gzip")),
    own("pool", Some("cp")),
    own("pool-gzip-9", Some("tar-gzip")),
    shell("tar-gzip", "input/tree", "tar -C input/tree -cf - . | gzip -9 > scratch/tree.tar.gz"),
    shell("cp", "input/tree", "cp -a input/tree scratch/tree"),
    own("os.tar.gz", Some("tar-gzip-image")),
    shell(
        "tar-gzip-image",
        "input/image",
        "tar -C input -cf - image | gzip -9 > scratch/image.tar.gz",
    ),
    own("repo.zip", Some("zip-image")),
    shell("zip-image", "input/image", "cd input && zip -q -r ../scratch/image.zip image"),
];

/// What a stage says at its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Bytes of contents it went through.
    pub(crate) input: u64,
    /// Bytes it wrote.
    pub(crate) output: u64,
    /// Its peak of resident memory in bytes.
    pub(crate) peak: u64,
    /// The part that counts, if it is not all.
    pub(crate) part: Option<Part>,
}

impl Done {
    /// Of this process at its end.
    pub(crate) fn now(input: u64, output: u64) -> Self {
        Self { input, output, peak: measure::own_peak(), part: None }
    }
}

/// Places in the directory of the measurements.
struct Places {
    input: PathBuf,
    scratch: PathBuf,
}

impl Places {
    fn new(directory: &Path) -> Self {
        Self { input: directory.join("input"), scratch: directory.join("scratch") }
    }

    fn tree(&self) -> PathBuf {
        self.input.join("tree")
    }

    fn image(&self) -> PathBuf {
        self.input.join("image")
    }

    fn repository(&self) -> PathBuf {
        self.input.join("repository")
    }

    fn proto(&self) -> Result<Proto, Failure> {
        let store = Store::create(self.input.join("store"))?;
        Ok(Proto::load(&self.input.join("proto.mtree"), store)?)
    }
}

/// Runs one stage and prints its [`Done`].
pub(crate) fn run(name: &str, directory: &Path, printer: &Printer) -> Result<(), Failure> {
    let done = super::pool::run_stage(name, directory)
        .or_else(|| super::packages::run_stage(name, directory))
        .or_else(|| super::zones::run_stage(name, directory))
        .or_else(|| super::tuf::run_stage(name, directory));
    if let Some(done) = done {
        printer.result(serde_json::to_string(&done?)?);
        return Ok(());
    }
    let at = Places::new(directory);
    let (input, output) = match name {
        "releng" => sample(&at, printer)?,
        "install" => {
            let proto = install(&at, &at.scratch.join("store"))?;
            (contents(&proto), contents(&proto))
        }
        "baseline" => baseline(&at)?,
        "pool" => pool(&at, Compression::Off)?,
        "pool-gzip-9" => pool(&at, Compression::Gzip(9))?,
        "os.tar.gz" => {
            let image = at.image().join("zfs.img");
            let output = at.scratch.join("os.tar.gz");
            let written = os_archive::write(&image, Notes::default(), &parts(&at), TIME, &output)?;
            (written.members.iter().map(|member| member.size).sum(), written.size)
        }
        "repo.zip" => repository(&at)?,
        other => return Err(Failure::usage(format!("there is no stage {other}"))),
    };
    printer.result(serde_json::to_string(&Done::now(input, output))?);
    Ok(())
}

/// Does something on one processor, whatever threads there are.
pub(crate) fn one_processor<T>(action: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut processors = rustix::thread::sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|number| processors.is_set(*number));
    processors.clear();
    processors.set(first.unwrap_or(0));
    rustix::thread::sched_setaffinity(None, &processors)?;
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    action()
}

/// Makes what the stages work on: the tree, its packages, the proto they make, and the parts of an
/// image.
pub(crate) fn prepare(directory: &Path, plan: Plan) -> Result<(), Failure> {
    let at = Places::new(directory);
    publish(&at, plan)?;
    let proto = install(&at, &at.input.join("store"))?;
    proto.save(&at.input.join("proto.mtree"))?;

    fs::create_dir_all(at.image())?;
    let pool = at.input.join("pool.img");
    zpool_image::write(&proto, &pool_options(Compression::Off), &pool)?;
    phase2::write(&pool, &at.image().join("zfs.img"), &phase2::Options::new("bench"))?;
    fs::remove_file(&pool)?;
    for name in ["unix.z", "cpio.z", "gimlet.rom", "cosmo.rom"] {
        fs::write(at.image().join(name), format!("This stands in for {name}.\n").repeat(5000))?;
    }
    Ok(())
}

const CORE: &str = "set name=pkg.fmri value=system/core@1.0
set name=variant.opensolaris.zone value=global value=nonglobal
dir path=etc owner=root group=sys mode=0755
dir path=etc/svc owner=root group=sys mode=0755
dir path=etc/svc/profile owner=root group=sys mode=0755
dir path=lib owner=root group=bin mode=0755
dir path=lib/svc owner=root group=bin mode=0755
dir path=lib/svc/seed owner=root group=sys mode=0755
dir path=opt owner=root group=sys mode=0755
dir path=opt/bench owner=root group=sys mode=0755
file path=etc/passwd owner=root group=sys mode=0644 preserve=true
file path=etc/shadow owner=root group=sys mode=0400 preserve=true
file path=etc/group owner=root group=sys mode=0644 preserve=true
file path=lib/svc/seed/nonglobal.db owner=root group=sys mode=0444 variant.opensolaris.zone=nonglobal
depend fmri=consolidation/osnet/osnet-incorporation type=require
";

const INCORPORATION: &str = "set name=pkg.fmri value=consolidation/osnet/osnet-incorporation@1.0
set name=variant.opensolaris.zone value=global value=nonglobal
depend fmri=system/core@1.0 type=incorporate
";

const CORE_FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:Super-User:/root:/usr/bin/sh\n"),
    ("etc/shadow", "root:*LK*:6445::::::\n"),
    ("etc/group", "root::0:\nbin::2:root\nsys::3:root\n"),
    ("lib/svc/seed/nonglobal.db", "a seed without services\n"),
];

/// Everything is below `opt`, which a zone has for itself: all of it goes through the baseline.
fn publish(at: &Places, plan: Plan) -> Result<(), Failure> {
    let files = plan.write(&at.tree())?;
    let core = at.input.join("core");
    for (path, text) in CORE_FILES {
        let path = core.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&core))?;
        fs::write(path, text)?;
    }
    let mut texts = vec![INCORPORATION.to_owned(), CORE.to_owned()];
    for (number, files) in files.chunks(files.len().div_ceil(PACKAGES).max(1)).enumerate() {
        let mut text = format!("set name=pkg.fmri value=bench/part-{number:02}@1.0\n");
        text.push_str("set name=variant.opensolaris.zone value=global value=nonglobal\n");
        let mut last = "";
        for file in files {
            let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            if directory != last {
                text.push_str(&format!("dir path={directory} owner=root group=bin mode=0755\n"));
                last = directory;
            }
            text.push_str(&format!("file path={} owner=root group=bin mode=0644\n", file.path));
        }
        texts.push(text);
    }
    let manifests = at.input.join("manifests");
    fs::create_dir_all(&manifests)?;
    let mut paths = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let path = manifests.join(format!("{number:02}.p5m"));
        fs::write(&path, text)?;
        paths.push(path);
    }
    let mut repository = Repository::create(at.repository(), PUBLISHER)?;
    let publication =
        Publication { content: vec![at.tree(), core], ..Publication::new(PUBLISHER, date()?) };
    ips::publish(&mut repository, &publication, &paths)?;
    Ok(())
}

fn date() -> Result<Timestamp, Failure> {
    Timestamp::from_epoch(TIME).ok_or_else(|| Failure::new("the time of the measurements is none"))
}

fn install(at: &Places, store: &Path) -> Result<Proto, Failure> {
    let repository = Repository::open(at.repository())?;
    let date = date()?;
    let mut proto = Proto::new(Store::create(store)?);
    ips::create_image(&mut proto, ips::Variants::for_zone("global"), date)?;
    let uri = format!("file://{}", at.repository().display());
    ips::set_publisher(&mut proto, Publisher::new(PUBLISHER, uri), date)?;
    let wanted: Vec<String> = repository.packages().iter().map(Fmri::long).collect();
    ips::install(&mut proto, &wanted, &[&repository], &InstallOptions { date })?;
    Ok(proto)
}

/// Bytes of all files in a proto.
fn contents(proto: &Proto) -> u64 {
    let sizes = proto.manifest.iter().filter_map(|(_, entry)| entry.content());
    sizes.map(|content| content.size).sum()
}

fn sample(at: &Places, printer: &Printer) -> Result<(u64, u64), Failure> {
    let request = releng::Request { out: at.scratch.join("releng"), ..releng::Request::default() };
    releng::run(request, releng::Mode::None, printer)?;
    Ok((0, fs::metadata(at.scratch.join("releng/repo.zip"))?.len()))
}

fn baseline(at: &Places) -> Result<(u64, u64), Failure> {
    let proto = at.proto()?;
    let repository = Repository::open(at.repository())?;
    let report = baseline::generate(&baseline::Options {
        proto: &proto,
        origins: &[&repository],
        output: &at.scratch.join("baseline"),
        packages: baseline::Selection::Installed,
        seed: &baseline::Seed::Nonglobal,
        strict: true,
        allow_missing: false,
        epoch: Some(TIME),
    })?;
    Ok((contents(&proto), report.archive.size))
}

fn pool_options(compression: Compression) -> PoolOptions {
    PoolOptions { compression, timestamp: TIME.unsigned_abs(), ..PoolOptions::ramdisk() }
}

fn pool(at: &Places, compression: Compression) -> Result<(u64, u64), Failure> {
    let options = pool_options(compression);
    let report = zpool_image::write(&at.proto()?, &options, &at.scratch.join("pool.img"))?;
    Ok((report.content, report.allocated))
}

fn parts(at: &Places) -> Parts {
    let file = |name: &str| at.image().join(name);
    Parts {
        unix: file("unix.z"),
        boot_archive: file("cpio.z"),
        roms: ["gimlet", "cosmo"].map(|b| (b.to_owned(), file(&format!("{b}.rom")))).into(),
        ..Parts::default()
    }
}

fn repository(at: &Places) -> Result<(u64, u64), Failure> {
    let report = tuf::build(&tuf::BuildOptions {
        system_version: "20.0.0-0.bench".to_owned(),
        inputs: vec![tuf::Input::OsImages { directory: at.image(), variant: tuf::Variant::Host }],
        keys: Vec::new(),
        roots: Vec::new(),
        expires_days: 7,
        build_time: jiff::Timestamp::from_second(TIME)?,
        out: at.scratch.join("repo.zip"),
        installinator_document: true,
    })?;
    let length = report.targets.iter().map(|target| target.length).sum();
    Ok((length, report.size))
}
