//! Trees to write: generated, so that the repository holds no large files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use proto::{Device, Entry, FileContent, Kind, Metadata, Mtime, Proto, ProtoPath, Store};

/// A generator of numbers: the same for the same seed, everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// Bytes of a file, made while they are read: noise, text and zeros in turn.
struct Stream {
    random: Random,
    left: u64,
    chunk: Vec<u8>,
    position: usize,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.chunk.len() {
            let length = (1 + self.random.below(400_000)).min(self.left) as usize;
            self.chunk.clear();
            match self.random.below(4) {
                0 => self.chunk.resize(length, 0),
                1 => self.chunk.extend(b"all work and no play ".iter().cycle().take(length)),
                _ => {
                    while self.chunk.len() < length {
                        self.chunk.extend_from_slice(&self.random.next().to_le_bytes());
                    }
                    self.chunk.truncate(length);
                }
            }
            self.left -= length as u64;
            self.position = 0;
        }
        let count = buffer.len().min(self.chunk.len() - self.position);
        buffer[..count].copy_from_slice(&self.chunk[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

/// What the bytes of a file are like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fill {
    Noise,
    Text,
    Zeros,
    /// Noise with so many zeros that compression saves just about the eighth that it must.
    Eighth,
    /// Stretches of the others.
    Mixed,
}

impl Fill {
    pub(crate) const ALL: [Self; 5] =
        [Self::Noise, Self::Text, Self::Zeros, Self::Eighth, Self::Mixed];

    /// So many bytes.
    pub(crate) fn bytes(self, size: u64, seed: u64) -> Vec<u8> {
        let mut random = Random(seed);
        let mut bytes = vec![0; size as usize];
        match self {
            Self::Zeros => {}
            Self::Text => {
                for (byte, letter) in bytes.iter_mut().zip(b"all work and no play ".iter().cycle())
                {
                    *byte = *letter;
                }
            }
            Self::Noise => fill(&mut random, &mut bytes),
            Self::Eighth => {
                let zeros = size / 8 + random.below(size / 64 + 2);
                fill(&mut random, &mut bytes[zeros.min(size) as usize..]);
            }
            Self::Mixed => {
                for stretch in bytes.chunks_mut(1 + random.below(50_000) as usize) {
                    let of = random.pick(&Self::ALL[..4]);
                    stretch.copy_from_slice(&of.bytes(stretch.len() as u64, random.next()));
                }
            }
        }
        bytes
    }
}

fn fill(random: &mut Random, bytes: &mut [u8]) {
    for word in bytes.chunks_mut(8) {
        word.copy_from_slice(&random.next().to_le_bytes()[..word.len()]);
    }
}

/// A proto in a directory of its own.
pub(crate) struct Tree {
    pub(crate) proto: Proto,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn path(text: impl AsRef<[u8]>) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

pub(crate) fn at(mode: u32, seconds: i64) -> Metadata {
    Metadata::owned(mode, 101, 202).at(Mtime { seconds, nanoseconds: 123_456_789 })
}

impl Tree {
    /// A tree with nothing but its root.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(directory.path().join("store")).unwrap();
        let mut tree = Self { proto: Proto::new(store), directory };
        tree.add("", Entry::directory(at(0o755, 1_600_000_000)));
        tree
    }

    pub(crate) fn add(&mut self, name: impl AsRef<[u8]>, entry: Entry) {
        self.proto.manifest.insert(path(name), entry).unwrap();
    }

    pub(crate) fn directory(&mut self, name: impl AsRef<[u8]>) {
        self.add(name, Entry::directory(at(0o755, 1_600_000_001)));
    }

    /// A file with generated contents.
    pub(crate) fn file(&mut self, name: impl AsRef<[u8]>, size: u64, mode: u32) {
        let seed = Random(size ^ u64::from(mode) << 40 ^ name.as_ref().len() as u64);
        let stream = Stream { random: seed, left: size, chunk: Vec::new(), position: 0 };
        let content = self.proto.contents.store.add(stream).unwrap();
        assert_eq!(content.size, size);
        self.add(name, Entry::new(Kind::File(content), at(mode, 1_700_000_000 + size as i64)));
    }

    /// Stores bytes for a file.
    pub(crate) fn content(&self, size: u64, fill: Fill, seed: u64) -> FileContent {
        self.proto.contents.store.add_bytes(&fill.bytes(size, seed)).unwrap()
    }

    /// A new file at the place of a path on disk, beside the store.
    pub(crate) fn on_disk(&mut self, name: &str) -> File {
        let root = self.directory.path().join("root");
        let file = path(name).below(&root);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        self.proto.contents.tree = Some(root);
        File::create_new(file).unwrap()
    }

    pub(crate) fn bytes(&mut self, name: impl AsRef<[u8]>, bytes: &[u8]) -> FileContent {
        let content = self.proto.contents.store.add_bytes(bytes).unwrap();
        self.add(name, Entry::new(Kind::File(content.clone()), at(0o644, 1_700_000_000)));
        content
    }

    pub(crate) fn symlink(&mut self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) {
        self.add(name, Entry::symlink(target, at(0o777, 1_650_000_000)));
    }

    pub(crate) fn hardlink(&mut self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) {
        self.add(name, Entry::hardlink(path(target), Metadata::root(0o644)));
    }

    pub(crate) fn device(&mut self, name: &str, block: bool, major: u32, minor: u32) {
        let device = Device { major, minor };
        let kind = if block { Kind::BlockDevice(device) } else { Kind::CharacterDevice(device) };
        self.add(name, Entry::new(kind, at(0o600, 1_500_000_000)));
    }

    /// Lays files and directories out below a directory, readable whatever their modes say.
    pub(crate) fn lay_out(&self, root: &Path) {
        for (path, entry) in self.proto.manifest.iter() {
            let on_disk = path.below(root);
            let (path, entry) = match &entry.kind {
                Kind::Hardlink { target } => (target, self.proto.manifest.get(target).unwrap()),
                _ => (path, entry),
            };
            match &entry.kind {
                Kind::Directory => fs::create_dir(&on_disk).unwrap(),
                Kind::File(content) => {
                    fs::hard_link(self.proto.contents.locate(path, content).unwrap(), on_disk)
                        .unwrap();
                }
                _ => {}
            }
        }
    }

    /// A place for an image.
    pub(crate) fn image(&self) -> PathBuf {
        self.directory.path().join("zfs.img")
    }
}

/// Every kind of entry, at the limits of what is stored in different ways.
pub(crate) fn everything() -> Tree {
    let mut tree = Tree::new();
    tree.directory("many");
    for index in 0..3000u64 {
        // 60 bytes: too long for the small form of a directory. GRUB opens every file through the
        // whole directory, which takes long: some are enough.
        match index % 10 {
            0 => tree.file(format!("many/{index:060}"), index % 700, 0o644),
            _ => tree.symlink(format!("many/{index:060}"), "../sizes/513"),
        }
    }
    tree.directory("numbered");
    for index in 0..2000 {
        // Short names, few enough for the small form at its full size.
        tree.symlink(format!("numbered/{index}"), "../sizes/513");
    }
    tree.directory("names");
    for length in [1, 48, 49, 50, 255] {
        tree.file(format!("names/{}", "n".repeat(length)), length as u64, 0o644);
    }
    tree.file(b"names/\xff\xfe latin \xe9", 3, 0o644);
    tree.file("names/ünïcödé 漢字", 4, 0o644);
    tree.directory("sizes");
    let record = 128 << 10;
    let sizes = [0, 1, 511, 512, 513, 4095, 4097, record - 1, record, record + 1, 2 * record];
    for size in sizes.into_iter().chain([33 * record + 7, 200 << 20]) {
        tree.file(format!("sizes/{size}"), size, 0o644);
    }
    tree.bytes("sizes/zeros", &vec![0; 3 * 131_072 + 1]);
    tree.directory("modes");
    for mode in (0..0o1000).chain([0o1777, 0o2755, 0o4755, 0o7777, 0o6000]) {
        tree.file(format!("modes/{mode:04o}"), 0, mode);
    }
    for mode in [0o000, 0o070, 0o571, 0o1777, 0o2770] {
        tree.add(format!("modes/d{mode:04o}"), Entry::directory(at(mode, 1_600_000_002)));
    }
    tree.directory("links");
    for length in [1, 100, 143, 144, 145, 500, 1000] {
        tree.symlink(format!("links/{length}"), "x".repeat(length));
    }
    tree.hardlink("links/hard", "sizes/131073");
    tree.hardlink("hard", "sizes/131073");
    tree.directory("devices");
    tree.device("devices/null", false, 1, 3);
    tree.device("devices/disk", true, 259, 70_000);
    tree.add("devices/pipe", Entry::new(Kind::Fifo, at(0o640, -5)));
    tree.add("devices/socket", Entry::new(Kind::Socket, at(0o666, 0)));
    let mut deep = "deep".to_owned();
    for _ in 0..40 {
        tree.directory(&deep);
        deep.push_str("/deeper");
    }
    tree.directory("empty");
    tree
}

/// A small tree of random shape.
pub(crate) fn random(random: &mut Random) -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![String::new()];
    let mut files: Vec<String> = Vec::new();
    for index in 0..random.below(300) {
        let parent = random.pick(&directories);
        let name = "abcdefghij".repeat(random.pick(&[0, 0, 0, 1, 3, 5, 24]));
        let name = format!("{parent}{name}{index}");
        if name.len() > 900 {
            continue;
        }
        match random.below(12) {
            0 | 1 => {
                tree.directory(&name);
                directories.push(format!("{name}/"));
            }
            2 => tree.symlink(&name, "y".repeat(1 + random.below(300) as usize)),
            3 if !files.is_empty() => tree.hardlink(&name, random.pick(&files)),
            4 => tree.device(&name, index % 2 == 0, index as u32, 7),
            _ => {
                let size = match random.below(8) {
                    0 => random.below(3_000_000),
                    1 => random.below(8) * 4096,
                    _ => random.below(5000),
                };
                tree.file(&name, size, random.below(0o10000) as u32);
                files.push(name);
            }
        }
    }
    tree
}
