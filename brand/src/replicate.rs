//! Carries out the plan for one tree, on several threads.
//!
//! Work comes in two sizes. *Enter* opens a directory on both sides below the open handles of its
//! parent, makes the directories in it and cuts the rest into *batches*; a batch makes links and
//! copies below those handles. Whoever finishes the last batch gives the directory its owner,
//! mode and time. Work found last is done first, so the number of open directories is bounded by
//! depth and threads, not by the size of the tree.

use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::copy::{BUFFER, copy};
use crate::directory::{Directory, Ownership};
use crate::plan::{Become, PlannedDirectory, PlannedEntry, Tree};
use crate::report::Replicated;
use crate::{Defaults, Error, rules};

/// Makes a tree below `target`, which must not have it yet.
pub(crate) fn replicate(
    tree: &Tree,
    source: &Directory,
    target: &Directory,
    settings: Defaults,
    ownership: Ownership,
) -> Result<Replicated, Error> {
    let Some(top) = tree.directories.first() else { return Ok(Replicated::default()) };
    target.make(top.name())?;
    let work = Work {
        tree,
        batch: settings.copy_batch.max(1),
        ownership,
        bytes: AtomicU64::new(0),
        queue: Mutex::new(Queue { jobs: Vec::new(), busy: 0, failed: None }),
        changed: Condvar::new(),
    };
    let parent =
        Pair { source: source.descend(Path::new(""))?, target: target.descend(Path::new(""))? };
    work.lock().jobs.push(Job::Enter { plan: top, parent: Arc::new(parent) });
    std::thread::scope(|scope| {
        for _ in 1..settings.copy_threads {
            scope.spawn(|| work.run());
        }
        work.run();
    });
    let bytes = work.bytes.load(Ordering::Relaxed);
    let queue = work.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, error)) = queue.failed {
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
    pair: Arc<Pair>,
    /// Batches that are not done.
    remaining: AtomicUsize,
}

enum Job<'p> {
    Enter { plan: &'p PlannedDirectory, parent: Arc<Pair> },
    Batch { opened: Arc<Opened<'p>>, entries: Range<usize> },
}

struct Queue<'p> {
    jobs: Vec<Job<'p>>,
    /// Threads that may still add jobs.
    busy: usize,
    /// The failure with the first path, so that the message does not depend on threads more than
    /// it must.
    failed: Option<(std::path::PathBuf, Error)>,
}

struct Work<'p> {
    tree: &'p Tree,
    batch: usize,
    ownership: Ownership,
    bytes: AtomicU64,
    queue: Mutex<Queue<'p>>,
    changed: Condvar,
}

/// A thread has a job in hand, even if it panics with it: the others must not wait for ever.
struct Busy<'w, 'p>(&'w Work<'p>);

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.changed.notify_all();
    }
}

impl<'p> Work<'p> {
    fn lock(&self) -> MutexGuard<'_, Queue<'p>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let job = {
                let mut queue = self.lock();
                loop {
                    if queue.failed.is_some() {
                        return;
                    }
                    if let Some(job) = queue.jobs.pop() {
                        queue.busy += 1;
                        break job;
                    }
                    if queue.busy == 0 {
                        return;
                    }
                    queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let done = Busy(self);
            let (path, result) = match job {
                Job::Enter { plan, parent } => (&plan.path, self.enter(plan, &parent)),
                Job::Batch { opened, entries } => (
                    &opened.plan.path,
                    self.batch(&opened, entries, &mut buffer).map(|()| Vec::new()),
                ),
            };
            let mut queue = self.lock();
            match result {
                Ok(jobs) => queue.jobs.extend(jobs),
                Err(error) => {
                    if queue.failed.as_ref().is_none_or(|(first, _)| path < first) {
                        queue.failed = Some((path.clone(), error));
                    }
                }
            }
            drop(queue);
            drop(done);
        }
    }

    fn enter(&self, plan: &'p PlannedDirectory, parent: &Pair) -> Result<Vec<Job<'p>>, Error> {
        let pair = Arc::new(Pair {
            source: parent.source.child(plan.name())?,
            target: parent.target.child(plan.name())?,
        });
        for child in &plan.children {
            pair.target.make(self.tree.directories[*child].name())?;
        }
        let starts = (0..plan.entries.len()).step_by(self.batch);
        let opened = Arc::new(Opened {
            plan,
            pair: pair.clone(),
            remaining: AtomicUsize::new(starts.len()),
        });
        if plan.entries.is_empty() {
            self.finish(&opened)?;
        }
        let batches = starts.map(|start| Job::Batch {
            opened: opened.clone(),
            entries: start..plan.entries.len().min(start + self.batch),
        });
        let below = plan
            .children
            .iter()
            .map(|child| Job::Enter { plan: &self.tree.directories[*child], parent: pair.clone() });
        // the last is done first: batches of this directory before the directories below it
        Ok(below.chain(batches).collect())
    }

    fn batch(
        &self,
        opened: &Opened<'p>,
        entries: Range<usize>,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        for entry in &opened.plan.entries[entries] {
            self.make(opened, entry, buffer)?;
        }
        if opened.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(opened)?;
        }
        Ok(())
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
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let Pair { source, target } = &*opened.pair;
        match &entry.become_what {
            Become::SameLink { text, metadata } => {
                target.make_link(&entry.name, text)?;
                target.apply_to_link(&entry.name, metadata, self.ownership)
            }
            Become::Link { .. } => {
                let text = rules::link_text(&opened.plan.path.join(&entry.name));
                target.make_link(&entry.name, text.as_os_str())
            }
            Become::Copy { metadata, size, .. } => {
                let from = source.read_file(&entry.name)?;
                let to = target.make_file(&entry.name)?;
                let path = || target.join(&entry.name);
                let copied = copy(&from, &to, *size, buffer)
                    .map_err(|error| Error::io("copy to", path())(error))?;
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
