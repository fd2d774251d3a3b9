//! The main job: one graph from packages to a verified repository.

mod brand;
mod check;
pub(crate) mod config;
mod finished;
mod firmware;
mod helios_build;
mod image;
mod lock;
mod overlay;
mod packages;
mod places;
pub(crate) mod pool;
mod progress;
mod release;
mod repository;
mod repository_v1;
mod result_set;
mod roms;
mod sample;
mod summary;
mod version;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use boot_image::phase2;
use image_templates::Search;
use ips::Lock;
use jobs::{Graph, Job, Stop};
use store::Collected;

pub(crate) use self::check::{PathFinding, check};
pub(crate) use self::helios_build::lines as helios_build_lines;
pub(crate) use self::lock::{Keep, Locker};
pub(crate) use self::progress::{Mode, Progress};
pub(crate) use self::result_set::lock as lock_output;

use self::brand::Brand;
use self::config::Config;
use self::image::{Image, Which};
use self::overlay::{Packages, Piece, Zone};
use self::packages::Origins;
use self::places::Places;
use self::pool::PoolRecord;
use self::release::Blockers;
use self::result_set::ResultSet;
use self::summary::Summary;
use crate::environment::{self, BuildClock, Checkout};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::{self, Printer};
use crate::record::Tool;

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) config: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) keys: Vec<PathBuf>,
    pub(crate) version: Option<String>,
    pub(crate) expires: Option<u32>,
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Least time for compression instead of least space.
    pub(crate) fast: bool,
    /// The roots to sign under.
    pub(crate) roots: Vec<PathBuf>,
    /// Nothing that only development may have is let through.
    pub(crate) release: bool,
    /// The lock file must be there and stay as it is.
    pub(crate) locked: bool,
    /// Nothing is fetched from anywhere.
    pub(crate) offline: bool,
    /// A repository of the older format is wanted too.
    pub(crate) v1: bool,
}

/// `MAJOR.MINOR.PATCH` of the default system version.
const BASE_VERSION: &str = "20.0.0";

/// What a repository signed by nobody in particular must say.
const THROWAWAY: &str = "the repository is signed by a THROWAWAY key that is gone now; give --key \
                         for one that anybody can trust";

/// What a repository of the older format is without `[[firmware]]`.
const NO_FIRMWARE: &str = "repo-v1.zip has no firmware, which racks want in it; the config has no \
                           [[firmware]]";

/// What is said of images that are larger than they need be.
const FAST: &str = "images are compressed with the least time (`fast`); they are for development";

/// A request with everything that follows from config, environment and defaults.
struct Settings {
    request: Request,
    config: Config,
    /// Whether the embedded sample is built.
    sample: bool,
    clock: BuildClock,
    checkout: Checkout,
    version: String,
    network: Network,
}

impl Settings {
    /// Reads the config; without one the sample is laid out in `work`, and its config is read as
    /// any other.
    fn resolve(request: Request, work: &Path) -> Result<Self, Failure> {
        let sample = request.config.is_none();
        let clock = BuildClock::read()?;
        let checkout = Checkout::read(&environment::workspace());
        let version = |base: Option<&str>| -> Result<String, Failure> {
            let version = request.version.clone().unwrap_or_else(|| {
                version::default_version(base.unwrap_or(BASE_VERSION), &checkout, sample)
            });
            version::check_version(&version)?;
            Ok(version)
        };
        let (config, version) = match &request.config {
            Some(path) => {
                let config = Config::read(path)?;
                let version = version(config.base_version.as_deref())?;
                (config, version)
            }
            None => {
                let version = version(None)?;
                let laid_out = sample::lay_out(&work.join("sample"), &version, clock.seconds())?;
                (Config::read(&laid_out)?, version)
            }
        };
        repository::check_keys(&request.keys, &request.roots)?;
        let packages = &config.packages;
        let network = Network::new(request.offline, packages)?;
        Ok(Self { request, config, sample, clock, checkout, version, network })
    }

    fn image_config(&self, which: Which) -> &config::Image {
        match which {
            Which::Host => &self.config.host,
            Which::Trampoline => &self.config.trampoline,
        }
    }

    /// The name in the phase-2 header: who built it from which commit, and when. Readers tell a
    /// recovery image by the first word.
    fn image_name(&self, which: Which) -> String {
        if let Some(name) = &self.image_config(which).name {
            return name.clone();
        }
        let kind = match which {
            Which::Trampoline => "recovery",
            Which::Host if self.sample => "sample",
            Which::Host if environment::is_ci() => "ci",
            Which::Host => "local",
        };
        let time = self.clock.time.strftime("%Y-%m-%d %H:%M");
        format!("{kind} {} {time}", self.checkout.short(7))
    }

    /// The features of an image, in the order that later ones override earlier ones.
    fn features(&self, which: Which, origins: &Origins) -> Vec<String> {
        let mut features = origins.features();
        match which {
            Which::Host if self.has_brand() => features.push("omicron1".to_owned()),
            Which::Host => {}
            Which::Trampoline => features.push("recovery".to_owned()),
        }
        if !self.config.packages.install.is_empty() {
            features.push("^base_packages".to_owned());
        }
        for package in &self.config.packages.install {
            features.push(format!("base_packages+={package}"));
        }
        for package in &self.image_config(which).packages {
            features.push(format!("extra_packages+={package}"));
        }
        features.extend(self.config.templates.features.iter().cloned());
        features.extend(self.image_config(which).features.iter().cloned());
        features
    }

    fn has_brand(&self) -> bool {
        self.config.packages.brand.unwrap_or(true)
    }

    /// Where templates and what they read are looked for.
    fn search(&self, baseline: &Path) -> Search {
        let templates = &self.config.templates;
        let group = templates.group.as_deref().unwrap_or("sled");
        let mut search = match &templates.directory {
            Some(directory) => Search::new(directory, group),
            None => Search::own(group),
        };
        // The baseline comes first: an external source of the same name is not ours.
        search = search.external(baseline);
        for directory in &templates.external {
            search = search.external(directory);
        }
        for name in [baseline::ARCHIVE, baseline::GZONLY] {
            search = search.promise(name);
        }
        search
    }

    /// Everything about one image.
    fn image(
        &self,
        which: Which,
        origins: &Origins,
        baseline: &Path,
        packages: Option<&Packages>,
    ) -> Result<Image, Failure> {
        let config = self.image_config(which);
        let search = self.search(baseline);
        let boot_archive = match &self.config.templates.boot_archive {
            Some(path) => path.clone(),
            None => search.group_directory().join("boot-archive-files.txt"),
        };
        let target_size = config.target_size.map_or(phase2::DEFAULT_TARGET_SIZE, |size| size << 20);
        Ok(Image {
            which,
            name: self.image_name(which),
            features: self.features(which, origins),
            search,
            boot_archive,
            pieces: self.pieces(which, packages)?,
            directories: config.proto.clone(),
            roms: config.roms.clone().into_iter().collect(),
            stand_in_roms: config.stand_in_roms,
            target_size,
            pool: pool::Wants::read(config, which.name(), self.request.fast)?,
            tool: Tool {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: self.checkout.commit.clone(),
                dirty: self.checkout.dirty,
            },
            lock: None,
            build_time: self.clock.seconds(),
        })
    }

    /// The omicron packages of an image.
    fn pieces(&self, which: Which, packages: Option<&Packages>) -> Result<Vec<Piece>, Failure> {
        let Some(packages) = packages else { return Ok(Vec::new()) };
        let default: &[(&str, config::Method)] = match which {
            Which::Host => &config::HOST_OVERLAY,
            Which::Trampoline => &config::TRAMPOLINE_OVERLAY,
        };
        match &self.image_config(which).overlay {
            Some(list) => list.iter().map(|(name, method)| packages.piece(name, *method)).collect(),
            None => default.iter().map(|(name, method)| packages.piece(name, *method)).collect(),
        }
    }

    /// The zones of the repository.
    fn zones(&self, packages: Option<&Packages>) -> Result<Vec<Zone>, Failure> {
        let mut zones = Vec::new();
        if let Some(packages) = packages {
            let default = || config::ZONES.map(str::to_owned).to_vec();
            for name in self.config.repository.zones.clone().unwrap_or_else(default) {
                zones.push(packages.zone(&name)?);
            }
        }
        for config::ZoneFile { path, sha256 } in &self.config.repository.zone_files {
            let name = path.file_name().and_then(|name| name.to_str());
            match name {
                Some(name) if path.is_file() => {
                    overlay::check_pin(path, sha256.as_ref())?;
                    zones.push(Zone { archive: path.clone(), file_name: name.to_owned() });
                }
                _ => {
                    return Err(Failure::missing(format!(
                        "zone image {} is missing",
                        path.display()
                    )));
                }
            }
        }
        Ok(zones)
    }
}

/// Builds everything that a request asks for.
pub(crate) fn run(request: Request, mode: Mode, printer: &Printer) -> Result<ExitStatus, Failure> {
    let start = Instant::now();
    let limit = request
        .jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    // One pool of threads for all jobs: the limit holds for the whole run. A second call in one
    // process keeps the first pool, which changes no output.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(limit).build_global();
    let stop = Stop::new();
    stop_on_signals(&stop)?;
    let set = ResultSet::begin(&request.out)?;
    let mut settings = Settings::resolve(request, &set.work())?;
    settings.network.stop_with(&stop);
    let unless_stopped = |failure| if stop.requested() { interrupted() } else { failure };
    let logs = set.directory().join("logs");
    let (lock, changes) = lock::settle(&settings).map_err(unless_stopped)?;
    for change in changes {
        printer.warn(change);
    }
    let (graph, mut notices) = graph(&settings, &set, lock).map_err(unless_stopped)?;
    let progress = Progress::new(mode, printer);
    let done = graph
        .run(limit, &logs, &stop, &progress)
        .map_err(|error| explain(error, &settings, &set))?;

    let mut images = BTreeMap::new();
    for name in [Which::Host, Which::Trampoline].map(Which::name) {
        if let Some(record) = PoolRecord::load(&set.directory().join(name))? {
            notices.extend(record.warning.iter().map(|warning| format!("{name} image: {warning}")));
            images.insert(name, record);
        }
    }
    let summary = Summary {
        v: 1,
        tool: env!("CARGO_PKG_VERSION"),
        sample: settings.sample,
        system_version: settings.version.clone(),
        build_time: settings.clock.seconds(),
        source: settings.checkout.clone(),
        notices,
        jobs: summary::job_records(&done, &logs, settings.clock.given)?,
        images,
        files: summary::file_records(&set.directory())?,
    };
    summary.write(&set.directory().join("summary.json"))?;
    let out = set.publish()?;
    if let Some(most) = settings.config.packages.cache_max_size {
        collect(&settings.network, most.0, &progress, printer);
    }
    if progress.talks() {
        tell(&summary, &out, start, printer);
    }
    // Whatever else is shown, nobody gets results without hearing this.
    for notice in &summary.notices {
        progress.notice(notice);
    }
    printer.result(out.join("repo.zip").display());
    if settings.request.v1 {
        printer.result(out.join(repository_v1::ZIP).display());
    }
    Ok(ExitStatus::Success)
}

/// Keeps the store of what was fetched within its limit. The results are there: whatever happens
/// now does not take them back.
fn collect(network: &Network, most: u64, progress: &Progress<'_>, printer: &Printer) {
    match network.leave(most) {
        Ok(Some(collected)) if collected.removed.count == 0 || !progress.talks() => {}
        Ok(Some(Collected { removed, kept, .. })) => printer.say(format_args!(
            "removed {} from the store, which has {} now (cache-max-size)",
            printer::bytes(removed.bytes),
            printer::bytes(kept.bytes)
        )),
        Ok(None) => progress.notice("the store was left as it is: another run uses it"),
        Err(failure) => {
            progress.notice(&format!("the store was left as it is: {}", failure.error));
        }
    }
}

/// The whole graph, and what anybody who uses its results must know.
fn graph(
    settings: &Settings,
    set: &ResultSet,
    lock: Option<Arc<Lock>>,
) -> Result<(Graph, Vec<String>), Failure> {
    let directory = set.directory();
    let work = set.work();
    let config = &settings.config;
    let mut graph = Graph::new();
    let mut notices = Vec::new();
    let mut blockers = Blockers::default();
    if settings.sample {
        notices.push(sample::NOTICE.to_owned());
        blockers.add("it is the sample: give --config");
    }
    if settings.request.keys.is_empty() {
        notices.push(THROWAWAY.to_owned());
        blockers.add("a throwaway key would sign: give --key");
    }
    if settings.request.fast || config.host.fast || config.trampoline.fast {
        notices.push(FAST.to_owned());
    }

    let brand = Brand::new(&directory, &work, settings.clock.seconds(), settings.request.offline)?;
    if let Some(notice) = &brand.notice {
        notices.push(notice.clone());
        if settings.has_brand() {
            blockers
                .add(format!("{notice}: give `brand = false` in [packages] and a package of it"));
        }
    }
    let given = Origins::open(config, lock.as_ref(), &settings.network)?;
    let mut origins = given.clone();
    if settings.has_brand() {
        origins.add(brand::PUBLISHER, &brand.repository);
    }
    graph.add(brand.job())?;

    let omicron = config.omicron.as_ref().map(Packages::read).transpose()?;
    let baseline = directory.join("baseline");
    let mut images = Vec::new();
    for which in [Which::Host, Which::Trampoline] {
        let set = directory.join(which.name());
        images.push((which, set.clone()));
        if let Some(finished) = &settings.image_config(which).image {
            graph.add(finished::job(which, finished, &set)?)?;
            if release::has_stand_ins(finished) {
                notices.push(stand_ins(which));
                blockers.add(stand_ins(which));
            }
            continue;
        }
        let places = Places { set, work: work.join(which.name()), store: work.join("contents") };
        for directory in [&places.set, &places.work] {
            std::fs::create_dir_all(directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        }
        let mut image = settings.image(which, &origins, &baseline, omicron.as_ref())?;
        image.lock = lock.as_ref().map(|lock| lock.digest());
        if !image.missing_roms().is_empty() {
            return Err(Failure::missing(format!(
                "the {} image has no ROM for {}",
                which.name(),
                image.missing_roms().join(" and ")
            ))
            .hint(format!(
                "give them in [{0}.roms], or set `stand-in-roms = true` in [{0}]",
                which.name()
            )));
        }
        if image.has_stand_ins() {
            notices.push(stand_ins(which));
            blockers.add(stand_ins(which));
        }
        // Only the host installs the brand that this run builds.
        let os_reads = match which {
            Which::Host if settings.has_brand() => vec![brand.marker()],
            _ => Vec::new(),
        };
        let trim_reads = match which {
            Which::Host => [baseline::ARCHIVE, baseline::GZONLY].map(|n| baseline.join(n)).to_vec(),
            Which::Trampoline => Vec::new(),
        };
        let origins = match which {
            Which::Host => origins.clone(),
            Which::Trampoline => given.clone(),
        };
        if which == Which::Host {
            graph.add(baseline_job(&places, &origins, &baseline, settings.clock.seconds()))?;
        }
        for job in image.jobs(&places, origins, os_reads, trim_reads)? {
            graph.add(job)?;
        }
    }
    let mut found = Vec::new();
    for list in &config.firmware {
        let (job, one) = firmware::job(list, &settings.network, &directory)?;
        graph.add(job)?;
        found.push(one);
    }
    if settings.request.v1 && found.is_empty() {
        notices.push(NO_FIRMWARE.to_owned());
        blockers.add(NO_FIRMWARE);
    }
    if settings.request.release {
        blockers.refuse()?;
    }
    let contents = repository::Contents {
        images,
        firmware: found,
        zones: settings.zones(omicron.as_ref())?,
        keys: settings.request.keys.clone(),
        roots: settings.request.roots.clone(),
        version: settings.version.clone(),
        expires: settings.request.expires.or(config.repository.expires).unwrap_or(config::EXPIRES),
        build_time: settings.clock.time,
    };
    if settings.request.v1 {
        for job in repository_v1::jobs(contents.clone(), settings.request.release, &directory) {
            graph.add(job)?;
        }
    }
    for job in repository::jobs(contents, &directory) {
        graph.add(job)?;
    }
    Ok((graph, notices))
}

fn stand_ins(which: Which) -> String {
    format!("ROMs of the {} image are stand-ins; they do not boot", which.name())
}

/// The baseline, sealed against exactly the state that the packages made.
fn baseline_job(places: &Places, origins: &Origins, out: &Path, build_time: i64) -> Job {
    let (at, origins, out) = (places.clone(), origins.clone(), out.to_owned());
    let made = [baseline::ARCHIVE, baseline::GZONLY].map(|name| out.join(name));
    let os = places.os();
    Job::new("baseline", move |job| {
        let proto = at.load(&at.os())?;
        let opened = origins.reopen()?;
        let origins: Vec<&dyn ips::Origin> = opened.iter().map(|origin| &**origin).collect();
        let report = baseline::generate(&baseline::Options {
            proto: &proto,
            origins: &origins,
            output: &out,
            packages: baseline::Selection::Installed,
            seed: &baseline::Seed::Nonglobal,
            strict: true,
            allow_missing: false,
            epoch: Some(build_time),
        })?;
        for warning in &report.warnings {
            job.log(format_args!("warning: {warning}"));
        }
        job.log(format_args!(
            "{} paths of {} packages, {} global-only paths, sealed {}",
            report.entries,
            report.packages.len(),
            report.gzonly_paths,
            report.seal
        ));
        Ok(())
    })
    .reads([os])
    .makes(made)
}

fn interrupted() -> Failure {
    Failure::new("interrupted; the previous results are untouched")
        .with_status(ExitStatus::Interrupted)
}

/// Turns a failed run into what its user should read.
fn explain(error: jobs::Error, settings: &Settings, set: &ResultSet) -> Failure {
    match error {
        jobs::Error::Stopped => interrupted(),
        jobs::Error::Failed { ref job, ref log, ref tail, .. } => {
            let installs = job.ends_with("/os") && settings.config.packages.install.is_empty();
            let log = Some((tail.clone(), set.keep_logs(log)));
            let lacks = lacks_packages(&error);
            let mut failure = Failure { log, ..Failure::new(error) };
            if lacks {
                failure = failure.with_status(ExitStatus::Missing);
                if settings.request.offline {
                    failure = failure.hint("run once without --offline: what is fetched is kept");
                }
            }
            if installs {
                failure = failure.hint(
                    "the templates' own list of packages is installed unless `install` in \
                     [packages] gives another",
                );
            }
            let previous = set.out().join("summary.json").is_file();
            if previous {
                failure
                    .hint(format!("the previous results in {} are untouched", set.out().display()))
            } else {
                failure
            }
        }
        jobs::Error::NoInput { .. } => Failure::missing(error),
        other => Failure::new(other),
    }
}

/// Whether something failed because packages or their payloads cannot be had.
fn lacks_packages(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(ips::Error::Missing(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Has the usual signals ask for a stop.
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), Failure> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(())
}

fn tell(summary: &Summary, out: &Path, start: Instant, printer: &Printer) {
    printer.good(
        "finished",
        format_args!(
            "{} in {}, {} files in {}",
            summary.system_version,
            printer::seconds(start.elapsed()),
            summary.files.len(),
            out.display()
        ),
    );
    for name in ["brand/omicron1-brand.p5p", "baseline/files.tar.gz", "host/os.tar.gz"]
        .into_iter()
        .chain(["trampoline/os.tar.gz", "repo.zip"])
    {
        if let Some(file) = summary.files.get(name) {
            printer.say(format_args!(
                "          {name:<26} {:>10}  {}",
                printer::bytes(file.size),
                &file.sha256[..16]
            ));
        }
    }
}
