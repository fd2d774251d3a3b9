//! The job graph of a run, and what anybody who uses its results must know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ips::Lock;
use jobs::{Graph, Job};

use super::brand::{self, Brand};
use super::image::{Places, Which};
use super::overlay::Packages;
use super::packages::{self, Origins};
use super::release::Blockers;
use super::result_set::ResultSet;
use super::settings::Settings;
use super::{config, finished, firmware, repository, repository_v1, roms, sample};
use crate::failure::Failure;

/// What a repository signed by nobody in particular must say.
const THROWAWAY: &str = "the repository is signed by a THROWAWAY key that is gone now; give --key \
                         for one that anybody can trust";

/// What a repository of the older format is without `[[firmware]]`.
const NO_FIRMWARE: &str = "repo-v1.zip has no firmware, which racks want in it; the config has no \
                           [[firmware]]";

/// What is said of images that are larger than they need be.
const FAST: &str = "images are compressed with the least time (`fast`); they are for development";

/// Adds the jobs of everything that a run makes. The notices are for whoever uses its results.
pub(super) fn graph(
    settings: &Settings,
    set: &ResultSet,
    lock: Option<Arc<Lock>>,
) -> Result<(Graph, Vec<String>), Failure> {
    let mut draft = Draft {
        settings,
        directory: set.directory(),
        work: set.work(),
        graph: Graph::new(),
        notices: Vec::new(),
        blockers: Blockers::default(),
    };
    draft.note_settings();
    let omicron = settings.config.omicron.as_ref().map(Packages::read).transpose()?;
    let images = draft.images(lock, omicron.as_ref())?;
    let firmware = draft.firmware()?;
    if settings.request.release {
        draft.blockers.refuse()?;
    }
    let contents = repository::Contents {
        images,
        firmware,
        zones: settings.zones(omicron.as_ref())?,
        keys: settings.request.keys.clone(),
        roots: settings.request.roots.clone(),
        version: settings.version.clone(),
        expires: settings
            .request
            .expires
            .or(settings.config.repository.expires)
            .unwrap_or(config::EXPIRES),
        build_time: settings.clock.time,
    };
    let Draft { mut graph, directory, notices, .. } = draft;
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

/// A graph to which jobs are still added.
struct Draft<'a> {
    settings: &'a Settings,
    /// Where results lie until they are published.
    directory: PathBuf,
    work: PathBuf,
    graph: Graph,
    notices: Vec<String>,
    blockers: Blockers,
}

impl Draft<'_> {
    /// What is to be said of a run whatever its jobs are.
    fn note_settings(&mut self) {
        let Settings { request, config, .. } = self.settings;
        if self.settings.sample {
            self.notices.push(sample::NOTICE.to_owned());
            self.blockers.add("it is the sample: give --config");
        }
        if request.keys.is_empty() {
            self.notices.push(THROWAWAY.to_owned());
            self.blockers.add("a throwaway key would sign: give --key");
        }
        if request.fast || config.host.fast || config.trampoline.fast {
            self.notices.push(FAST.to_owned());
        }
    }

    /// The jobs of the brand and of both images; the output folders of these.
    fn images(
        &mut self,
        lock: Option<Arc<Lock>>,
        omicron: Option<&Packages>,
    ) -> Result<Vec<(Which, PathBuf)>, Failure> {
        let brand = self.brand()?;
        let given = Origins::open(&self.settings.config, lock.as_ref(), &self.settings.network)?;
        let mut with_brand = given.clone();
        if self.settings.has_brand() {
            with_brand.add(brand::PUBLISHER, &brand.repository);
        }
        let digest = lock.map(|lock| lock.digest());
        let mut images = Vec::new();
        for which in Which::ALL {
            let set = self.directory.join(which.name());
            images.push((which, set.clone()));
            if let Some(finished) = &self.settings.image_config(which).image {
                self.graph.add(finished::job(which, finished, &set)?)?;
                if roms::has_stand_ins(finished) {
                    self.note_stand_ins(which);
                }
                continue;
            }
            // Only the host installs the brand that this run builds.
            let (origins, brand) = match which {
                Which::Host => (&with_brand, self.settings.has_brand().then(|| brand.marker())),
                Which::Trampoline => (&given, None),
            };
            self.image(which, set, origins, brand, omicron, digest)?;
        }
        Ok(images)
    }

    fn brand(&mut self) -> Result<Brand, Failure> {
        let Settings { clock, request, .. } = self.settings;
        let brand = Brand::new(&self.directory, &self.work, clock.seconds(), request.offline)?;
        if let Some(notice) = &brand.notice {
            self.notices.push(notice.clone());
            if self.settings.has_brand() {
                self.blockers.add(format!(
                    "{notice}: give `brand = false` in [packages] and a package of it"
                ));
            }
        }
        self.graph.add(brand.job())?;
        Ok(brand)
    }

    /// The jobs of one image, whose packages come from `origins` once the file `brand` is there.
    fn image(
        &mut self,
        which: Which,
        set: PathBuf,
        origins: &Origins,
        brand: Option<PathBuf>,
        omicron: Option<&Packages>,
        lock: Option<proto::Digest>,
    ) -> Result<(), Failure> {
        let work = self.work.join(which.name());
        let places = Places { set, work, store: self.work.join("contents") };
        for directory in [&places.set, &places.work] {
            std::fs::create_dir_all(directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        }
        let baseline = self.directory.join("baseline");
        let mut image = self.settings.image(which, origins, &baseline, omicron)?;
        image.lock = lock;
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
            self.note_stand_ins(which);
        }
        let trim_reads = match which {
            Which::Host => [baseline::ARCHIVE, baseline::GZONLY].map(|n| baseline.join(n)).to_vec(),
            Which::Trampoline => Vec::new(),
        };
        if which == Which::Host {
            let build_time = self.settings.clock.seconds();
            self.graph.add(baseline_job(&places, origins, &baseline, build_time))?;
        }
        for job in image.jobs(&places, origins.clone(), brand, trim_reads)? {
            self.graph.add(job)?;
        }
        Ok(())
    }

    fn note_stand_ins(&mut self, which: Which) {
        let notice = format!("ROMs of the {} image are stand-ins; they do not boot", which.name());
        self.notices.push(notice.clone());
        self.blockers.add(notice);
    }

    /// The jobs of firmware, and what they find.
    fn firmware(&mut self) -> Result<Vec<firmware::Found>, Failure> {
        let mut found = Vec::new();
        for list in &self.settings.config.firmware {
            let (job, one) = firmware::job(list, &self.settings.network, &self.directory)?;
            self.graph.add(job)?;
            found.push(one);
        }
        if self.settings.request.v1 && found.is_empty() {
            self.notices.push(NO_FIRMWARE.to_owned());
            self.blockers.add(NO_FIRMWARE);
        }
        Ok(found)
    }
}

/// The baseline, sealed against exactly the state that the packages made.
fn baseline_job(places: &Places, origins: &Origins, out: &Path, build_time: i64) -> Job {
    let (at, origins, out) = (places.clone(), origins.clone(), out.to_owned());
    let made = [baseline::ARCHIVE, baseline::GZONLY].map(|name| out.join(name));
    let os = places.os();
    Job::new("baseline", move |job| {
        let proto = at.load(&at.os())?;
        let opened = origins.reopen()?;
        let report = baseline::generate(&baseline::Options {
            proto: &proto,
            origins: &packages::borrowed(&opened),
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
