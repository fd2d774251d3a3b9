//! Writing a pool, from the records of files to the labels.

use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proto::{Entry, Manifest, Metadata, Mtime, Proto, ProtoPath};

use crate::allocator::Allocator;
use crate::compression::{Codec, Compression};
use crate::device::{Account, Device};
use crate::file_system::{Counts, FileSystem, Written};
use crate::identity::Identity;
use crate::label::{self, Configuration, OVERHEAD};
use crate::mos::{METASLAB_ARRAY, Mos, Space};
use crate::options::{PoolOptions, Size};
use crate::uberblock::Uberblock;
use crate::{Error, Outcome, Report, TreeUsage};

/// No system accepts a smaller device.
const SMALLEST_DEVICE: u64 = 64 << 20;
/// Metaslabs are no smaller than this power of two, as OpenZFS has it.
const SMALLEST_METASLAB: u32 = 24;
/// Larger ones are taken when there would be more than this.
const MANY_METASLABS: u64 = 4096;
/// The rehearsal settles after two or three rounds; every round can only add space maps.
const ROUNDS: usize = 64;

/// An image that is written and does not stand under its name yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    temporary: tempfile::NamedTempFile,
    outcome: Outcome,
    path: PathBuf,
}

impl Draft {
    /// What was written.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Puts the image under its name.
    pub fn keep(self) -> Result<Outcome, Error> {
        let path = &self.path;
        self.temporary.as_file().sync_all().map_err(Error::io("write", path))?;
        self.temporary.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
        Ok(self.outcome)
    }
}

/// Writes the pool image of a proto: a file that appears complete under its name or not at all.
///
/// The same proto and options give the same bytes, whatever the number of threads.
pub fn write(proto: &Proto, options: &PoolOptions, out: &Path) -> Result<Report, Error> {
    write_trees(&[(&options.tree, proto)], options, out)
}

/// Writes a pool image in which several datasets have contents, each given with its name below
/// the pool. Datasets without any are empty file systems.
pub fn write_trees(
    trees: &[(&str, &Proto)],
    options: &PoolOptions,
    out: &Path,
) -> Result<Report, Error> {
    Ok(draft(trees, options, out)?.keep()?.report)
}

/// Writes a pool image beside its name, so that the caller can decide whether to keep it.
pub fn draft(trees: &[(&str, &Proto)], options: &PoolOptions, out: &Path) -> Result<Draft, Error> {
    let directory = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .prefix(".zpool-image.")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(Error::io("write", out))?;
    let outcome = write_at(trees, options, temporary.as_file(), 0, out)?;
    Ok(Draft { temporary, outcome, path: out.to_owned() })
}

/// Writes a pool image into a file, from the byte `start` on, as [`write_trees`] does; what is
/// before `start` stays as it is. The file must be empty from there on, and ends with the image:
/// what is not written stays a hole. Syncing and naming it is left to the caller, who perhaps has a
/// header to put before it. `path` is what errors call the file.
pub fn write_at(
    trees: &[(&str, &Proto)],
    options: &PoolOptions,
    file: &File,
    start: u64,
    path: &Path,
) -> Result<Outcome, Error> {
    Pool { trees, options, path }.build(Some((file, start)))
}

/// Says what [`draft()`] would write, exactly, without writing anything. All files are read (and
/// compressed) for that.
pub fn plan(trees: &[(&str, &Proto)], options: &PoolOptions, out: &Path) -> Result<Outcome, Error> {
    Pool { trees, options, path: out }.build(None)
}

struct Pool<'a> {
    trees: &'a [(&'a str, &'a Proto)],
    options: &'a PoolOptions,
    path: &'a Path,
}

impl Pool<'_> {
    /// Builds it, in a file from a byte on if one is given.
    fn build(&self, file: Option<(&File, u64)>) -> Result<Outcome, Error> {
        self.options.check(self.path)?;
        for (name, _) in self.trees {
            if self.options.dataset_index(name).is_none() {
                let problem = format!("there is no dataset `{name}`");
                return Err(Error::Option { path: self.path.to_owned(), option: "tree", problem });
            }
        }
        let metaslab_shift = self.metaslab_shift();
        let limit = match self.options.size {
            Size::Auto { .. } => u64::MAX,
            Size::Bytes(bytes) => metaslabs_in(bytes, metaslab_shift) << metaslab_shift,
        };
        let mut device = Device {
            allocator: Allocator::new(self.options.ashift, metaslab_shift),
            file: file.map(|(file, _)| (file, self.path)),
            start: file.map_or(0, |(_, start)| start),
            limit,
        };

        let written = self.file_systems(&mut device)?;
        let roots: Vec<_> = written.iter().map(|system| system.root).collect();
        let identity = Identity::new(
            self.options.guid,
            [self.options.name.as_str(), self.options.salt.as_str()],
            roots.iter().map(|root| root.pointer),
        );
        let mos = Mos { options: self.options, datasets: &roots, identity: &identity };
        let features = mos.label_features();

        let version = self.options.version.number();
        let mut configuration = Configuration {
            name: &self.options.name,
            version,
            pool_guid: identity.pool(),
            device_guid: identity.guid("device"),
            metaslab_array: METASLAB_ARRAY,
            metaslab_shift,
            ashift: self.options.ashift,
            asize: 0,
            features: &features,
        };
        let space = self.settle(&mos, &mut configuration, &device)?;
        let smallest = OVERHEAD + ((space.used.len() as u64) << metaslab_shift);
        let size = match self.options.size {
            Size::Auto { .. } => OVERHEAD + (space.metaslabs << metaslab_shift),
            Size::Bytes(given) => {
                let needed = smallest.max(SMALLEST_DEVICE);
                if metaslabs_in(given, metaslab_shift) < space.used.len() as u64
                    || given < SMALLEST_DEVICE
                {
                    return Err(Error::TooSmall { path: self.path.to_owned(), given, needed });
                }
                given
            }
        };
        let (root, own) = mos.write(&configuration, &space, &mut device)?;
        debug_assert_eq!((device.allocator.used(), own), (&space.used[..], space.own));

        let uberblock = Uberblock {
            version,
            guid_sum: configuration.pool_guid.wrapping_add(configuration.device_guid),
            timestamp: self.options.timestamp,
            root,
        };
        if let Some((file, start)) = file {
            file.set_len(start + size).map_err(Error::io("write", self.path))?;
            let list = configuration.label();
            for offset in label::offsets(size) {
                let label = label::build(&list, &uberblock, self.options.ashift, offset);
                file.write_all_at(&label, start + offset).map_err(Error::io("write", self.path))?;
            }
        }

        let allocated = device.allocator.allocated();
        let mut counts = Counts::default();
        let mut account = own;
        for system in &written {
            counts.add(system.counts);
            account.add(system.root.account);
        }
        let report = Report {
            size,
            smallest,
            allocated,
            available: available(space.metaslabs << metaslab_shift, allocated),
            guid: configuration.pool_guid,
            files: counts.files,
            directories: counts.directories,
            objects: counts.objects,
            blocks: account.blocks,
            content: counts.content,
        };
        // The root dataset has no contents; the others are written in the order of the options.
        let usage = self.options.datasets.iter().zip(written.into_iter().skip(1));
        let usage = usage.map(|(dataset, system)| TreeUsage {
            dataset: dataset.name.clone(),
            allocated: system.allocated,
        });
        Ok(Outcome { report, usage: usage.collect() })
    }

    /// Writes the file systems: the root dataset's, then those of the options in their order.
    fn file_systems(&self, device: &mut Device<'_>) -> Result<Vec<Written>, Error> {
        let time = Mtime::from_seconds(self.options.timestamp as i64);
        let root = Entry::directory(Metadata::root(0o755).at(time));
        let empty = Manifest::from_iter([(ProtoPath::root(), root)]);
        let options = self.options;
        let mut write = |tree: Option<&Proto>, record_size: u32, compression: Compression| {
            FileSystem {
                manifest: tree.map_or(&empty, |proto| &proto.manifest),
                contents: tree.map(|proto| &proto.contents),
                record_size,
                data: Codec::data(compression, options),
                metadata: Codec::metadata(compression, options),
            }
            .write(device)
        };
        let mut written = vec![write(None, options.record_size, options.compression)?];
        for dataset in &options.datasets {
            let tree = self.trees.iter().find(|(name, _)| *name == dataset.name);
            let record_size = options.inherited(dataset, |d| d.record_size, options.record_size);
            let compression = options.inherited(dataset, |d| d.compression, options.compression);
            written.push(write(tree.map(|(_, proto)| *proto), record_size, compression)?);
        }
        Ok(written)
    }

    /// Writes the pool's own objects for nothing until what they say of their own space is true.
    fn settle(
        &self,
        mos: &Mos<'_>,
        configuration: &mut Configuration<'_>,
        device: &Device<'_>,
    ) -> Result<Space, Error> {
        let shift = device.allocator.metaslab_shift();
        let mut space =
            Space { metaslabs: 1, used: device.allocator.used().to_vec(), own: Account::default() };
        for _ in 0..ROUNDS {
            configuration.asize = match self.options.size {
                Size::Auto { .. } => space.metaslabs << shift,
                Size::Bytes(bytes) => device_space(bytes),
            };
            let mut rehearsal = device.rehearsal();
            let (_, own) = mos.write(configuration, &space, &mut rehearsal)?;
            let used = rehearsal.allocator.used().to_vec();
            let metaslabs = self.metaslabs(&rehearsal.allocator).max(space.metaslabs);
            let next = Space { metaslabs, used, own };
            if next == space {
                return Ok(space);
            }
            space = next;
        }
        let problem = "the space maps do not settle; please report this".to_owned();
        Err(Error::Option { path: self.path.to_owned(), option: "size", problem })
    }

    /// The number of metaslabs for what is allocated.
    fn metaslabs(&self, allocator: &Allocator) -> u64 {
        let shift = allocator.metaslab_shift();
        let least = allocator.used().len() as u64;
        match self.options.size {
            Size::Bytes(bytes) => metaslabs_in(bytes, shift).max(least),
            Size::Auto { headroom } => {
                let mut metaslabs = least.max((SMALLEST_DEVICE - OVERHEAD).div_ceil(1 << shift));
                while available(metaslabs << shift, allocator.allocated()) < headroom
                    || reserved(metaslabs << shift) + allocator.allocated() > metaslabs << shift
                {
                    metaslabs += 1;
                }
                metaslabs
            }
        }
    }

    /// Metaslabs grow with the device, so that there are not too many. Decided before anything is
    /// written: no block may cross from one to the next.
    fn metaslab_shift(&self) -> u32 {
        let content: u64 = self
            .trees
            .iter()
            .flat_map(|(_, proto)| proto.manifest.iter())
            .filter_map(|(_, entry)| entry.content())
            .fold(0, |sum, content| sum.saturating_add(content.size));
        let expected = match self.options.size {
            Size::Auto { headroom } => content.saturating_add(headroom),
            Size::Bytes(bytes) => content.max(bytes),
        };
        let mut shift = SMALLEST_METASLAB;
        while expected >> shift > MANY_METASLABS {
            shift += 1;
        }
        shift
    }
}

/// Bytes between the labels of a device.
fn device_space(size: u64) -> u64 {
    (size / label::LABEL_SIZE * label::LABEL_SIZE).saturating_sub(OVERHEAD)
}

fn metaslabs_in(size: u64, shift: u32) -> u64 {
    device_space(size) >> shift
}

/// Bytes that ZFS keeps free: a 32nd, at least 128 MiB, but never more than half.
fn reserved(space: u64) -> u64 {
    (space / 32).max((space / 2).min(128 << 20))
}

/// Bytes that can be written after import.
fn available(space: u64, allocated: u64) -> u64 {
    space.saturating_sub(reserved(space)).saturating_sub(allocated)
}
