//! Carries out the plan for one tree, on several threads.
//!
//! To *enter* a directory is to open it on both sides below the open handles of its parent and to
//! make the directories in it; the rest is cut into *batches*, which make links and copies below
//! those handles. Whoever finishes the last batch gives the directory its owner, mode and time.
//!
//! A thread does first what it found last, and takes from another what that found first. So
//! threads tend to be in different directories, and do not wait for each other to add a name to
//! the same one; and the number of open directories is bounded by depth and threads, not by the
//! size of the tree.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::Scope;

use crate::copy::copy;
use crate::directory::{Directory, Ownership};
use crate::plan::{Become, PlannedDirectory, PlannedEntry, Tree};
use crate::report::Replicated;
use crate::{Error, rules};

/// Makes a tree below `target`, which must not have it yet, on the threads of the current pool;
/// each takes `batch` entries of a directory at a time.
pub(crate) fn replicate(
    tree: &Tree,
    source: &Directory,
    target: &Directory,
    batch: usize,
    ownership: Ownership,
) -> Result<Replicated, Error> {
    let Some(top) = tree.directories.first() else { return Ok(Replicated::default()) };
    target.make(top.name())?;
    let work = Work {
        tree,
        batch: batch.max(1),
        ownership,
        bytes: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        failed: Mutex::new(None),
    };
    let parent =
        Pair { source: source.descend(Path::new(""))?, target: target.descend(Path::new(""))? };
    rayon::scope(|scope| work.enter(scope, top, &parent));
    let bytes = work.bytes.into_inner();
    if let Some((_, error)) = work.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    make_hard_links(tree, target, ownership)?;
    Ok(Replicated { bytes, ..count(tree) })
}

fn count(tree: &Tree) -> Replicated {
    let mut totals =
        Replicated { directories: tree.directories.len() as u64, ..Replicated::default() };
    for entry in tree.directories.iter().flat_map(|directory| &directory.entries) {
        match entry.become_what {
            Become::SameLink { .. } | Become::Link { .. } => totals.links += 1,
            Become::Copy { .. } => totals.copies += 1,
            Become::HardLink { .. } => totals.hard_links += 1,
        }
    }
    totals
}

/// The same directory in the global zone and in the zone root.
struct Pair {
    source: Directory,
    target: Directory,
}

struct Opened<'p> {
    plan: &'p PlannedDirectory,
    pair: Pair,
    /// Batches that are not done.
    remaining: AtomicUsize,
}

struct Work<'p> {
    tree: &'p Tree,
    batch: usize,
    ownership: Ownership,
    bytes: AtomicU64,
    /// Something has failed: what has not begun is left alone.
    stopped: AtomicBool,
    /// The failure with the first path, so that the message does not depend on threads more than
    /// it must.
    failed: Mutex<Option<(PathBuf, Error)>>,
}

impl<'p> Work<'p> {
    /// Opens a directory, and leaves to the scope what is in it.
    fn enter<'s>(&'s self, scope: &Scope<'s>, plan: &'p PlannedDirectory, parent: &Pair) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let opened = match self.open(plan, parent) {
            Ok(opened) => Arc::new(opened),
            Err(error) => return self.fail(plan, error),
        };
        for child in &plan.children {
            let (opened, child) = (opened.clone(), &self.tree.directories[*child]);
            scope.spawn(move |scope| self.enter(scope, child, &opened.pair));
        }
        // the last is done first: batches of this directory before the directories below it
        for batch in plan.entries.chunks(self.batch).rev() {
            let opened = opened.clone();
            scope.spawn(move |_| self.make_batch(&opened, batch));
        }
    }

    fn open(&self, plan: &'p PlannedDirectory, parent: &Pair) -> Result<Opened<'p>, Error> {
        let pair = Pair {
            source: parent.source.child(plan.name())?,
            target: parent.target.child(plan.name())?,
        };
        for child in &plan.children {
            pair.target.make(self.tree.directories[*child].name())?;
        }
        let remaining = AtomicUsize::new(plan.entries.chunks(self.batch).len());
        let opened = Opened { plan, pair, remaining };
        if plan.entries.is_empty() {
            self.finish(&opened)?;
        }
        Ok(opened)
    }

    fn make_batch(&self, opened: &Opened<'p>, entries: &[PlannedEntry]) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let links = rules::LinksOf::directory(&opened.plan.path);
        let made = entries.iter().try_for_each(|entry| self.make(opened, entry, &links));
        let made = made.and_then(|()| match opened.remaining.fetch_sub(1, Ordering::AcqRel) {
            1 => self.finish(opened),
            _ => Ok(()),
        });
        if let Err(error) = made {
            self.fail(opened.plan, error);
        }
    }

    fn fail(&self, plan: &PlannedDirectory, error: Error) {
        self.stopped.store(true, Ordering::Relaxed);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.as_ref().is_none_or(|(first, _)| plan.path < *first) {
            *failed = Some((plan.path.clone(), error));
        }
    }

    /// Gives a directory what its plan says, unless hard links are still to come.
    fn finish(&self, opened: &Opened<'p>) -> Result<(), Error> {
        if has_hard_links(opened.plan) {
            return Ok(());
        }
        opened.pair.target.apply(&opened.plan.metadata, self.ownership)
    }

    fn make(
        &self,
        opened: &Opened<'p>,
        entry: &PlannedEntry,
        links: &rules::LinksOf,
    ) -> Result<(), Error> {
        let Pair { source, target } = &opened.pair;
        match &entry.become_what {
            Become::SameLink { text, metadata } => {
                target.make_link(&entry.name, text)?;
                target.apply_to_link(&entry.name, metadata, self.ownership)
            }
            Become::Link { .. } => {
                target.make_link(&entry.name, links.text(&entry.name).as_os_str())
            }
            Become::Copy { metadata, size, .. } => {
                let from = source.read_file(&entry.name)?;
                let to = target.make_file(&entry.name)?;
                let path = || target.join(&entry.name);
                let copied =
                    copy(&from, &to, *size).map_err(|error| Error::io("copy to", path())(error))?;
                if copied != *size {
                    let path = source.join(&entry.name);
                    return Err(Error::Changed { path, planned: *size, copied });
                }
                self.bytes.fetch_add(copied, Ordering::Relaxed);
                metadata
                    .apply(to.as_fd(), self.ownership)
                    .map_err(|error| Error::io("set owner, mode or time of", path())(error))
            }
            Become::HardLink { .. } => Ok(()),
        }
    }
}

fn has_hard_links(directory: &PlannedDirectory) -> bool {
    directory.entries.iter().any(|entry| matches!(entry.become_what, Become::HardLink { .. }))
}

/// Adds the further names of copied files, and finishes the directories that they are in.
fn make_hard_links(tree: &Tree, root: &Directory, ownership: Ownership) -> Result<(), Error> {
    for directory in tree.directories.iter().filter(|directory| has_hard_links(directory)) {
        let target = root.descend(&directory.path)?;
        for entry in &directory.entries {
            if let Become::HardLink { first, .. } = &entry.become_what {
                let other = root.descend(first.parent().unwrap_or(Path::new("")))?;
                target.make_hard_link(
                    &entry.name,
                    &other,
                    first.file_name().unwrap_or_default(),
                )?;
            }
        }
        target.apply(&directory.metadata, ownership)?;
    }
    Ok(())
}
