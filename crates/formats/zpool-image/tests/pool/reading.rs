//! Images are read back as they were written, and damage is found.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use proto::ProtoPath;
use sha2::{Digest as _, Sha256};
use zpool_image::reader::Image;
use zpool_image::{Compression, Error, PoolOptions, write};

use crate::generate::{Random, Tree, everything, random};
use crate::judge::reader_reads;

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

#[test]
fn what_was_written_is_read_back() {
    for (tree, compression) in
        [(everything(), Compression::Off), (random(&mut Random(21)), Compression::Gzip(9))]
    {
        let options = PoolOptions { compression, ..PoolOptions::ramdisk() };
        let report = write(&tree.proto, &options, &tree.image()).unwrap();
        let image = Image::open(&tree.image()).unwrap();
        assert_eq!((image.name(), image.guid()), ("rpool", report.guid));
        let datasets: Vec<_> = image.datasets().collect();
        assert_eq!(datasets, ["rpool", "rpool/ROOT", "rpool/ROOT/ramdisk"]);
        reader_reads(&image, "rpool/ROOT/ramdisk", &tree.proto);
        let mut dataset = image.dataset("rpool/ROOT/ramdisk").unwrap();
        let missing = dataset.file(&ProtoPath::new("no/such").unwrap()).unwrap_err();
        assert!(missing.to_string().ends_with("there is no no/such"), "{missing}");
        let missing = image.dataset("rpool/x").unwrap_err();
        assert!(missing.to_string().ends_with("there is no dataset rpool/x"), "{missing}");
    }
}

#[test]
fn what_is_no_image_is_named_so() {
    let tree = Tree::new();
    for bytes in [vec![], vec![0; 100], vec![7; 6 << 20]] {
        fs::write(tree.image(), bytes).unwrap();
        let error = Image::open(&tree.image()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
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
            hasher.update(format!("{path} {entry:?}"));
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

/// Thousands of flipped bits: each is reported, or was in space that does not matter.
#[test]
fn a_flipped_bit_never_gives_a_wrong_answer() {
    let mut tree = Tree::new();
    for (index, size) in [0, 10, 700, 20_000, 140_000].into_iter().enumerate() {
        tree.file(format!("file-{index}-{}", "n".repeat(60 * (index % 2))), size, 0o644);
    }
    tree.symlink("long", "t".repeat(400));
    tree.hardlink("again", format!("file-{}-", 4));
    let options = PoolOptions { compression: Compression::Gzip(6), ..PoolOptions::ramdisk() };
    let report = write(&tree.proto, &options, &tree.image()).unwrap();
    let right = read_all(&tree.image()).unwrap();

    let file = File::options().read(true).write(true).open(tree.image()).unwrap();
    let mut random = Random(5);
    let mut found = 0;
    for round in 0..2000 {
        // Labels in some rounds, what the pool holds in the others.
        let place = match round % 8 {
            0 => random.below(512 << 10),
            _ => (4 << 20) + random.below(report.allocated),
        };
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        let flipped = [byte[0] ^ 1 << random.below(8)];
        file.write_all_at(&flipped, place).unwrap();
        match read_all(&tree.image()) {
            Ok(read) => assert_eq!(read, right, "a flip at {place}"),
            Err(Error::Damaged { .. }) => found += 1,
            Err(error) => panic!("a flip at {place}: {error}"),
        }
        file.write_all_at(&byte, place).unwrap();
    }
    assert!(found > 100, "{found}");
}
