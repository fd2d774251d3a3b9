//! The space maps compared with the space that the blocks of a pool take.

use std::collections::BTreeMap;
use std::ops::Range;

use super::block::Storage;
use super::claims::{Claims, Division, Run, without};
use super::fields::u64_at;
use super::findings::{Finding, Verification};
use super::image::Image;
use super::object::ObjectSet;
use super::pointer::Pointer;
use super::space_map::SpaceMaps;
use super::walk::claim;
use super::zap::{self, entries};
use crate::Error;
use crate::block_pointer::POINTER_SIZE;
use crate::checksum::TRAILER_MAGIC;
use crate::device::SPACE_START;

/// Findings about space that are listed one by one.
const MOST_FINDINGS: usize = 50;
/// Lists of blocks in lists of blocks deeper than this are refused.
const DEEPEST: usize = 4;
/// More blocks to be freed than this are refused for every sector of the image.
const BYTES_PER_FREED: u64 = 512;

/// The code of the checksum of intent logs.
const LOG_CHECKSUM: u64 = 9;
/// Where a written block of an intent log has the magic number of checksums in blocks.
const LOG_MAGIC: usize = 144;

/// Features that, in use, keep or change nothing about space that is not looked at here. Any other
/// one in use may hold blocks that this reader does not find.
const HARMLESS_FEATURES: [&str; 35] = [
    "com.datto:bookmark_v2",
    "com.datto:resilver_defer",
    "com.delphix:bookmark_written",
    "com.delphix:bookmarks",
    "com.delphix:embedded_data",
    "com.delphix:empty_bpobj",
    "com.delphix:enabled_txg",
    "com.delphix:extensible_dataset",
    "com.delphix:head_errlog",
    "com.delphix:hole_birth",
    "com.delphix:livelist",
    "com.delphix:log_spacemap",
    "com.delphix:redacted_datasets",
    "com.delphix:redaction_bookmarks",
    "com.delphix:redaction_list_spill",
    "com.delphix:spacemap_histogram",
    "com.delphix:spacemap_v2",
    "com.joyent:filesystem_limits",
    "com.joyent:multi_vdev_crash_dump",
    "com.klarasystems:large_microzap",
    "com.klarasystems:vdev_zaps_v2",
    "org.freebsd:zstd_compress",
    "org.illumos:edonr",
    "org.illumos:lz4_compress",
    "org.illumos:sha512",
    "org.illumos:skein",
    "org.open-zfs:large_blocks",
    "org.openzfs:blake3",
    "org.openzfs:device_rebuild",
    "org.openzfs:draid",
    "org.openzfs:zilsaxattr",
    "org.zfsonlinux:allocation_classes",
    "org.zfsonlinux:large_dnode",
    "org.zfsonlinux:project_quota",
    "org.zfsonlinux:userobj_accounting",
];

/// Compares the maps with the claims; adds what is wrong.
pub(super) fn compare(
    image: &Image,
    claims: &Claims,
    verification: &mut Verification,
) -> Result<(), Error> {
    let storage = &image.storage;
    match reason_against(image)? {
        None => {}
        not_compared => {
            verification.space.not_compared = not_compared;
            return Ok(());
        }
    }
    let mut mos = ObjectSet::open(&image.newest.root, storage)?;
    for name in ["sync_bplist", "free_bpobj"] {
        if let Some(number) = image.directory_number(name) {
            let mut left = storage.size / BYTES_PER_FREED;
            let found = claim_list(number, claims, (&mut mos, storage), &mut left, DEEPEST);
            note(found, number, verification)?;
        }
    }
    let mut differences = Differences::default();
    let maps = SpaceMaps::open(claims.division, &mut mos, storage);
    let array = claims.division.array;
    let maps = maps.and_then(|mut maps| {
        if let Some(table) = image.directory_number("com.delphix:log_spacemap_zap") {
            let logs = logs(table, &mut mos, storage)?;
            let needed = first_groups(image, &mut mos)?;
            maps.read_logs(&logs, needed, &mut mos, storage)?;
        }
        Ok(maps)
    });
    if let Some(mut maps) = note(maps, array, verification)? {
        for metaslab in 0..maps.objects.len() {
            let found = maps.read(metaslab, &mut mos, storage);
            let object = maps.objects[metaslab];
            let found = found.map_err(|error| error.within(format_args!("metaslab {metaslab}")));
            let Some(map) = note(found, object, verification)? else { continue };
            for problem in &map.problems {
                let problem = format!("the space map of metaslab {metaslab}: {problem}");
                verification.findings.push(Finding::of_pool(Some(object), problem));
            }
            verification.space.metaslabs += 1;
            let sectors: u64 = map.runs.iter().map(|(begin, end)| end - begin).sum();
            verification.space.allocated += sectors << claims.division.ashift;
            // What a map says that contradicts itself is not worth a comparison.
            if map.problems.is_empty() {
                let blocks = claims.runs(metaslab as u64);
                differences.leaked.extend(without(&map.runs, &blocks));
                differences.free.extend(without(&blocks, &map.runs));
            }
            differences.shorten(&claims.division);
        }
    }
    differences.report(claims, verification);
    Ok(())
}

/// Claims the intent log of a dataset; `false` when it is more than the one block that a log
/// without changes has.
pub(super) fn claim_log(log: &Pointer, claims: &Claims, image: &Image) -> bool {
    if log.birth() > image.newest.births.1 {
        return true; // not yet of this state of the pool
    }
    let first = log.addresses().next().and_then(|address| address.offset);
    let block = first
        .and_then(|offset| offset.checked_add(SPACE_START))
        .and_then(|offset| image.storage.bytes(offset, log.physical()).ok());
    let unwritten = block.is_some_and(|block| u64_at(&block, LOG_MAGIC) != Some(TRAILER_MAGIC));
    let known = log.property(40, 8) == LOG_CHECKSUM && unwritten;
    known && claim(claims, log).is_empty()
}

/// Why a comparison would be wrong.
fn reason_against(image: &Image) -> Result<Option<String>, Error> {
    let storage = &image.storage;
    let mut mos = ObjectSet::open(&image.newest.root, storage)?;
    for table in ["features_for_read", "features_for_write"] {
        let Some(number) = image.directory_number(table) else { continue };
        for feature in entries(&mut mos.object(number, storage)?, storage)? {
            let name = String::from_utf8_lossy(&feature.name);
            if feature.number() != Some(0) && !HARMLESS_FEATURES.contains(&&*name) {
                return Ok(Some(format!("the feature {name} is in use")));
            }
        }
    }
    Ok(image.directory_number("bptree_obj").map(|_| "a dataset is being destroyed".to_owned()))
}

/// The logs of space maps, by their transaction groups.
fn logs(table: u64, mos: &mut ObjectSet, storage: &Storage) -> Result<BTreeMap<u64, u64>, Error> {
    let entries = entries(&mut mos.object(table, storage)?, storage)?;
    let log = |entry: &zap::Entry| {
        let name = std::str::from_utf8(&entry.name).ok()?;
        Some((u64::from_str_radix(name, 16).ok()?, entry.number()?))
    };
    let logs: Option<_> = entries.iter().map(log).collect();
    logs.ok_or_else(|| storage.damaged("an impossible list of logs of space maps"))
}

/// The object that tells from which transaction group on each metaslab needs the logs.
fn first_groups(image: &Image, mos: &mut ObjectSet) -> Result<Option<u64>, Error> {
    let device = image.newest.configuration.get_list("vdev_tree");
    let table = device.and_then(|device| device.get_number("com.delphix:vdev_zap_top"));
    let Some(table) = table else { return Ok(None) };
    let entries = entries(&mut mos.object(table, &image.storage)?, &image.storage)?;
    let name = b"com.delphix:ms_unflushed_phys_txgs";
    Ok(entries.iter().find(|entry| entry.name == name).and_then(zap::Entry::number))
}

/// Makes damage a finding of an object of the pool.
fn note<T>(
    found: Result<T, Error>,
    object: u64,
    verification: &mut Verification,
) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Damaged { problem, .. }) => {
            verification.findings.push(Finding::of_pool(Some(object), problem));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Claims the blocks of a list of blocks that are to be freed and are not yet.
fn claim_list(
    number: u64,
    claims: &Claims,
    (mos, storage): (&mut ObjectSet, &Storage),
    left: &mut u64,
    depth: usize,
) -> Result<(), Error> {
    let mut object = mos.object(number, storage)?;
    let word = |index: usize| u64_at(&object.dnode.bonus, 8 * index).unwrap_or(0);
    let (count, lists, list_count) = (word(0), word(4), word(5));
    let depth = match count.checked_add(list_count).and_then(|count| left.checked_sub(count)) {
        Some(now) if depth > 0 => {
            *left = now;
            depth - 1
        }
        _ => return Err(storage.damaged("a list of blocks to free that has no end")),
    };
    let per_block = object.dnode.block_size / POINTER_SIZE as u64;
    let mut block = Vec::new();
    for index in 0..count {
        if index % per_block == 0 {
            let missing = || storage.damaged("a list of blocks to free with a hole");
            block = object.block(index / per_block, storage)?.ok_or_else(missing)?;
        }
        let at = (index % per_block) as usize * POINTER_SIZE;
        if let Some(pointer) = Pointer::at(&block, at).filter(|pointer| !pointer.is_hole())
            && let Some(problem) = claim(claims, &pointer).pop()
        {
            return Err(storage.damaged(format!("a list of blocks to free: {problem}")));
        }
    }
    if lists != 0 {
        let table = mos.object(lists, storage)?.all(storage.size, storage)?;
        for list in table.as_chunks().0.iter().take(list_count as usize) {
            claim_list(u64::from_le_bytes(*list), claims, (mos, storage), left, depth)?;
        }
    }
    Ok(())
}

/// Runs of sectors as bytes of the image.
pub(super) fn ranges<'a>(
    runs: &'a [Run],
    division: &Division,
) -> impl Iterator<Item = Range<u64>> + use<'a> {
    let shift = division.ashift;
    let byte = move |sector: u64| SPACE_START + (sector << shift);
    runs.iter().map(move |(begin, end)| byte(*begin)..byte(*end))
}

/// Where maps and blocks differ.
#[derive(Debug, Default)]
struct Differences {
    /// Allocated without a block.
    leaked: Vec<Run>,
    /// A block that is not allocated.
    free: Vec<Run>,
    /// Runs that are no longer listed, and their bytes.
    further: (u64, u64),
}

impl Differences {
    /// Keeps no more than can be reported.
    fn shorten(&mut self, division: &Division) {
        for runs in [&mut self.leaked, &mut self.free] {
            for (begin, end) in runs.drain(runs.len().min(MOST_FINDINGS)..) {
                self.further.0 += 1;
                self.further.1 += (end - begin) << division.ashift;
            }
        }
    }

    fn report(mut self, claims: &Claims, verification: &mut Verification) {
        let mut contested = claims.contested();
        for (begin, end) in contested.drain(contested.len().min(MOST_FINDINGS)..) {
            self.further.0 += 1;
            self.further.1 += (end - begin) << claims.division.ashift;
        }
        for (runs, what) in [
            (&contested, "are used by more than one block"),
            (&self.free, "are used by a block and free in the space map"),
            (&self.leaked, "are allocated in the space map and used by no block"),
        ] {
            for range in ranges(runs, &claims.division) {
                let metaslab = (range.start - SPACE_START) >> claims.division.metaslab_shift;
                let (size, begin) = (range.end - range.start, range.start);
                verification.findings.push(Finding::of_pool(
                    None,
                    format!("metaslab {metaslab}: {size} bytes from byte {begin} on {what}"),
                ));
            }
        }
        if self.further != (0, 0) {
            let (runs, bytes) = self.further;
            let problem =
                format!("space maps and blocks differ in {runs} further places, {bytes} bytes");
            verification.findings.push(Finding::of_pool(None, problem));
        }
    }
}
