//! What an installation will make of the global zone's trees, decided before anything is made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
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

    /// The plan as text, one line for each path, sorted: the decision, the path, and after tabs
    /// (shown here as spaces) what there is to say about it. Bytes that do not print are escaped.
    ///
    /// ```text
    /// make /usr   mode 0755, owner 0:3
    /// same /usr/adm   ../var/adm
    /// link /usr/bin/ls   ../../system/usr/bin/ls   by **usr/bin**
    /// copy /usr/lib/x.d   mode 0644, owner 0:2, 12 bytes   by **
    /// hard /usr/lib/y.d   /usr/lib/x.d   by **
    /// ```
    pub fn to_text(&self) -> String {
        let mut lines: Vec<(PathBuf, &str, String)> = Vec::new();
        for directory in self.trees.iter().flat_map(|tree| &tree.directories) {
            lines.push((directory.path.clone(), "make", told(&directory.metadata)));
            for entry in &directory.entries {
                let path = directory.path.join(&entry.name);
                let (word, detail) = match &entry.become_what {
                    Become::SameLink { text, .. } => ("same", shown(text)),
                    Become::Link { rule } => {
                        let text = shown(rules::link_text(&path).as_os_str());
                        ("link", format!("{text}\tby {}", rule.pattern))
                    }
                    Become::Copy { rule, metadata, size } => {
                        let metadata = told(metadata);
                        ("copy", format!("{metadata}, {size} bytes\tby {}", rule.pattern))
                    }
                    Become::HardLink { rule, first } => {
                        ("hard", format!("/{}\tby {}", shown(first.as_os_str()), rule.pattern))
                    }
                };
                lines.push((path, word, detail));
            }
        }
        lines.sort();
        let mut text = String::new();
        for (path, word, detail) in lines {
            let _ = writeln!(text, "{word} /{}\t{detail}", shown(path.as_os_str()));
        }
        text
    }
}

fn told(metadata: &Metadata) -> String {
    format!("mode {:04o}, owner {}:{}", metadata.mode, metadata.uid, metadata.gid)
}

fn shown(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().to_string()
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
        for name in directory.names()? {
            if let Some(entry) = self.decide(directory, &path, name.clone())? {
                entries.push(entry);
            } else {
                children.push(self.enter(&directory.child(&name)?, path.join(&name))?);
            }
        }
        self.directories[index].entries = entries;
        self.directories[index].children = children;
        Ok(index)
    }

    /// The decision for a name; nothing for a directory.
    fn decide(
        &mut self,
        directory: &Directory,
        parent: &Path,
        name: OsString,
    ) -> Result<Option<PlannedEntry>, Error> {
        let vanished = || {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            Error::io("examine", directory.join(&name))(gone)
        };
        let stat = directory.stat(&name)?.ok_or_else(vanished)?;
        let metadata = Metadata::of(&stat);
        let become_what = match file_type(&stat) {
            FileType::Directory => return Ok(None),
            FileType::Symlink => Become::SameLink { text: directory.read_link(&name)?, metadata },
            FileType::RegularFile => self.decide_file(&stat, parent.join(&name)),
            _ => return Err(Error::Special { path: directory.join(&name) }),
        };
        Ok(Some(PlannedEntry { name, become_what }))
    }

    #[allow(clippy::unnecessary_cast)]
    fn decide_file(&mut self, stat: &rustix::fs::Stat, path: PathBuf) -> Become {
        let absolute = [b"/", path.as_os_str().as_bytes()].concat();
        let rule = rules::decide(rules::DEPLOYED, &absolute);
        match rule.decision {
            Decision::Link => Become::Link { rule },
            Decision::Copy if stat.st_nlink as u64 > 1 => match self.copied.get(&identity(stat)) {
                Some(first) => Become::HardLink { rule, first: first.clone() },
                None => {
                    self.copied.insert(identity(stat), path);
                    copy(rule, stat)
                }
            },
            Decision::Copy => copy(rule, stat),
        }
    }
}

#[allow(clippy::unnecessary_cast)]
fn copy(rule: Rule, stat: &rustix::fs::Stat) -> Become {
    Become::Copy { rule, metadata: Metadata::of(stat), size: stat.st_size as u64 }
}
