//! What an installation will make of the global zone's trees, decided before anything is made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

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
    /// A regular file is copied.
    Copy { rule: Rule, metadata: Metadata, size: u64 },
    /// A regular file that is a hard link of one already copied.
    HardLink { rule: Rule, first: PathBuf },
}

impl Plan {
    /// Walks the trees of a system and decides.
    ///
    /// Links are not followed and file systems mounted inside the trees are not entered.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Special`] for what is neither file, directory nor link.
    pub fn make(system_root: &Path) -> Result<Plan, Error> {
        let root = Directory::open(system_root)?;
        let mut trees = Vec::new();
        let mut copied = HashMap::new();
        for name in TREES {
            let top = root.child(OsStr::new(name))?;
            let device = identity(&top.own_stat()?).0;
            let mut walk = Walk { device, directories: Vec::new(), copied: &mut copied };
            walk.enter(&top, PathBuf::from(name))?;
            trees.push(Tree { directories: walk.directories });
        }
        Ok(Plan { trees })
    }

    /// The number of paths, directories included.
    pub fn paths(&self) -> u64 {
        let directories = self.trees.iter().flat_map(|tree| &tree.directories);
        directories.map(|directory| 1 + directory.entries.len() as u64).sum()
    }
}

struct Walk<'c> {
    device: u64,
    directories: Vec<PlannedDirectory>,
    /// The first path of each copied file that has more than one, by device and inode. Only
    /// looked up, never listed.
    copied: &'c mut HashMap<(u64, u64), PathBuf>,
}

impl Walk<'_> {
    fn enter(&mut self, directory: &Directory, path: PathBuf) -> Result<usize, Error> {
        let stat = directory.own_stat()?;
        let index = self.directories.len();
        self.directories.push(PlannedDirectory {
            path: path.clone(),
            metadata: Metadata::of(&stat),
            entries: Vec::new(),
            children: Vec::new(),
        });
        if identity(&stat).0 != self.device {
            return Ok(index);
        }
        let mut entries = Vec::new();
        let mut children = Vec::new();
        for (name, told) in directory.entries()? {
            match self.decide(directory, &path, &name, told)? {
                Some(become_what) => entries.push(PlannedEntry { name, become_what }),
                None => children.push(self.enter(&directory.child(&name)?, path.join(&name))?),
            }
        }
        self.directories[index].entries = entries;
        self.directories[index].children = children;
        Ok(index)
    }

    /// The decision for a name; nothing for a directory. What becomes a link is not examined if
    /// the directory has told its type: most files do.
    fn decide(
        &mut self,
        directory: &Directory,
        parent: &Path,
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
        let path = parent.join(name);
        let rule = match kind {
            FileType::RegularFile => {
                let absolute = [b"/", path.as_os_str().as_bytes()].concat();
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
            (Some(rule), FileType::RegularFile) => Ok(Some(self.decide_copy(rule, &stat, path))),
            (None, FileType::Symlink) => {
                let metadata = Metadata::of(&stat);
                Ok(Some(Become::SameLink { text: directory.read_link(name)?, metadata }))
            }
            _ => Err(Error::Special { path: directory.join(name) }),
        }
    }

    #[allow(clippy::unnecessary_cast)]
    fn decide_copy(&mut self, rule: Rule, stat: &rustix::fs::Stat, path: PathBuf) -> Become {
        if stat.st_nlink as u64 > 1 {
            if let Some(first) = self.copied.get(&identity(stat)) {
                return Become::HardLink { rule, first: first.clone() };
            }
            self.copied.insert(identity(stat), path);
        }
        copy(rule, stat)
    }
}

#[allow(clippy::unnecessary_cast)]
fn copy(rule: Rule, stat: &rustix::fs::Stat) -> Become {
    Become::Copy { rule, metadata: Metadata::of(stat), size: stat.st_size as u64 }
}
