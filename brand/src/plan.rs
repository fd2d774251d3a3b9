//! What an installation will make of the global zone's trees, decided before anything is made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::FileType;

use crate::Error;
use crate::directory::{Directory, Metadata, file_type, identity};
use crate::rules::{self, Decision, Rule, TREES};

/// What will be made of the replicated trees.
#[derive(Debug)]
pub struct Plan {
    /// One for each of [`TREES`], in that order.
    pub(crate) trees: Vec<Tree>,
}

/// One replicated tree.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Its directories; the first is the tree itself, and parents precede their children.
    pub(crate) directories: Vec<PlannedDirectory>,
}

/// One directory and what is in it.
#[derive(Debug)]
pub(crate) struct PlannedDirectory {
    /// Its path in the global zone without the first slash, as `usr/lib`.
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    /// What is in it, directories apart, sorted by name.
    pub(crate) entries: Vec<PlannedEntry>,
    /// Indexes of the directories in it, sorted by name.
    pub(crate) children: Vec<usize>,
}

impl PlannedDirectory {
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

#[derive(Debug)]
pub(crate) struct PlannedEntry {
    pub(crate) name: OsString,
    pub(crate) become_what: Become,
}

/// What becomes of something that is no directory.
#[derive(Debug)]
pub(crate) enum Become {
    /// A symbolic link stays as it is.
    SameLink { text: OsString, metadata: Metadata },
    /// A regular file becomes a link by way of `/system`.
    Link { rule: Rule },
    /// A regular file is copied. If it has more names than this, `shared` tells them apart from
    /// those of others.
    Copy { rule: Rule, metadata: Metadata, size: u64, shared: Option<(u64, u64)> },
    /// A regular file that is a hard link of one already copied.
    HardLink { rule: Rule, first: PathBuf },
}

impl Plan {
    /// Walks the trees of a system, on the threads of the current pool, and decides.
    ///
    /// Links are not followed and file systems mounted inside the trees are not entered.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Special`] for what is neither file, directory nor link. Of several
    /// the first by path.
    pub fn make(system_root: &Path) -> Result<Plan, Error> {
        let root = Directory::open(system_root)?;
        let walk = |name: &&str| {
            let top = root.child(OsStr::new(name))?;
            let device = identity(&top.own_stat()?).0;
            let mut directories = Vec::new();
            enter(&top, PathBuf::from(name), device)?.put(&mut directories);
            Ok(Tree { directories })
        };
        let mut plan = Plan { trees: in_order(TREES.par_iter().map(walk))? };
        plan.find_hard_links();
        Ok(plan)
    }

    /// The number of paths, directories included.
    pub fn paths(&self) -> u64 {
        let directories = self.trees.iter().flat_map(|tree| &tree.directories);
        directories.map(|directory| 1 + directory.entries.len() as u64).sum()
    }

    /// Of copied files that are one file, all but the first become links to that.
    fn find_hard_links(&mut self) {
        // only looked up, never listed
        let mut copied: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for directory in self.trees.iter_mut().flat_map(|tree| &mut tree.directories) {
            for entry in &mut directory.entries {
                if let Become::Copy { rule, shared: Some(identity), .. } = entry.become_what {
                    match copied.get(&identity) {
                        Some(first) => {
                            entry.become_what = Become::HardLink { rule, first: first.clone() };
                        }
                        None => {
                            copied.insert(identity, directory.path.join(&entry.name));
                        }
                    }
                }
            }
        }
    }
}

/// All results, or the first error by order and not by time.
fn in_order<T: Send>(
    results: impl IndexedParallelIterator<Item = Result<T, Error>>,
) -> Result<Vec<T>, Error> {
    results.collect::<Vec<_>>().into_iter().collect()
}

/// A directory and those below it, as they were found.
struct Found {
    directory: PlannedDirectory,
    below: Vec<Found>,
}

impl Found {
    /// Puts all into one list and returns the index of the first.
    fn put(self, directories: &mut Vec<PlannedDirectory>) -> usize {
        let index = directories.len();
        directories.push(self.directory);
        let children = self.below.into_iter().map(|found| found.put(directories)).collect();
        directories[index].children = children;
        index
    }
}

/// Walks a directory; one of another file system than `device` is not entered.
fn enter(directory: &Directory, path: PathBuf, device: u64) -> Result<Found, Error> {
    let stat = directory.own_stat()?;
    let (mut entries, mut names) = (Vec::new(), Vec::new());
    if identity(&stat).0 == device {
        for (name, told) in directory.entries()? {
            match decide(directory, path.as_os_str().as_bytes(), &name, told)? {
                Some(become_what) => entries.push(PlannedEntry { name, become_what }),
                None => names.push(name),
            }
        }
    }
    let below =
        names.par_iter().map(|name| enter(&directory.child(name)?, path.join(name), device));
    let below = in_order(below)?;
    let metadata = Metadata::of(&stat);
    let directory = PlannedDirectory { path, metadata, entries, children: Vec::new() };
    Ok(Found { directory, below })
}

/// The decision for a name; nothing for a directory. What becomes a link is not examined if the
/// directory has told its type: most files do.
fn decide(
    directory: &Directory,
    parent: &[u8],
    name: &OsStr,
    told: Option<FileType>,
) -> Result<Option<Become>, Error> {
    let examine = || {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        let vanished = || Error::io("examine", directory.join(name))(gone);
        directory.stat(name)?.ok_or_else(vanished)
    };
    let mut stat = None;
    let kind = match told {
        Some(kind) => kind,
        None => file_type(stat.insert(examine()?)),
    };
    if kind == FileType::Directory {
        return Ok(None);
    }
    let rule = match kind {
        FileType::RegularFile => {
            let absolute = [b"/", parent, b"/", name.as_bytes()].concat();
            Some(rules::decide(rules::DEPLOYED, &absolute))
        }
        FileType::Symlink => None,
        _ => return Err(Error::Special { path: directory.join(name) }),
    };
    if let Some(rule) = rule
        && rule.decision == Decision::Link
    {
        return Ok(Some(Become::Link { rule }));
    }
    let stat = match stat {
        Some(stat) => stat,
        None => examine()?,
    };
    // it may have become something else since
    match (rule, file_type(&stat)) {
        (Some(rule), FileType::RegularFile) => Ok(Some(copy(rule, &stat))),
        (None, FileType::Symlink) => {
            let metadata = Metadata::of(&stat);
            Ok(Some(Become::SameLink { text: directory.read_link(name)?, metadata }))
        }
        _ => Err(Error::Special { path: directory.join(name) }),
    }
}

#[allow(clippy::unnecessary_cast)]
fn copy(rule: Rule, stat: &rustix::fs::Stat) -> Become {
    Become::Copy {
        rule,
        metadata: Metadata::of(stat),
        size: stat.st_size as u64,
        shared: (stat.st_nlink as u64 > 1).then(|| identity(stat)),
    }
}
