//! Makes a zone root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use oxide_archive::{ArchiveType, Options, SetOwners};
use rustix::fs::FileType;

use crate::baseline::{Baseline, read_global_only};
use crate::directory::{Directory, Metadata, Ownership, file_type};
use crate::plan::Plan;
use crate::remove::remove;
use crate::replicate::{Totals, replicate};
use crate::stage::{Stage, check_absent, leftovers};
use crate::{Defaults, Error, names, rules};

/// A zone root to make.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The zone's name.
    pub zone: &'a str,
    /// The zonepath, which must be there. The zone root becomes the directory `root` in it.
    pub zonepath: &'a Path,
    /// Zone images, in the order of unpacking.
    pub layers: &'a [PathBuf],
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
pub fn install(what: &Installation<'_>, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    say(&format!("installing zone {} @ {:?}...", what.zone, what.zonepath.display().to_string()));
    names::check_zone_name(what.zone)?;
    names::check_zonepath(what.zonepath)?;
    let zonepath = Directory::open(what.zonepath)?;
    check_absent(&zonepath)?;
    for layer in what.layers {
        names::check_layer(layer)?;
    }

    // everything that can be found wrong is, before the long part
    let settings = Defaults::read(what.system_root)?;
    let baseline = Baseline::find(what.system_root)?;
    let global_only = read_global_only(&baseline.global_only)?;
    check_type(&baseline.archive, ArchiveType::Baseline)?;
    for layer in what.layers {
        check_type(layer, ArchiveType::Layer)?;
    }
    let plan = Plan::make(what.system_root)?;

    for name in leftovers(&zonepath)? {
        say(&format!("removing {} of an earlier run...", name.display()));
        remove(&zonepath, &name)?;
    }
    let ownership = Ownership::of_process();
    if ownership == Ownership::Skipped {
        say("not running as root: owners are not set");
    }
    raise_open_files();
    let stage = Stage::make(&zonepath)?;
    let steps = Steps { what, settings, baseline, global_only, plan, ownership, stage: &stage };
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
    say("install complete");
    Ok(())
}

fn check_type(path: &Path, expected: ArchiveType) -> Result<(), Error> {
    let found = oxide_archive::read_metadata(path)?.archive_type;
    if found != expected {
        return Err(oxide_archive::Error::Type { path: path.into(), expected, found }.into());
    }
    Ok(())
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
    settings: Defaults,
    baseline: Baseline,
    global_only: Vec<PathBuf>,
    plan: Plan,
    ownership: Ownership,
    stage: &'a Stage<'a>,
}

impl Steps<'_> {
    fn run(&self, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let system = Directory::open(self.what.system_root)?;
        for (name, tree) in rules::TREES.iter().zip(&self.plan.trees) {
            say(&format!("replicating /{name} tree..."));
            let start = Instant::now();
            let Totals { directories, links, copies, hard_links, bytes } =
                replicate(tree, &system, &self.stage.root, self.settings, self.ownership)?;
            let files = links + copies + hard_links;
            let msec = start.elapsed().as_millis();
            say(&format!(
                "replicated /{name}: {files} files ({links} links), {directories} directories, \
                 {bytes} bytes, {msec} msec"
            ));
        }
        say("pruning SMF manifests...");
        self.prune_manifests()?;
        say("pruning global-only files...");
        for path in &self.global_only {
            self.prune(path)?;
        }
        say("unpacking baseline archive...");
        self.unpack(&self.baseline.archive, ArchiveType::Baseline, say)?;
        for layer in self.what.layers {
            say(&format!("unpacking image {:?}...", layer.display().to_string()));
            self.unpack(layer, ArchiveType::Layer, say)?;
        }
        say("copying /etc/default/init...");
        self.copy_init(&system)
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

    fn prune(&self, path: &Path) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let Some(directory) = self.find(parent)? else { return Ok(()) };
        match directory.stat(name)? {
            Some(_) => directory.keeping_time(|directory| directory.remove_file(name)),
            None => Ok(()),
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
        &self,
        archive: &Path,
        archive_type: ArchiveType,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let start = Instant::now();
        let mut options = Options::for_type(archive_type);
        options.set_owners = match self.ownership {
            Ownership::Kept => SetOwners::Always,
            Ownership::Skipped => SetOwners::Never,
        };
        let unpacked = oxide_archive::unpack(archive, self.stage.path(), &options)?;
        say(&format!(
            "unpacked {} members, {} bytes, {} msec",
            unpacked.members,
            unpacked.bytes,
            start.elapsed().as_millis()
        ));
        Ok(())
    }

    /// The zone gets the time zone and locale of the global zone.
    fn copy_init(&self, system: &Directory) -> Result<(), Error> {
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
            std::io::copy(&mut &from, &mut to).map_err(Error::io("copy to", target.join(name)))?;
            Metadata::of(&stat)
                .apply(&to, self.ownership)
                .map_err(Error::io("set owner, mode or time of", target.join(name)))
        })
    }
}
