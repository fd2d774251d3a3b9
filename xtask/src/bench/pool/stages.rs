//! What is measured of pools, each in a process of its own.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use boot_image::os_archive::{self, Notes, Parts};
use boot_image::phase2;
use proto::{Contents, Owners, Proto, Store, import_directory};
use zpool_image::reader::Image;
use zpool_image::{Compression, PoolOptions, Report, TreeUsage, fletcher_4};

use super::super::measure::Part;
use super::super::records;
use super::super::stage::{Done, TIME, one_processor};
use crate::failure::Failure;

/// Entries of the trees that show how memory grows.
pub(super) const ENTRIES: [u64; 2] = [30_000, 130_000];
/// Bytes of a record when sums are measured alone.
const RECORD: usize = 128 << 10;

/// Places in the directory of the measurements.
pub(super) struct Places<'a> {
    pub(super) directory: &'a Path,
}

impl Places<'_> {
    pub(super) fn tree(&self) -> PathBuf {
        self.directory.join("input/tree")
    }

    pub(super) fn entries(&self, count: u64) -> PathBuf {
        self.directory.join(format!("input/entries-{count}"))
    }

    pub(super) fn image(&self, compression: Compression) -> PathBuf {
        self.directory.join(format!("input/{compression}.img"))
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.directory.join("scratch").join(name)
    }

    /// A tree as a proto; its files stay where they are.
    pub(super) fn proto(&self, tree: &Path) -> Result<Proto, Failure> {
        Ok(Proto {
            manifest: import_directory(tree, Owners::FromDisk)?,
            contents: Contents {
                store: Store::create(self.scratch("store"))?,
                tree: Some(tree.to_owned()),
            },
        })
    }
}

pub(super) fn options(compression: Compression) -> PoolOptions {
    PoolOptions { compression, timestamp: TIME.unsigned_abs(), ..PoolOptions::ramdisk() }
}

/// Runs one stage, if there is one of this name, and says what it did.
pub(crate) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    let at = Places { directory };
    let gzip_9 = Compression::Gzip(9);
    Some(match name {
        "write-off" => write(&at, &at.tree(), Compression::Off),
        "write-off-sha256" => write_and_seal(&at),
        "write-gzip-9" => write(&at, &at.tree(), gzip_9),
        "write-gzip-9-one-processor" => one_processor(|| write(&at, &at.tree(), gzip_9)),
        "deflate-alone" => deflate_alone(&at),
        "records-gzip-9" => write_records(&at),
        "records-zlib-9" => records_zlib(&at),
        "entries-30000" => write(&at, &at.entries(ENTRIES[0]), gzip_9),
        "entries-130000" => write(&at, &at.entries(ENTRIES[1]), gzip_9),
        "verify-off" => verify(&at.image(Compression::Off)),
        "verify-gzip-1" => verify(&at.image(Compression::Gzip(1))),
        "fletcher-4-alone" => fletcher_4_alone(&at.image(Compression::Off)),
        "fletcher-4-reading" => fletcher_4_reading(&at.image(Compression::Off)),
        "image-one-reading" => image_in_one_reading(&at),
        "image-step-by-step" => image_step_by_step(&at),
        _ => return None,
    })
}

fn write(at: &Places<'_>, tree: &Path, compression: Compression) -> Result<Done, Failure> {
    let out = at.scratch("pool.img");
    let report = zpool_image::write(&at.proto(tree)?, &options(compression), &out)?;
    Ok(Done::now(report.content, report.allocated))
}

/// Writes a pool as the image of a system is written: behind room for the header, which then gets
/// the SHA-256.
fn write_and_seal(at: &Places<'_>) -> Result<Done, Failure> {
    let draft = at.scratch("draft");
    let report = write_draft(at, &draft)?;
    phase2::seal(&draft, &at.scratch("zfs.img"), &header(), None)?;
    Ok(Done::now(report.content, report.allocated))
}

fn write_draft(at: &Places<'_>, draft: &Path) -> Result<Report, Failure> {
    let (proto, options) = (at.proto(&at.tree())?, options(Compression::Off));
    let file = File::create(draft)?;
    let start = phase2::HEADER_SIZE as u64;
    let trees = [(&*options.tree, &proto)];
    Ok(zpool_image::write_at(&trees, &options, &file, start, draft)?.report)
}

fn header() -> phase2::Options {
    phase2::Options { target_size: u64::MAX, ..phase2::Options::new("bench") }
}

/// An image and its OS archive, as they are made.
fn image_in_one_reading(at: &Places<'_>) -> Result<Done, Failure> {
    let draft = at.scratch("draft");
    let report = write_draft(at, &draft)?;
    let mut archive = os_archive::Draft::new(&at.scratch("os.tar.gz"), Notes::default(), TIME)?;
    phase2::seal(&draft, &at.scratch("zfs.img"), &header(), Some(&mut archive))?;
    let archive = archive.finish(&parts(at)?)?;
    Ok(Done::now(report.content, archive.size))
}

/// The same with a file for every step.
fn image_step_by_step(at: &Places<'_>) -> Result<Done, Failure> {
    let (pool, image) = (at.scratch("pool.img"), at.scratch("zfs.img"));
    let report = zpool_image::write(&at.proto(&at.tree())?, &options(Compression::Off), &pool)?;
    phase2::write(&pool, &image, &header())?;
    let output = at.scratch("os.tar.gz");
    let archive = os_archive::write(&image, Notes::default(), &parts(at)?, TIME, &output)?;
    Ok(Done::now(report.content, archive.size))
}

fn parts(at: &Places<'_>) -> Result<Parts, Failure> {
    let part = at.scratch("part");
    fs::write(&part, "This stands in for the kernel and the boot archive.\n")?;
    Ok(Parts { unix: part.clone(), boot_archive: part, ..Parts::default() })
}

fn deflate_alone(at: &Places<'_>) -> Result<Done, Failure> {
    let records = records::of(&at.tree())?;
    let compress = records::libdeflate()?;
    let (part, allocated) = Part::of(|| Ok(records::allocated(&records, compress)))?;
    Ok(Done { part: Some(part), ..Done::now(length(&records), allocated) })
}

/// The pool again, of which only what its files' records take is told.
fn write_records(at: &Places<'_>) -> Result<Done, Failure> {
    let (proto, options) = (at.proto(&at.tree())?, options(Compression::Gzip(9)));
    let trees = [(&*options.tree, &proto)];
    let draft = zpool_image::draft(&trees, &options, &at.scratch("pool.img"))?;
    let outcome = draft.outcome();
    let of_files = |usage: &TreeUsage| -> u64 {
        let entries = proto.manifest.iter().zip(&usage.allocated);
        entries.filter(|((_, entry), _)| entry.content().is_some()).map(|(_, bytes)| *bytes).sum()
    };
    let trees = outcome.usage.iter().filter(|usage| usage.dataset == options.tree);
    Ok(Done::now(outcome.report.content, trees.map(of_files).sum()))
}

fn records_zlib(at: &Places<'_>) -> Result<Done, Failure> {
    let records = records::of(&at.tree())?;
    let allocated = records::allocated(&records, records::zlib());
    Ok(Done::now(length(&records), allocated))
}

fn length(records: &[Vec<u8>]) -> u64 {
    records.iter().map(|record| record.len() as u64).sum()
}

fn verify(path: &Path) -> Result<Done, Failure> {
    let verification = Image::open(path)?.verify()?;
    if !verification.is_sound() {
        return Err(Failure::new(format!("{} was written with errors", path.display())));
    }
    let stored = verification.counts.iter().map(|counts| counts.stored).sum();
    Ok(Done::now(stored, 0))
}

/// The pieces that are used of an image: where each begins, and its length.
fn used(path: &Path) -> Result<Vec<(u64, usize)>, Failure> {
    let ranges = Image::open(path)?.used()?;
    let pieces = ranges.into_iter().flat_map(|range| {
        let length =
            move |at: u64| usize::try_from(range.end - at).map_or(RECORD, |n| n.min(RECORD));
        (range.start..range.end).step_by(RECORD).map(move |at| (at, length(at)))
    });
    Ok(pieces.collect())
}

/// Sums what is used of an image, one piece read after another.
fn fletcher_4_reading(path: &Path) -> Result<Done, Failure> {
    let (file, pieces) = (File::open(path)?, used(path)?);
    let mut buffer = vec![0; RECORD];
    let (part, (length, sum)) = Part::of(|| {
        let (mut length, mut sum) = (0, 0u64);
        for &(at, size) in &pieces {
            file.read_exact_at(&mut buffer[..size], at)?;
            sum = sum.wrapping_add(fletcher_4(&buffer[..size])[0]);
            length += size as u64;
        }
        Ok((length, sum))
    })?;
    summed(part, length, sum)
}

/// Sums what is used of an image, in memory.
fn fletcher_4_alone(path: &Path) -> Result<Done, Failure> {
    let file = File::open(path)?;
    let mut pieces = Vec::new();
    for (at, size) in used(path)? {
        let mut piece = vec![0; size];
        file.read_exact_at(&mut piece, at)?;
        pieces.push(piece);
    }
    let (part, sum) = Part::of(|| {
        let sums = pieces.iter().map(|piece| fletcher_4(piece)[0]);
        Ok(sums.fold(0u64, u64::wrapping_add))
    })?;
    summed(part, length(&pieces), sum)
}

/// Looks at the sum, so that no compiler leaves it out.
fn summed(part: Part, length: u64, sum: u64) -> Result<Done, Failure> {
    if sum == 0 {
        return Err(Failure::new("the image has only zeros"));
    }
    Ok(Done { part: Some(part), ..Done::now(length, 0) })
}
