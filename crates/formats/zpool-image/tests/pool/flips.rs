//! Thousands of flipped bits: each is reported, or was in space that nothing uses.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zpool_image::reader::Image;
use zpool_image::{Compression, Error, Feature, PoolOptions, write};

use crate::generate::{Random, Tree, path};

/// Flips in each image, with the fixed seed and with the random one.
const FLIPS: usize = 320;
/// No flip may keep the reader longer than this, however slow the machine is.
const LONGEST: Duration = Duration::from_secs(60);
/// Set to a number that a failure names, the random flips are those of that failure.
const SEED: &str = "ZPOOL_IMAGE_SEED";

/// An image with everything that is known of it.
struct Subject {
    tree: Tree,
    file: File,
    size: u64,
    used: Vec<Range<u64>>,
    contents: [u8; 32],
}

fn digest(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Everything that can be read, as one digest.
fn read_all(path: &Path) -> Result<[u8; 32], Error> {
    let image = Image::open(path)?;
    let mut hasher = Sha256::new();
    for name in image.datasets() {
        let mut dataset = image.dataset(name)?;
        let manifest = dataset.manifest()?;
        for (path, entry) in manifest.iter() {
            hasher.update(format!("{name} {path} {entry:?}"));
            if entry.content().is_some() {
                match digest(dataset.file(path)?) {
                    Ok(digest) => hasher.update(digest),
                    Err(error) => return Err(error.downcast::<Error>().unwrap()),
                }
            }
        }
    }
    Ok(hasher.finalize().into())
}

fn extract_all(image: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir(to).unwrap();
    let extracted = Image::open(image)
        .and_then(|image| image.dataset("rpool/ROOT/ramdisk")?.extract(&path(""), to).map(|_| ()));
    fs::remove_dir_all(to).unwrap();
    extracted
}

impl Subject {
    fn new(tree: Tree, options: &PoolOptions) -> Self {
        write(&tree.proto, options, &tree.image()).unwrap();
        let image = Image::open(&tree.image()).unwrap();
        assert!(image.verify().unwrap().is_sound());
        let used = image.used().unwrap();
        let contents = read_all(&tree.image()).unwrap();
        let file = File::options().read(true).write(true).open(tree.image()).unwrap();
        let size = file.metadata().unwrap().len();
        Self { tree, file, size, used, contents }
    }

    /// The labels: two at each end.
    fn labels(&self) -> [u64; 4] {
        [0, 256 << 10, self.size - (512 << 10), self.size - (256 << 10)]
    }

    /// Whether the byte says anything.
    fn matters(&self, at: u64) -> bool {
        if let Some(label) = self.labels().into_iter().find(|l| (*l..l + (256 << 10)).contains(&at))
        {
            // Before the boot block there is nothing. An uberblock that is not in use consists of
            // zeros, perhaps with a version or a trailer.
            let within = at - label;
            let ring = within.checked_sub(128 << 10);
            let slot = ring.map(|at| (at / 1024, at % 1024));
            let idle = slot.is_some_and(|(slot, at)| slot != 8 && (at >= 984 || at / 8 == 1));
            return within >= 8 << 10 && !idle;
        }
        self.used.iter().any(|range| range.contains(&at))
    }

    /// A byte in use mostly, in a label at times, and anywhere else.
    fn place(&self, random: &mut Random) -> u64 {
        match random.below(10) {
            0 => random.pick(&self.labels()) + random.below(256 << 10),
            1 => random.below(self.size),
            2 => (4 << 20) + random.below(self.used[0].end - (4 << 20) + 4096),
            _ => {
                let range = random.pick(&self.used);
                range.start + random.below(range.end - range.start)
            }
        }
    }

    /// Flips a bit, looks what the reader says, and flips it back.
    fn flip(&self, at: u64, bit: u64, extract: bool) -> Result<(), String> {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, at).unwrap();
        self.file.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
        let begin = Instant::now();
        let outcome = self.look(at, extract);
        self.file.write_all_at(&byte, at).unwrap();
        match begin.elapsed() {
            long if long > LONGEST => Err(format!("reading took {long:?}")),
            _ => outcome,
        }
    }

    fn look(&self, at: u64, extract: bool) -> Result<(), String> {
        let image = self.tree.image();
        match read_all(&image) {
            Ok(contents) if contents != self.contents => return Err("other contents".to_owned()),
            Ok(_) | Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(format!("not called damaged: {error}")),
        }
        if extract {
            match extract_all(&image, &self.tree.directory.path().join("to")) {
                Ok(()) | Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(format!("not called damaged: {error}")),
            }
        }
        let findings = match Image::open(&image).and_then(|image| image.verify()) {
            Ok(verification) => verification.findings,
            Err(Error::Damaged { .. }) if self.matters(at) => return Ok(()),
            Err(error) => return Err(format!("cannot be verified: {error}")),
        };
        match (self.matters(at), findings.first()) {
            (true, None) => Err("not reported".to_owned()),
            (false, Some(finding)) => Err(format!("nothing is there, but: {finding}")),
            _ => Ok(()),
        }
    }

    fn flips(&self, seed: u64) {
        let mut random = Random(seed);
        let mut counts = [0, 0];
        for round in 0..FLIPS {
            let (at, bit) = (self.place(&mut random), random.below(8));
            counts[usize::from(self.matters(at))] += 1;
            if let Err(problem) = self.flip(at, bit, round % 40 == 0) {
                panic!("{SEED}={seed}: bit {bit} of byte {at} flipped: {problem}");
            }
        }
        assert!(counts[0] > FLIPS / 50 && counts[1] > FLIPS / 2, "{SEED}={seed}: {counts:?}");
    }
}

/// Flips with a fixed seed, and with one that is another every time.
fn damage(tree: Tree, options: &PoolOptions) {
    let subject = Subject::new(tree, options);
    subject.flips(5);
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    subject.flips(given.unwrap_or_else(|| RandomState::new().hash_one(0)));
    assert!(read_all(&subject.tree.image()).unwrap() == subject.contents);
}

fn some_files() -> Tree {
    let mut tree = Tree::new();
    for (index, size) in [0, 10, 700, 20_000, 140_000].into_iter().enumerate() {
        tree.file(format!("file-{index}-{}", "n".repeat(60 * (index % 2))), size, 0o644);
    }
    tree.directory("directory");
    tree.symlink("long", "t".repeat(400));
    tree.hardlink("again", "file-4-");
    tree.device("device", true, 5, 6);
    tree
}

#[test]
fn in_an_image_that_is_not_compressed() {
    damage(some_files(), &PoolOptions::ramdisk());
}

#[test]
fn in_a_compressed_image() {
    let compression = Compression::Gzip(6);
    damage(some_files(), &PoolOptions { compression, ..PoolOptions::ramdisk() });
}

#[test]
fn in_an_image_with_snapshots_and_features() {
    let mut options = PoolOptions { compression: Compression::Lz4, ..PoolOptions::ramdisk() };
    for feature in [Feature::Lz4Compress, Feature::EmbeddedData] {
        options.enable(feature);
    }
    for dataset in &mut options.datasets {
        dataset.snapshot = Some("made".to_owned());
    }
    damage(some_files(), &options);
}

#[test]
fn in_an_image_with_large_directories() {
    let mut tree = Tree::new();
    for index in 0..400 {
        tree.bytes(format!("{index}-{}", "name".repeat(20)), b"");
    }
    tree.symlink("long", "t".repeat(1000));
    damage(tree, &PoolOptions { compression: Compression::Zle, ..PoolOptions::ramdisk() });
}

#[test]
fn in_an_image_with_indirect_blocks() {
    let mut tree = Tree::new();
    tree.file("large", 1_200_000, 0o600);
    let options = PoolOptions { record_size: 512, ..PoolOptions::ramdisk() };
    damage(tree, &options);
}
