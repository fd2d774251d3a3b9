//! Makes a zone root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use oxide_archive::{ArchiveType, Metadata as ArchiveMetadata, Options, SetOwners};
use proto::Digest;
use rayon::ThreadPool;
use rustix::fs::FileType;

use crate::baseline::Baseline;
use crate::directory::{Directory, Metadata, Ownership, file_type};
use crate::operands::Layer;
use crate::plan::Plan;
use crate::remove::remove;
use crate::replicate::replicate;
use crate::report::{Clock, Phase, Report, Step};
use crate::stage::{ROOT, Stage, check_absent, leftovers};
use crate::{Defaults, Error, names, rules};

/// A zone root to make.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The zone's name.
    pub zone: &'a str,
    /// The zonepath, which must be there. The zone root becomes the directory `root` in it.
    pub zonepath: &'a Path,
    /// Zone images, in the order of unpacking.
    pub layers: &'a [Layer],
    /// The tree that plays `/`.
    pub system_root: &'a Path,
}

/// Makes a zone root, and tells `say` about each step.
///
/// Everything happens in a directory beside the zone root, which gets its final name when it is
/// complete. Whatever goes wrong, even the death of this process, there is either no zone root
/// or a complete one.
///
/// # Errors
///
/// Any of [`Error`]; [`Error::exit_of_install`] says how the hook then has to end. Except with
/// [`Error::LeftBehind`] nothing is left in the zonepath that was not there before.
pub fn install(what: &Installation<'_>, say: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let mut clock = Clock::start();
    say(&format!("installing zone {} @ {:?}...", what.zone, what.zonepath.display().to_string()));
    names::check_zone_name(what.zone)?;
    names::check_zonepath(what.zonepath)?;
    let zonepath = Directory::open(what.zonepath)?;
    check_absent(&zonepath)?;
    for layer in what.layers {
        names::check_layer(&layer.path)?;
    }

    // everything that can be found wrong is, before the long part
    let settings = Defaults::read(what.system_root)?;
    let baseline = Baseline::find(what.system_root)?;
    let global_only = baseline.read()?;
    for layer in what.layers {
        check_type(&layer.path, ArchiveType::Layer)?;
    }
    raise_open_files();
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(settings.copy_threads).build().map_err(
            |error| Error::Threads { count: settings.copy_threads, message: error.to_string() },
        )?;
    let plan = threads.install(|| Plan::make(what.system_root))?;
    let planned = Phase {
        name: Step::Plan,
        subject: None,
        milliseconds: clock.phase(),
        paths: plan.paths(),
        bytes: 0,
        replicated: None,
    };
    say(&format!("planned {} paths, {} msec", planned.paths, planned.milliseconds));

    for name in leftovers(&zonepath)? {
        say(&format!("removing {} of an earlier run...", name.display()));
        remove(&zonepath, &name)?;
    }
    let ownership = Ownership::of_process();
    if ownership == Ownership::Skipped {
        say("not running as root: owners are not set");
    }
    let stage = Stage::make(&zonepath)?;
    let mut steps = Steps {
        what,
        batch: settings.copy_batch,
        threads,
        baseline,
        global_only,
        plan,
        ownership,
        stage: &stage,
        clock,
        phases: vec![planned],
    };
    let made = steps.run(say).and_then(|()| stage.finish(ownership));
    if let Err(cause) = made {
        return Err(match stage.abandon() {
            Ok(()) => cause,
            Err(left) => Error::LeftBehind {
                path: stage.path(),
                left: Box::new(left),
                cause: Box::new(cause),
            },
        });
    }
    steps.phase(Step::Finish, None, 0, 0);
    let milliseconds = steps.clock.whole();
    say(&format!("install complete, {milliseconds} msec"));
    Ok(Report {
        zone: what.zone.into(),
        root: what.zonepath.join(ROOT).display().to_string(),
        owners_set: ownership == Ownership::Kept,
        phases: steps.phases,
        milliseconds,
    })
}

/// Reads what an archive says about itself, and checks that it is of this type.
pub(crate) fn check_type(path: &Path, expected: ArchiveType) -> Result<ArchiveMetadata, Error> {
    let metadata = oxide_archive::read_metadata(path)?;
    let found = metadata.archive_type;
    if found != expected {
        return Err(oxide_archive::Error::Type { path: path.into(), expected, found }.into());
    }
    Ok(metadata)
}

/// A deep tree and many threads need more open directories than the 256 files that a process on
/// illumos may have by default. If this fails, so will an `open`, with a message of its own.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

struct Steps<'a> {
    what: &'a Installation<'a>,
    batch: usize,
    threads: ThreadPool,
    baseline: Baseline,
    global_only: Vec<PathBuf>,
    plan: Plan,
    ownership: Ownership,
    stage: &'a Stage<'a>,
    clock: Clock,
    phases: Vec<Phase>,
}

impl Steps<'_> {
    fn run(&mut self, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let system = Directory::open(self.what.system_root)?;
        for (index, name) in rules::TREES.iter().enumerate() {
            say(&format!("replicating /{name} tree..."));
            let (tree, root) = (&self.plan.trees[index], &self.stage.root);
            let (batch, ownership) = (self.batch, self.ownership);
            let made = self.threads.install(|| replicate(tree, &system, root, batch, ownership))?;
            let paths = made.directories + made.files();
            let phase = self.phase(Step::Replicate, Some(format!("/{name}")), paths, made.bytes);
            phase.replicated = Some(made);
            say(&format!("replicated /{name}: {made}, {} msec", phase.milliseconds));
        }
        say("pruning SMF manifests...");
        self.prune_manifests()?;
        say("pruning global-only files...");
        let mut pruned = 0;
        for path in &self.global_only {
            pruned += u64::from(self.prune(path)?);
        }
        let phase = self.phase(Step::Prune, None, pruned, 0);
        say(&format!("pruned {pruned} files, {} msec", phase.milliseconds));
        say("unpacking baseline archive...");
        let baseline = self.baseline.archive.clone();
        self.unpack(&baseline, None, ArchiveType::Baseline, say)?;
        for layer in self.what.layers {
            let Layer { path, sha256 } = layer;
            say(&format!("unpacking image {:?}...", path.display().to_string()));
            self.unpack(path, *sha256, ArchiveType::Layer, say)?;
        }
        say("copying /etc/default/init...");
        let bytes = self.copy_init(&system)?;
        self.phase(Step::Init, None, 1, bytes);
        Ok(())
    }

    /// Notes a phase that is over.
    fn phase(&mut self, name: Step, subject: Option<String>, paths: u64, bytes: u64) -> &mut Phase {
        let milliseconds = self.clock.phase();
        let phase = Phase { name, subject, milliseconds, paths, bytes, replicated: None };
        self.phases.push(phase);
        let last = self.phases.len() - 1;
        &mut self.phases[last]
    }

    /// The baseline brings the zone's own manifests.
    fn prune_manifests(&self) -> Result<(), Error> {
        match self.find(Path::new("lib/svc"))? {
            Some(directory) => {
                directory.keeping_time(|directory| remove(directory, OsStr::new("manifest")))
            }
            None => Ok(()),
        }
    }

    /// Removes a file or link; whether it was there.
    fn prune(&self, path: &Path) -> Result<bool, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(false);
        };
        let Some(directory) = self.find(parent)? else { return Ok(false) };
        match directory.stat(name)? {
            Some(_) => {
                directory.keeping_time(|directory| directory.remove_file(name)).map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// A directory of the zone root; nothing if it is not there. A link in its place is an error,
    /// since what it leads to is not what was meant.
    fn find(&self, path: &Path) -> Result<Option<Directory>, Error> {
        let mut current = self.stage.root.descend(Path::new(""))?;
        for name in path {
            match current.stat(name)? {
                None => return Ok(None),
                Some(stat) if file_type(&stat) == FileType::Symlink => {
                    return Err(Error::io("enter", current.join(name))(std::io::Error::other(
                        "it is a symbolic link",
                    )));
                }
                Some(stat) if file_type(&stat) != FileType::Directory => return Ok(None),
                Some(_) => current = current.child(name)?,
            }
        }
        Ok(Some(current))
    }

    fn unpack(
        &mut self,
        archive: &Path,
        pinned: Option<Digest>,
        archive_type: ArchiveType,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let mut options = Options::for_type(archive_type);
        options.pinned = pinned;
        options.set_owners = match self.ownership {
            Ownership::Kept => SetOwners::Always,
            Ownership::Skipped => SetOwners::Never,
        };
        let unpacked = oxide_archive::unpack(archive, self.stage.path(), &options)?;
        let name = match archive_type {
            ArchiveType::Baseline => Step::Baseline,
            _ => Step::Layer,
        };
        let (members, bytes) = (unpacked.members, unpacked.bytes);
        let phase = self.phase(name, Some(archive.display().to_string()), members, bytes);
        let milliseconds = phase.milliseconds;
        say(&format!("unpacked {members} members, {bytes} bytes, {milliseconds} msec"));
        Ok(())
    }

    /// The zone gets the time zone and locale of the global zone. Returns the size of the file.
    fn copy_init(&self, system: &Directory) -> Result<u64, Error> {
        let (place, name) = (Path::new("etc/default"), OsStr::new("init"));
        let source = system.descend(place)?;
        let from = source.read_file(name)?;
        let stat = rustix::fs::fstat(&from).map_err(Error::io("examine", source.join(name)))?;
        if file_type(&stat) != FileType::RegularFile {
            return Err(Error::Special { path: source.join(name) });
        }
        self.stage.root.descend(place)?.keeping_time(|target| {
            if target.stat(name)?.is_some() {
                target.remove_file(name)?;
            }
            let mut to = target.make_file(name)?;
            let copied = std::io::copy(&mut &from, &mut to)
                .map_err(Error::io("copy to", target.join(name)))?;
            Metadata::of(&stat)
                .apply(&to, self.ownership)
                .map_err(Error::io("set owner, mode or time of", target.join(name)))?;
            Ok(copied)
        })
    }
}
