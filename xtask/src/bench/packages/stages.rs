//! What is measured of packages, each in a process of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use gzip::GzipReader;
use image_templates::{Context, Features, ImagePackages, Search};
use ips::{InstallOptions, Origin, Publication, Publisher, Repository, Timestamp, Variants};
use proto::{Proto, Store};
use rayon::prelude::*;
use serde_json::json;

use super::super::measure::Part;
use super::super::stage::{Done, TIME};
use super::generate::{ENTIRE, RepositoryPlan};
use crate::failure::Failure;

const PUBLISHER: &str = "bench";

/// The generated repository, below the directory of the measurements.
pub(super) const REPOSITORY: &str = "input/packages";

/// Places in the directory of the measurements.
struct Places<'a> {
    directory: &'a Path,
}

impl Places<'_> {
    fn input(&self, name: &str) -> PathBuf {
        self.directory.join("input").join(name)
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.directory.join("scratch").join(name)
    }

    fn repository(&self) -> Result<Repository, Failure> {
        Ok(Repository::open(self.directory.join(REPOSITORY))?)
    }

    /// What the packages make.
    fn proto(&self) -> Result<Proto, Failure> {
        let store = Store::create(self.input("packages-store"))?;
        Ok(Proto::load(&self.input("packages.mtree"), store)?)
    }
}

/// Runs one stage, if there is one of this name, and says what it did.
pub(crate) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    let at = Places { directory };
    if let Some(done) = super::fetching::run_stage(name, directory) {
        return Some(done);
    }
    Some(match name {
        "catalogue-load" => load(&at),
        "resolve-plan" => plan(&at),
        "install-packages" => install_resolved(&at),
        "resolve-and-install" => install(&at, &at.scratch("store")).map(|proto| done(&proto)),
        "inflate-write" => inflate(&at, stream),
        "inflate-write-whole" => inflate(&at, whole),
        "baseline-packages" => baseline(&at),
        "path-check" => check(&at),
        _ => return None,
    })
}

/// Generates and publishes packages, and installs them where that is asked for.
pub(super) fn prepare(
    directory: &Path,
    plan: RepositoryPlan,
    installed: bool,
) -> Result<(), Failure> {
    let at = Places { directory };
    let generated = plan.generate();
    let tree = at.input("tree");
    RepositoryPlan::write(&generated.files, &tree)?;
    let sources = at.input("manifests");
    fs::create_dir_all(&sources)?;
    let mut paths = Vec::new();
    for (number, text) in generated.manifests.iter().enumerate() {
        let path = sources.join(format!("{number:06}.p5m"));
        fs::write(&path, text)?;
        paths.push(path);
    }
    let mut repository = Repository::create(at.input("packages"), PUBLISHER)?;
    let publication =
        Publication { content: vec![tree.clone()], ..Publication::new(PUBLISHER, date()?) };
    ips::publish(&mut repository, &publication, &paths)?;
    fs::remove_dir_all(&sources)?;
    fs::remove_dir_all(&tree)?;
    if installed {
        let proto = install(&at, &at.input("packages-store"))?;
        proto.save(&at.input("packages.mtree"))?;
        write_template(&at, &proto)?;
    }
    Ok(())
}

/// Steps of the template that is checked, beside those that install packages.
const STEPS: usize = 400;

/// A template that installs everything and then removes files and sets modes, as those that make a
/// system small do.
fn write_template(at: &Places<'_>, proto: &Proto) -> Result<(), Failure> {
    let repository = at.input("packages");
    let mut steps = vec![json!({
        "t": "pkg_image_create",
        "publisher": PUBLISHER,
        "uri": format!("file://{}", repository.display()),
    })];
    steps.push(json!({ "t": "pkg_install", "pkgs": request() }));
    let files: Vec<String> = proto
        .manifest
        .iter()
        .filter(|(_, entry)| entry.content().is_some() && entry.package.is_some())
        .map(|(path, _)| format!("/{path}"))
        .collect();
    for (number, file) in files.iter().step_by((files.len() / STEPS).max(1)).enumerate() {
        steps.push(match number % 2 {
            0 => json!({ "t": "remove_files", "file": file }),
            _ => json!({
                "t": "ensure_perms", "path": file, "owner": "root", "group": "sys", "mode": "0444",
            }),
        });
    }
    let group = at.input("templates/bench");
    fs::create_dir_all(&group)?;
    fs::write(group.join("check.json"), serde_json::to_vec(&json!({ "steps": steps }))?)?;
    Ok(())
}

fn date() -> Result<Timestamp, Failure> {
    Timestamp::from_epoch(TIME).ok_or_else(|| Failure::new("the time of the measurements is none"))
}

fn load(at: &Places<'_>) -> Result<Done, Failure> {
    let repository = at.repository()?;
    let count = u64::try_from(repository.packages().len())?;
    let catalogue = at.input(&format!("packages/publisher/{PUBLISHER}/catalog/catalog.base.C"));
    Ok(Done::now(fs::metadata(catalogue)?.len(), count))
}

/// A new image of the publisher.
fn image(at: &Places<'_>, store: &Path) -> Result<Proto, Failure> {
    let mut proto = Proto::new(Store::create(store)?);
    ips::create_image(&mut proto, Variants::for_zone("global"), date()?)?;
    let uri = format!("file://{}", at.input("packages").display());
    ips::set_publisher(&mut proto, Publisher::new(PUBLISHER, uri), date()?)?;
    Ok(proto)
}

fn request() -> [String; 1] {
    [ENTIRE.to_owned()]
}

fn plan(at: &Places<'_>) -> Result<Done, Failure> {
    let repository = at.repository()?;
    let mut proto = image(at, &at.scratch("store"))?;
    let options = InstallOptions { date: date()? };
    let (part, report) =
        Part::of(|| Ok(ips::foresee(&mut proto, &request(), &[&repository], &options)?))?;
    Ok(Done { part: Some(part), ..Done::now(report.bytes, 0) })
}

fn install(at: &Places<'_>, store: &Path) -> Result<Proto, Failure> {
    let repository = at.repository()?;
    let mut proto = image(at, store)?;
    let options = InstallOptions { date: date()? };
    ips::install(&mut proto, &request(), &[&repository], &options)?;
    Ok(proto)
}

/// Installs packages that were chosen before; only that is measured, and the peak of memory is that
/// of everything.
fn install_resolved(at: &Places<'_>) -> Result<Done, Failure> {
    let repository = at.repository()?;
    let mut proto = image(at, &at.scratch("store"))?;
    let options = InstallOptions { date: date()? };
    let chosen = ips::solve(&ips::Image::read(&proto)?, &[&repository], &request())?;
    let (part, _) =
        Part::of(|| Ok(ips::install_chosen(&mut proto, chosen, &[&repository], &options)?))?;
    Ok(Done { part: Some(part), ..done(&proto) })
}

fn done(proto: &Proto) -> Done {
    let contents = proto.manifest.iter().filter_map(|(_, entry)| entry.content());
    let bytes = contents.map(|content| content.size).sum();
    Done::now(bytes, bytes)
}

/// Every stored payload, in the order of their names.
fn payloads(at: &Places<'_>) -> Result<Vec<PathBuf>, Failure> {
    let files = at.input(&format!("packages/publisher/{PUBLISHER}/file"));
    let mut found = Vec::new();
    for directory in fs::read_dir(&files)? {
        for file in fs::read_dir(directory?.path())? {
            found.push(file?.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Inflates all payloads and writes them, in as many directories as a store has, on all processors.
fn inflate(
    at: &Places<'_>,
    one: impl Fn(&Path, &Path) -> io::Result<u64> + Sync,
) -> Result<Done, Failure> {
    let out = at.scratch("inflated");
    let payloads = payloads(at)?;
    let target = |path: &Path| -> PathBuf {
        let group = path.parent().and_then(Path::file_name).unwrap_or_default();
        out.join(group).join(path.file_name().unwrap_or_default())
    };
    let directories: BTreeSet<PathBuf> =
        payloads.iter().filter_map(|path| Some(target(path).parent()?.to_owned())).collect();
    directories.iter().try_for_each(fs::create_dir_all)?;
    let sizes = payloads.into_par_iter().map(|path| one(&path, &target(&path)));
    let bytes = sizes.try_reduce(|| 0, |a, b| Ok(a + b))?;
    Ok(Done::now(bytes, bytes))
}

/// As programs usually do it: a piece at a time, of the size that the standard library takes.
fn stream(stored: &Path, out: &Path) -> io::Result<u64> {
    let mut reader = GzipReader::new(BufReader::new(File::open(stored)?));
    io::copy(&mut reader, &mut File::create(out)?)
}

/// As an installation does it: all at once. The size is the one that the member says.
fn whole(stored: &Path, out: &Path) -> io::Result<u64> {
    let stored = fs::read(stored)?;
    let size = stored.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    let mut contents = vec![0; size as usize];
    if !gzip::inflate_whole(&stored, &mut contents) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fs::write(out, &contents)?;
    Ok(u64::from(size))
}

fn baseline(at: &Places<'_>) -> Result<Done, Failure> {
    let (proto, repository) = (at.proto()?, at.repository()?);
    let report = baseline::generate(&baseline::Options {
        proto: &proto,
        origins: &[&repository],
        output: &at.scratch("baseline"),
        packages: baseline::Selection::Installed,
        seed: &baseline::Seed::Nonglobal,
        strict: true,
        allow_missing: false,
        epoch: Some(TIME),
    })?;
    Ok(Done::now(0, report.archive.size))
}

/// The template, with the packages resolved and foreseen.
fn check(at: &Places<'_>) -> Result<Done, Failure> {
    let repository = at.repository()?;
    let origins: [&dyn Origin; 1] = [&repository];
    let search = Search::new(at.input("templates"), "bench");
    let plan = image_templates::load(&search, "check", &Features::default())?;
    let mut packages = ImagePackages::foreseeing(&origins, date()?);
    let mut context = Context::new(at.scratch("output"));
    context.packages = Some(&mut packages);
    let mut proto = Proto::new(Store::create(at.scratch("store"))?);
    let found = image_templates::rehearse(&plan, &mut proto, &mut context)?;
    if let Some(first) = found.first() {
        return Err(Failure::new(format!("the check found {}", first.finding)));
    }
    Ok(Done::now(0, plan.steps.len() as u64))
}
