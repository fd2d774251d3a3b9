//! All blocks of an object set: read, checked, counted, and the space they take claimed.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::block::Storage;
use super::claims::Claims;
use super::object::Dnode;
use super::pointer::Pointer;
use crate::Error;
use crate::block_pointer::{POINTER_SIZE, SECTOR};
use crate::dnode::{DNODE_SIZE, PLAIN_FILE};
use crate::label::OVERHEAD;

/// Where the root of an object set has dnodes: of its objects, then of space by user, group and
/// project, of which the last ones may be missing.
const ROOT_DNODES: [usize; 4] = [0, 1024, 1536, 2048];
/// Where the root of an object set points to its intent log.
const INTENT_LOG: usize = 512 + 16;
/// A damaged tree can lead to the same blocks again and again. Deduplicated pools do so rightly,
/// but not more often than this for every sector of the image.
const MOST_VISITS_PER_SECTOR: u64 = 8;

/// The number of the next walk.
static WALKS: AtomicU64 = AtomicU64::new(1);

/// Blocks of data that a thread reads before others may take the next ones.
const TOGETHER: usize = 32;

/// Sums over a part of a tree of blocks, and problems in the order of the blocks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) objects: u64,
    /// Copies of a block count once.
    pub(super) blocks: u64,
    /// Bytes read.
    pub(super) stored: u64,
    /// Bytes after decompression.
    pub(super) logical: u64,
    /// Bytes allocated, stored, and after decompression as ZFS counts them for datasets.
    pub(super) referenced: [u64; 3],
    /// Bytes allocated that no earlier snapshot shares.
    pub(super) own: u64,
    /// Blocks of data, or objects in blocks of dnodes: what pointers call their fill.
    fill: u64,
    pub(super) problems: Vec<(Option<u64>, String)>,
}

/// What was found of an object set.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) tally: Tally,
    /// The first block of the log of changes that an import would replay.
    pub(super) intent_log: Option<Pointer>,
}

/// What is done with a block of dnodes, given with its number.
type Visit<'a> = &'a (dyn Fn(u64, Vec<u8>) -> Result<Tally, Error> + Sync);

/// The object whose blocks are walked.
#[derive(Clone, Copy)]
struct Place<'a> {
    dnode: &'a Dnode,
    number: Option<u64>,
    /// Does something with data blocks; without it they are only read.
    visit: Option<Visit<'a>>,
}

/// One object set while it is walked.
pub(super) struct Walk<'a> {
    /// No other walk of this process has it.
    number: u64,
    storage: &'a Storage,
    claims: Option<&'a Claims>,
    /// Blocks born until then belong to an earlier snapshot, whose walk reads and claims them.
    shared_until: u64,
    visits_left: AtomicU64,
}

impl Tally {
    fn plus(mut self, mut other: Self) -> Self {
        self.objects += other.objects;
        self.blocks += other.blocks;
        self.stored += other.stored;
        self.logical += other.logical;
        for (sum, more) in self.referenced.iter_mut().zip(other.referenced) {
            *sum = sum.saturating_add(more);
        }
        self.own = self.own.saturating_add(other.own);
        self.fill = self.fill.saturating_add(other.fill);
        self.problems.append(&mut other.problems);
        self
    }

    fn problem(&mut self, object: Option<u64>, problem: impl Into<String>) {
        self.problems.push((object, problem.into()));
    }

    /// Compares a number that was stored with the sum of what is there, if all of that is known.
    fn compare(&mut self, object: Option<u64>, what: &str, stored: u64, found: u64) {
        if self.problems.is_empty() && stored != found {
            self.problem(object, format!("{what} is {stored} and should be {found}"));
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk that claims the space of blocks born after `shared_until`.
    pub(super) fn new(storage: &'a Storage, claims: Option<&'a Claims>, shared_until: u64) -> Self {
        let sectors = storage.size.saturating_sub(OVERHEAD) / SECTOR;
        let visits = sectors.saturating_mul(MOST_VISITS_PER_SECTOR);
        let number = WALKS.fetch_add(1, Ordering::Relaxed);
        Self { number, storage, claims, shared_until, visits_left: AtomicU64::new(visits) }
    }

    /// Walks the object set a pointer leads to.
    pub(super) fn object_set(&self, pointer: &Pointer) -> Result<Walked, Error> {
        let mut tally = self.account(pointer, None);
        let Some(root) = self.read(pointer, None, &mut tally)? else {
            return Ok(Walked { tally, ..Walked::default() });
        };
        for at in ROOT_DNODES {
            let Some(bytes) = root.get(at..at + DNODE_SIZE) else { continue };
            match Dnode::parse(bytes) {
                Some(dnode) if at == 0 => {
                    tally = tally.plus(self.objects(&dnode)?);
                    let objects = tally.objects;
                    tally.compare(
                        None,
                        "the number of objects in the root",
                        pointer.fill(),
                        objects,
                    );
                }
                Some(dnode) if dnode.object_type != 0 => {
                    tally = tally.plus(self.object(&dnode, None)?);
                }
                Some(_) => {}
                None if bytes.iter().all(|byte| *byte == 0) => {}
                None => tally.problem(None, "an object set with an impossible root"),
            }
        }
        Ok(Walked {
            tally,
            intent_log: Pointer::at(&root, INTENT_LOG).filter(|log| !log.is_hole()),
        })
    }

    fn is_own(&self, pointer: &Pointer) -> bool {
        pointer.birth() > self.shared_until
    }

    /// Counts a block and claims its space.
    fn account(&self, pointer: &Pointer, object: Option<u64>) -> Tally {
        let mut tally = Tally { blocks: 1, ..Tally::default() };
        let (allocated, physical) = (pointer.allocated(), pointer.physical());
        let physical = if pointer.is_embedded() { 0 } else { physical };
        let object_type = pointer.property(48, 8) as u8;
        let is_data = pointer.property(56, 5) == 0
            && match object_type {
                PLAIN_FILE | 23 | 25 | 26 => true,
                newer => newer & 0xC0 == 0x80,
            };
        let counted = if is_data { pointer.logical() } else { physical };
        tally.referenced = [allocated, physical, counted];
        if self.is_own(pointer) {
            tally.own = allocated;
            let claims = self.claims.map(|claims| claim(claims, pointer));
            for problem in claims.unwrap_or_default() {
                tally.problem(object, problem);
            }
        }
        tally
    }

    /// Reads a block in all its copies; `None` without a good copy.
    fn read(
        &self,
        pointer: &Pointer,
        object: Option<u64>,
        tally: &mut Tally,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut block = match self.storage.logical_size(pointer) {
            Ok(size) => vec![0; size],
            Err(error) => {
                keep(Err(error), object, tally)?;
                return Ok(None);
            }
        };
        let mut good = false;
        if pointer.is_embedded() {
            good = keep(self.storage.embedded(pointer, &mut block), object, tally)?;
        } else {
            let mut copies = 0;
            for address in pointer.addresses() {
                copies += 1;
                let found = match good {
                    false => self.storage.copy(pointer, address, &mut block),
                    true => self.storage.check_copy(pointer, address),
                };
                if keep(found, object, tally)? {
                    tally.stored += pointer.physical();
                    good = true;
                }
            }
            if copies == 0 {
                tally.problem(object, "a block pointer without an address");
            }
        }
        tally.logical += if good { block.len() as u64 } else { 0 };
        Ok(good.then_some(block))
    }

    /// Reads all copies of a block of data, of which nothing but their being right is of interest.
    fn check(
        &self,
        pointer: &Pointer,
        object: Option<u64>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        if pointer.is_embedded() || pointer.allocated() == 0 {
            return self.read(pointer, object, tally).map(|_| ());
        }
        if self.is_own(pointer) {
            for address in pointer.addresses() {
                let found = self.storage.check_data(pointer, address, self.number);
                if keep(found, object, tally)? {
                    tally.stored += pointer.physical();
                }
            }
        }
        tally.logical += if tally.problems.is_empty() { pointer.logical() } else { 0 };
        Ok(())
    }

    /// All objects of a set, by the dnode of its file of dnodes.
    pub(super) fn objects(&self, set: &Dnode) -> Result<Tally, Error> {
        let per_block = set.block_size / DNODE_SIZE as u64;
        let visit = |number: u64, block: Vec<u8>| {
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
                        tally.problem(Some(object), "an impossible dnode");
                    }
                    continue;
                };
                if dnode.object_type == 0 {
                    continue;
                }
                slot += dnode.slots - 1;
                let blocks = self.object(&dnode, Some(object))?;
                tally = tally.plus(Tally { fill: 0, ..blocks });
                tally.objects += 1;
            }
            tally.fill = tally.objects;
            Ok(tally)
        };
        self.tree_of(Place { dnode: set, number: None, visit: Some(&visit) })
    }

    /// All blocks of an object.
    pub(super) fn object(&self, dnode: &Dnode, number: Option<u64>) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        if let Some(spill) = dnode.spill.as_ref().filter(|spill| !spill.is_hole()) {
            tally = self.account(spill, number);
            self.read(spill, number, &mut tally)?;
        }
        let mut tally = tally.plus(self.tree_of(Place { dnode, number, visit: None })?);
        let used = tally.referenced[0];
        tally.compare(number, "the space used of the object", dnode.used, used);
        Ok(tally)
    }

    fn tree_of(&self, place: Place<'_>) -> Result<Tally, Error> {
        let top = place.dnode.levels - 1;
        let pointers = place.dnode.pointers.iter().enumerate();
        pointers.map(|(number, pointer)| self.tree(pointer, (top, number as u64), place)).try_fold(
            Tally::default(),
            |sum, tally| {
                let tally = tally?;
                Ok(sum.plus(tally))
            },
        )
    }

    /// A block given by its level and number, and all below it.
    fn tree(
        &self,
        pointer: &Pointer,
        (level, number): (u8, u64),
        place: Place<'_>,
    ) -> Result<Tally, Error> {
        if pointer.is_hole() {
            return Ok(Tally::default());
        }
        if !pointer.is_embedded() && !self.may_visit() {
            let problem = "more blocks than the image has room for".to_owned();
            return Err(self.storage.damaged(problem));
        }
        let Place { dnode, number: object, visit } = place;
        let mut tally = self.account(pointer, object);
        let expected = if level == 0 { dnode.block_size } else { 1 << dnode.indirect_shift };
        if pointer.logical() != expected {
            let problem = format!("a block of {} bytes instead of {expected}", pointer.logical());
            tally.problem(object, problem);
            return Ok(tally);
        }
        let below = match (level, visit) {
            (0, None) => {
                self.check(pointer, object, &mut tally)?;
                Tally { fill: 1, ..Tally::default() }
            }
            (0, Some(visit)) => match self.read(pointer, object, &mut tally)? {
                Some(block) => visit(number, block)?,
                None => return Ok(tally),
            },
            _ => match self.read(pointer, object, &mut tally)? {
                Some(block) => self.below(&block, (level, number), place)?,
                None => return Ok(tally),
            },
        };
        let fill = below.fill;
        let mut tally = tally.plus(below);
        tally.compare(object, "the fill of a block pointer", pointer.fill(), fill);
        Ok(tally)
    }

    /// All blocks that an indirect block leads to.
    fn below(
        &self,
        block: &[u8],
        (level, number): (u8, u64),
        place: Place<'_>,
    ) -> Result<Tally, Error> {
        let count = block.len() / POINTER_SIZE;
        let tree = |slot: usize| match Pointer::at(block, slot * POINTER_SIZE) {
            Some(pointer) => {
                let number = number.saturating_mul(count as u64).saturating_add(slot as u64);
                self.tree(&pointer, (level - 1, number), place)
            }
            None => Ok(Tally::default()),
        };
        let is_used = |slot: &usize| {
            Pointer::at(block, slot * POINTER_SIZE).is_some_and(|pointer| !pointer.is_hole())
        };
        let used = (0..count).rev().find(is_used).map_or(0, |last| last + 1);
        let slots = (0..used).into_par_iter();
        if level > 1 || place.visit.is_some() {
            return slots.map(tree).try_reduce(Tally::default, |one, more| Ok(one.plus(more)));
        }
        // Blocks of data are read one after the other, some by each thread: what threads have to
        // say to each other takes longer than to read one.
        slots
            .chunks(TOGETHER)
            .map(|slots| {
                let mut tallies = slots.into_iter().map(tree);
                tallies.try_fold(Tally::default(), |sum, tally| Ok(sum.plus(tally?)))
            })
            .try_reduce(Tally::default, |one, more| Ok(one.plus(more)))
    }

    fn may_visit(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.visits_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// Claims the space of all copies of a block; says what is wrong with their places.
pub(super) fn claim(claims: &Claims, pointer: &Pointer) -> Vec<String> {
    let deduplicated = pointer.is_deduplicated();
    let claim = |address: super::pointer::Address| {
        let offset = address.offset.ok_or("a block at an impossible address")?;
        claims.claim(offset, address.allocated, deduplicated)?;
        match address.allocated < pointer.physical() {
            true => Err(format!("a block with less space than its bytes at {offset}")),
            false => Ok(()),
        }
    };
    pointer.addresses().filter_map(|address| claim(address).err()).collect()
}

/// Whether something was found; damage becomes a problem of the object.
fn keep(found: Result<(), Error>, object: Option<u64>, tally: &mut Tally) -> Result<bool, Error> {
    match found {
        Ok(()) => Ok(true),
        Err(Error::Damaged { problem, .. }) => {
            tally.problem(object, problem);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
