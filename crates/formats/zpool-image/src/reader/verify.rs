//! Verification: every block, every copy of it, every name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::{Kind, ProtoPath};
use rayon::prelude::*;

use super::block::{Pointer, Storage};
use super::dataset::Dataset;
use super::fields::u32_at;
use super::object::Dnode;
use crate::Error;
use crate::block_pointer::POINTER_SIZE;
use crate::dnode::DNODE_SIZE;

/// What an object set of file systems has in its root.
const FILE_SYSTEM: u32 = 2;
/// Where the root of an object set has dnodes: of its objects, then of space by user, group and
/// project, of which the last ones may be missing.
const ROOT_DNODES: [usize; 4] = [0, 1024, 1536, 2048];
/// A damaged tree can lead to the same blocks again and again. Deduplicated pools do so rightly,
/// but not more often than this for every sector of the image.
const MOST_VISITS_PER_SECTOR: u64 = 8;

/// What [`Image::verify`](super::Image::verify) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Counts for the pool's own objects and then for every dataset and snapshot, by name.
    pub counts: Vec<Counts>,
    /// What is wrong. Empty when the image is sound.
    pub findings: Vec<Finding>,
}

/// What one object set contains. Copies of a block count as one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// The dataset or snapshot; `None` for the pool's own objects.
    pub dataset: Option<String>,
    /// Objects.
    pub objects: u64,
    /// Blocks, those of metadata included.
    pub blocks: u64,
    /// Bytes read, all copies included.
    pub stored: u64,
    /// Bytes of the blocks after decompression.
    pub logical: u64,
    /// Names of regular files.
    pub files: u64,
    /// Directories, the root included.
    pub directories: u64,
    /// Names of anything else.
    pub others: u64,
    /// Bytes in regular files; a file with several names counts once.
    pub content: u64,
}

/// Something wrong in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The dataset or snapshot; `None` for the pool's own objects.
    pub dataset: Option<String>,
    /// The object, when it is known.
    pub object: Option<u64>,
    /// The path of the object, when it has one that can still be found.
    pub path: Option<ProtoPath>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dataset {
            Some(name) => write!(f, "dataset {name}")?,
            None => f.write_str("the pool's own objects")?,
        }
        if let Some(object) = self.object {
            write!(f, ", object {object}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", path {path}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Sums over a part of a tree of blocks, and problems in the order of the blocks.
#[derive(Debug, Default)]
struct Tally {
    objects: u64,
    blocks: u64,
    stored: u64,
    logical: u64,
    problems: Vec<(Option<u64>, String)>,
}

impl Tally {
    fn plus(mut self, mut other: Self) -> Self {
        self.objects += other.objects;
        self.blocks += other.blocks;
        self.stored += other.stored;
        self.logical += other.logical;
        self.problems.append(&mut other.problems);
        self
    }
}

/// What is done with a data block, given with its number.
type Visit<'a> = &'a (dyn Fn(u64, Vec<u8>) -> Result<Tally, Error> + Sync);

/// One object set while it is walked.
struct Walk<'a> {
    storage: &'a Storage,
    visits_left: AtomicU64,
}

/// Verifies one object set: a dataset, or with `None` the pool's own objects.
pub(super) fn object_set(
    name: Option<&str>,
    pointer: &Pointer,
    storage: &Storage,
    verification: &mut Verification,
) -> Result<(), Error> {
    let visits = (storage.size / 512).saturating_mul(MOST_VISITS_PER_SECTOR);
    let walk = Walk { storage, visits_left: AtomicU64::new(visits) };
    let mut tally = Tally::default();
    let root = walk.read(pointer, None, &mut tally)?;
    let is_file_system = root.as_ref().and_then(|root| u32_at(root, 704)) == Some(FILE_SYSTEM);
    for at in ROOT_DNODES {
        let Some(bytes) = root.as_ref().and_then(|root| root.get(at..at + DNODE_SIZE)) else {
            continue;
        };
        tally = match Dnode::parse(bytes) {
            Some(dnode) if at == 0 => tally.plus(walk.objects(&dnode)?),
            Some(dnode) if dnode.object_type != 0 => {
                tally.plus(walk.tree_of(&dnode, None, &|_, _| Ok(Tally::default()))?)
            }
            Some(_) => tally,
            None if bytes.iter().all(|byte| *byte == 0) => tally,
            None => {
                tally.problems.push((None, "an object set with an impossible root".to_owned()));
                tally
            }
        };
    }

    let mut counts = Counts {
        dataset: name.map(str::to_owned),
        objects: tally.objects,
        blocks: tally.blocks,
        stored: tally.stored,
        logical: tally.logical,
        ..Counts::default()
    };
    let mut paths = BTreeMap::new();
    let mut unnamed = Vec::new();
    if let Some(name) = name.filter(|_| is_file_system) {
        let damaged: Vec<_> = tally.problems.iter().filter_map(|(object, _)| *object).collect();
        let seen = follow_names(name, pointer, storage, &mut counts, |path, object, problem| {
            if damaged.contains(&object) {
                paths.entry(object).or_insert_with(|| path.clone());
            } else if let Some(problem) = problem {
                unnamed.push((object, path.clone(), problem));
            }
        });
        match seen {
            Ok(()) => {}
            // With damaged blocks the reason is known already.
            Err(Error::Damaged { problem, .. }) if damaged.is_empty() => {
                tally.problems.push((None, problem));
            }
            Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let dataset = name.map(str::to_owned);
    for (object, problem) in tally.problems {
        let path = object.and_then(|object| paths.get(&object).cloned());
        verification.findings.push(Finding { dataset: dataset.clone(), object, path, problem });
    }
    for (object, path, problem) in unnamed {
        let (object, path) = (Some(object), Some(path));
        verification.findings.push(Finding { dataset: dataset.clone(), object, path, problem });
    }
    verification.counts.push(counts);
    Ok(())
}

/// Follows every name to its object. `each` gets the path, the object and what is wrong with it.
fn follow_names(
    name: &str,
    pointer: &Pointer,
    storage: &Storage,
    counts: &mut Counts,
    mut each: impl FnMut(&ProtoPath, u64, Option<String>),
) -> Result<(), Error> {
    Dataset::open(name, pointer, storage)?.walk(|path, object, entry| {
        match entry {
            Ok(entry) => {
                match &entry.kind {
                    Kind::File(content) => {
                        counts.files += 1;
                        counts.content = counts.content.saturating_add(content.size);
                    }
                    Kind::Hardlink { .. } => counts.files += 1,
                    Kind::Directory => counts.directories += 1,
                    _ => counts.others += 1,
                }
                each(path, object, None);
            }
            Err(Error::Damaged { problem, .. }) => {
                // The finding names the place itself.
                let place = format!("dataset {name}, object {object}, path {path}: ");
                let problem = problem.strip_prefix(&place).unwrap_or(&problem);
                each(path, object, Some(problem.to_owned()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    })
}

impl Walk<'_> {
    /// Reads a block in all its copies; `None` for a hole and for one without a good copy.
    fn read(
        &self,
        pointer: &Pointer,
        object: Option<u64>,
        tally: &mut Tally,
    ) -> Result<Option<Vec<u8>>, Error> {
        if pointer.is_hole() {
            return Ok(None);
        }
        tally.blocks += 1;
        let mut problems = Vec::new();
        let mut block = None;
        let mut keep = |found: Result<Vec<u8>, Error>| match found {
            Ok(found) => Ok(Some(found)),
            Err(Error::Damaged { problem, .. }) => {
                problems.push((object, problem));
                Ok(None)
            }
            Err(error) => Err(error),
        };
        if pointer.is_embedded() {
            block = keep(self.storage.embedded(pointer))?;
        } else {
            let mut copies = 0;
            for copy in self.storage.copies(pointer) {
                copies += 1;
                if let Some(stored) = keep(copy)? {
                    tally.stored += stored.len() as u64;
                    if block.is_none() {
                        block = keep(self.storage.logical(pointer, stored))?;
                    }
                }
            }
            if copies == 0 {
                problems.push((object, "a block pointer without an address".to_owned()));
            }
        }
        tally.logical += block.as_ref().map_or(0, |block| block.len() as u64);
        tally.problems.append(&mut problems);
        Ok(block)
    }

    /// All objects of a set, by the dnode of its file of dnodes.
    fn objects(&self, set: &Dnode) -> Result<Tally, Error> {
        let per_block = set.block_size / DNODE_SIZE as u64;
        self.tree_of(set, None, &|number, block| {
            let mut tally = Tally::default();
            let mut slot = 0;
            while let Some(bytes) = block.get(slot * DNODE_SIZE..).filter(|b| !b.is_empty()) {
                let object = number.saturating_mul(per_block).saturating_add(slot as u64);
                slot += 1;
                if bytes.iter().take(DNODE_SIZE).all(|byte| *byte == 0) {
                    continue;
                }
                let Some(dnode) = Dnode::parse(bytes) else {
                    // A free place keeps no more than its type, which is 0.
                    if bytes[0] != 0 {
                        tally.problems.push((Some(object), "an impossible dnode".to_owned()));
                    }
                    continue;
                };
                if dnode.object_type == 0 {
                    continue;
                }
                slot += dnode.slots - 1;
                tally.objects += 1;
                if let Some(spill) = &dnode.spill {
                    self.read(spill, Some(object), &mut tally)?;
                }
                tally =
                    tally.plus(self.tree_of(&dnode, Some(object), &|_, _| Ok(Tally::default()))?);
            }
            Ok(tally)
        })
    }

    /// All blocks of an object.
    fn tree_of(
        &self,
        dnode: &Dnode,
        object: Option<u64>,
        visit: Visit<'_>,
    ) -> Result<Tally, Error> {
        let top = dnode.levels - 1;
        dnode
            .pointers
            .par_iter()
            .enumerate()
            .map(|(number, pointer)| self.tree(pointer, (top, number as u64), dnode, object, visit))
            .try_reduce(Tally::default, |one, other| Ok(one.plus(other)))
    }

    /// A block given by its level and number, and all below it.
    fn tree(
        &self,
        pointer: &Pointer,
        (level, number): (u8, u64),
        dnode: &Dnode,
        object: Option<u64>,
        visit: Visit<'_>,
    ) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        if pointer.is_hole() {
            return Ok(tally);
        }
        if !pointer.is_embedded() && !self.may_visit() {
            let problem = "more blocks than the image has room for".to_owned();
            return Err(self.storage.damaged(problem));
        }
        let Some(block) = self.read(pointer, object, &mut tally)? else { return Ok(tally) };
        let expected = if level == 0 { dnode.block_size } else { 1 << dnode.indirect_shift };
        if block.len() as u64 != expected {
            let problem = format!("a block of {} bytes instead of {expected}", block.len());
            tally.problems.push((object, problem));
            return Ok(tally);
        }
        if level == 0 {
            return Ok(tally.plus(visit(number, block)?));
        }
        let count = block.len() / POINTER_SIZE;
        let below = (0..count)
            .into_par_iter()
            .map(|slot| match Pointer::at(&block, slot * POINTER_SIZE) {
                Some(pointer) => {
                    let number = number.saturating_mul(count as u64).saturating_add(slot as u64);
                    self.tree(&pointer, (level - 1, number), dnode, object, visit)
                }
                None => Ok(Tally::default()),
            })
            .try_reduce(Tally::default, |one, other| Ok(one.plus(other)))?;
        Ok(tally.plus(below))
    }

    fn may_visit(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.visits_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}
