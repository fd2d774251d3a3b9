//! Pools drawn at random from everything that can be chosen: options, datasets, trees.
//!
//! Each choice is one line with its possible values, so that a new one is a line more.

use std::os::unix::fs::FileExt;

use proto::{Device, Entry, FileContent, Kind, Metadata, Mtime, ProtoPath};
use zpool_image::{
    CanMount, Compression, Dataset, Effort, Failmode, Feature, PoolOptions, Property, Size, Version,
};

use crate::generate::{Fill, Random, Tree};

/// A pool to write: its options, and the trees of its datasets by name below the pool.
pub(crate) struct Drawn {
    pub(crate) options: PoolOptions,
    pub(crate) trees: Vec<(String, Tree)>,
}

/// Compressions that every pool can have, and those that are there with a feature.
const COMPRESSIONS: [Compression; 7] = [
    Compression::Off,
    Compression::Zle,
    Compression::Gzip(1),
    Compression::Gzip(5),
    Compression::Gzip(6),
    Compression::Gzip(9),
    Compression::Lz4,
];
const RECORD_SIZES: [u32; 7] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 1 << 20];

/// What is left of the choices without a feature.
fn possible(options: &PoolOptions) -> (Vec<Compression>, Vec<u32>) {
    let lz4 = options.has(Feature::Lz4Compress);
    let large = options.has(Feature::LargeBlocks);
    (
        COMPRESSIONS.into_iter().filter(|c| lz4 || *c != Compression::Lz4).collect(),
        RECORD_SIZES.into_iter().filter(|size| large || *size <= 128 << 10).collect(),
    )
}

/// The pool of a seed.
pub(crate) fn pool(seed: u64) -> Drawn {
    let mut random = Random(seed);
    let random = &mut random;
    let mut options = PoolOptions::ramdisk();
    options.name = random.pick(&["rpool", "rpool", "tank-1_2.3:4"]).to_owned();
    options.ashift = random.pick(&[9, 9, 10, 11, 12, 13]);
    options.version = random.pick(&[Version::V28, Version::V5000, Version::V5000, Version::V5000]);
    if options.version == Version::V5000 {
        let likely = random.pick(&[0, 1, 3, 6]);
        Feature::all().filter(|_| random.below(6) < likely).for_each(|f| options.enable(f));
    }
    let (compressions, record_sizes) = possible(&options);
    options.compression = random.pick(&compressions);
    options.record_size = random.pick(&record_sizes);
    options.effort = random.pick(&[Effort::Dense, Effort::Fast]);
    options.guid = random.pick(&[None, None, Some(0x1234_5678_9abc_def0)]);
    options.failmode = random.pick(&[Failmode::Wait, Failmode::Continue, Failmode::Panic]);
    options.autoexpand = random.pick(&[true, false]);
    options.timestamp = random.pick(&[0, 1_700_000_000, 5_000_000_000]);
    options.salt = random.pick(&["", "salt"]).to_owned();
    options.size = match random.below(4) {
        0 => Size::Bytes((300 << 20) + random.below(700_000)),
        _ => Size::Auto { headroom: random.pick(&[0, 32 << 20, 100 << 20]) },
    };
    datasets(random, &mut options);
    options.bootfs = random.pick(&[None, Some("ROOT/ramdisk".to_owned())]);

    let mut trees = Vec::new();
    for dataset in &options.datasets {
        // The first two are the way to the boot environment, which always has a tree.
        if dataset.name == "ROOT/ramdisk" || random.below(3) > 0 && dataset.name != "ROOT" {
            trees.push((dataset.name.clone(), tree(random, record_size(&options, &dataset.name))));
        }
    }
    Drawn { options, trees }
}

/// Further datasets, with properties of every kind.
fn datasets(random: &mut Random, options: &mut PoolOptions) {
    let (compressions, record_sizes) = possible(options);
    for index in 0..random.below(4) {
        let parent = random.pick(&["", "ROOT/", "ROOT/ramdisk/"]);
        let mut dataset = Dataset::new(format!("{parent}data-{index}"));
        dataset.compression = Some(random.pick(&compressions)).filter(|_| random.below(2) == 0);
        dataset.record_size = Some(random.pick(&record_sizes)).filter(|_| random.below(2) == 0);
        dataset = match random.below(4) {
            0 => dataset.mountpoint("legacy"),
            1 => dataset.mountpoint("none"),
            2 => dataset.mountpoint(&format!("/export/{index} with space")),
            _ => dataset,
        };
        dataset = match random.below(4) {
            0 => dataset.can_mount(CanMount::Off),
            1 => dataset.can_mount(CanMount::On),
            2 => dataset.can_mount(CanMount::NoAuto),
            _ => dataset,
        };
        for (name, value) in [
            ("com.example:empty", Property::Text(String::new())),
            ("com.example:text", Property::Text("word ".repeat(random.below(200) as usize))),
            ("com.example:ümlaut", Property::Text("größer 漢字".to_owned())),
            ("org.opensolaris.libbe:uuid", Property::Uuid),
            ("readonly", Property::Number(1)),
            ("atime", Property::Number(0)),
        ] {
            if random.below(3) == 0 {
                dataset = dataset.property(name, value);
            }
        }
        options.datasets.push(dataset);
    }
    for dataset in &mut options.datasets {
        dataset.snapshot = random.pick(&[None, None, Some("install".to_owned())]);
    }
}

/// The record size that a dataset has or inherits.
pub(crate) fn record_size(options: &PoolOptions, name: &str) -> u32 {
    let mut name = Some(name);
    while let Some(here) = name {
        let dataset = options.datasets.iter().find(|dataset| dataset.name == here);
        if let Some(size) = dataset.and_then(|dataset| dataset.record_size) {
            return size;
        }
        name = here.rsplit_once('/').map(|(parent, _)| parent);
    }
    options.record_size
}

/// Any metadata that an entry can have.
fn metadata(random: &mut Random) -> Metadata {
    let ids = [0, 0, 1, 101, 60_001, 65_535, 65_536, (1 << 31) + 1, u32::MAX - 1];
    let mode = match random.below(3) {
        0 => random.below(0o10000) as u32,
        1 => 0o755,
        _ => 0o644,
    };
    let seconds =
        [0, -1, -(1 << 31) - 1, -(1 << 34), (1 << 31) - 1, 1 << 32, (1 << 32) + 7, 1 << 36];
    let seconds = match random.below(2) {
        0 => random.pick(&seconds),
        _ => 1_500_000_000 + random.below(300_000_000) as i64,
    };
    let any = random.below(1_000_000_000) as u32;
    let nanoseconds = random.pick(&[0, 1, 999_999_999, any]);
    Metadata::owned(mode, random.pick(&ids), random.pick(&ids)).at(Mtime { seconds, nanoseconds })
}

/// Bytes that no drawn name has; a test of its own has all that a name can have.
const OTHER: &[u8] = b"\0/\n\r\t'";

/// A name of its own (by `index`) of some length and encoding.
fn name(random: &mut Random, index: u64) -> Vec<u8> {
    let index = index.to_string().into_bytes();
    let length = random.pick(&[0, 0, 0, 5, 20, 42, 43, 44, 45, 46, 100, 255]);
    let mut name: Vec<u8> = match random.below(6) {
        // Every byte but NUL and `/`, and what ends lines, columns and words for judges.
        0 => (0..length).map(|_| random.next() as u8).filter(|b| !OTHER.contains(b)).collect(),
        1 => "größe-漢字-".as_bytes().iter().copied().cycle().take(length).collect(),
        2 => b" .-~#".iter().copied().cycle().take(length).collect(),
        _ => b"abcdefghij".iter().copied().cycle().take(length).collect(),
    };
    name.truncate(255 - 1 - index.len());
    name.push(b'_');
    name.extend(index);
    name
}

/// A tree with something of everything, its files around the limits of a record size.
pub(crate) fn tree(random: &mut Random, record_size: u32) -> Tree {
    let mut tree = Tree::new();
    tree.proto.manifest.replace(ProtoPath::root(), Entry::directory(metadata(random)));
    few_of_everything(random, &mut tree);
    for part in [sizes, sparse_files, full_directory, links, modes] {
        if random.below(2) == 0 {
            part(random, &mut tree, record_size.into());
        }
    }
    tree
}

/// Entries of all types in directories in directories.
fn few_of_everything(random: &mut Random, tree: &mut Tree) {
    let mut directories: Vec<Vec<u8>> = vec![Vec::new()];
    let mut files: Vec<Vec<u8>> = Vec::new();
    for index in 0..random.below(150) {
        let mut path = random.pick(&directories);
        path.extend(name(random, index));
        if path.len() > 700 {
            continue;
        }
        let numbers = Device { major: random.pick(&[0, 1, 13, 16_383]), minor: index as u32 };
        let entry = match random.below(14) {
            0 | 1 => {
                let mut below = path.clone();
                below.push(b'/');
                directories.push(below);
                Entry::directory(metadata(random))
            }
            2 => Entry::symlink(link_text(1 + random.below(300)), metadata(random)),
            3 if !files.is_empty() => {
                tree.hardlink(&path, random.pick(&files));
                continue;
            }
            4 => Entry::new(Kind::BlockDevice(numbers), metadata(random)),
            5 => Entry::new(Kind::CharacterDevice(numbers), metadata(random)),
            6 => Entry::new(Kind::Fifo, metadata(random)),
            7 => Entry::new(Kind::Socket, metadata(random)),
            _ => {
                let size = random.below(8000);
                let fill = random.pick(&Fill::ALL);
                files.push(path.clone());
                Entry::new(Kind::File(tree.content(size, fill, random.next())), metadata(random))
            }
        };
        tree.add(&path, entry);
    }
}

/// Files around the sizes at which they are stored differently.
fn sizes(random: &mut Random, tree: &mut Tree, record: u64) {
    tree.directory("sizes");
    let mut add = |size: u64, fill: Fill| {
        let content = tree.content(size, fill, random.next());
        let path = format!("sizes/{size}-{fill:?}");
        tree.add(path, Entry::new(Kind::File(content), metadata(random)));
    };
    for size in [0, 1, 112, 113, 511, 512, 513, record - 1, record, record + 1] {
        for fill in Fill::ALL {
            add(size, fill);
        }
    }
    // Small records: more of them than one smallest indirect block points to.
    for size in [2 * record, (33 * record + 7).min(4 << 20)] {
        add(size, Fill::Mixed);
    }
}

/// Files with holes, on disk, without known digests.
fn sparse_files(random: &mut Random, tree: &mut Tree, record: u64) {
    tree.directory("sparse");
    for index in 0..3 {
        let path = format!("sparse/{index}");
        let file = tree.on_disk(&path);
        let size = random.below(600 * record);
        file.set_len(size).unwrap();
        for _ in 0..random.below(4) {
            let place = random.below(size + 1);
            let length = (size - place).min(random.below(3 * record)) as usize;
            file.write_all_at(&vec![7; length], place).unwrap();
        }
        let content = FileContent { size, digest: None };
        tree.add(path, Entry::new(Kind::File(content), metadata(random)));
    }
}

/// A directory around the limit of its small form, or far beyond.
fn full_directory(random: &mut Random, tree: &mut Tree, _: u64) {
    let count = random.pick(&[0, 1, 2, 100, 2046, 2047, 2048, 2049, 3000]);
    let length = random.pick(&[5, 49, 50, 120, 255]);
    tree.add("full", Entry::directory(metadata(random)));
    for index in 0..count {
        let name = format!("full/{index:0length$}");
        match index % 4 {
            0 => tree.add(name, Entry::new(Kind::Fifo, metadata(random))),
            _ => tree.add(name, Entry::symlink("x", metadata(random))),
        }
    }
}

/// Link texts around the limit of what stands beside the other attributes.
fn links(random: &mut Random, tree: &mut Tree, _: u64) {
    tree.directory("links");
    for length in [1, 143, 144, 145, 146, 400, 1023] {
        let entry = Entry::symlink(link_text(length), metadata(random));
        tree.add(format!("links/{length}"), entry);
    }
}

fn link_text(length: u64) -> Vec<u8> {
    b"../with space/\xe9\xff/".iter().copied().cycle().take(length as usize).collect()
}

/// Every mode of a file and of a directory.
fn modes(random: &mut Random, tree: &mut Tree, _: u64) {
    tree.directory("modes");
    for mode in (0..0o10000).skip(random.below(16) as usize).step_by(16) {
        let entry = match mode / 16 % 2 {
            0 => Entry::directory(Metadata::root(mode)),
            _ => Entry::new(Kind::File(tree.content(0, Fill::Zeros, 0)), Metadata::root(mode)),
        };
        tree.add(format!("modes/{mode:04o}"), entry);
    }
}
