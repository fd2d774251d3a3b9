//! Verification counts what is there and names what is damaged; extraction lays out files.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use proto::Kind;
use zpool_image::reader::Image;
use zpool_image::{Compression, Error, PoolOptions, write};

use crate::generate::{Tree, path};

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.directory("a");
    tree.file("a/large", 700_000, 0o640);
    tree.file("a/small", 10, 0o4755);
    tree.hardlink("again", "a/large");
    tree.symlink("link", "a/small");
    tree.device("null", false, 13, 2);
    tree.bytes("a/zeros", &[0; 300_000]);
    tree
}

#[test]
fn everything_is_counted() {
    for compression in [Compression::Off, Compression::Gzip(6)] {
        let tree = tree();
        let options = PoolOptions { compression, ..PoolOptions::ramdisk() };
        let report = write(&tree.proto, &options, &tree.image()).unwrap();
        let verification = Image::open(&tree.image()).unwrap().verify().unwrap();
        assert_eq!(verification.findings, []);
        let counts = &verification.counts;
        let names: Vec<_> = counts.iter().map(|c| c.dataset.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, ["-", "rpool", "rpool/ROOT", "rpool/ROOT/ramdisk"]);
        assert_eq!(counts.iter().map(|c| c.stored).sum::<u64>(), report.allocated);
        assert_eq!(counts.iter().map(|c| c.blocks).sum::<u64>(), report.blocks);
        assert_eq!(counts.iter().skip(1).map(|c| c.objects).sum::<u64>(), report.objects);
        let ramdisk = &counts[3];
        assert_eq!((ramdisk.files, ramdisk.directories, ramdisk.others), (4, 2, 2));
        assert_eq!(ramdisk.content, 1_000_010);
    }
}

/// Flips a byte of a pattern that stands in the image once.
fn damage(tree: &Tree, pattern: &[u8]) {
    let image = fs::read(tree.image()).unwrap();
    let mut found = image.windows(pattern.len()).enumerate().filter(|(_, w)| *w == pattern);
    let (place, _) = found.next().unwrap();
    assert!(found.next().is_none());
    let file = File::options().write(true).open(tree.image()).unwrap();
    file.write_all_at(&[pattern[0] ^ 1], place as u64).unwrap();
}

#[test]
fn damage_is_named_by_dataset_object_and_path() {
    let mut tree = tree();
    tree.bytes("a/marked", b"find me here, there is only one of me");
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    damage(&tree, b"find me here, there is only one of me");
    let image = Image::open(&tree.image()).unwrap();
    let verification = image.verify().unwrap();
    assert_eq!(verification.findings.len(), 1, "{:?}", verification.findings);
    let finding = verification.findings[0].to_string();
    assert!(finding.starts_with("dataset rpool/ROOT/ramdisk, object "), "{finding}");
    assert!(finding.contains(", path a/marked: the block at byte "), "{finding}");

    let mut dataset = image.dataset("rpool/ROOT/ramdisk").unwrap();
    let to = tree.directory.path().join("out");
    fs::create_dir(&to).unwrap();
    let error = dataset.extract(&path(""), &to).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("path a/marked, byte 0: the block"), "{error}");
}

#[test]
fn a_damaged_directory_is_named() {
    let mut tree = tree();
    // The table of a small directory has its names as they are.
    tree.directory("b");
    tree.file("b/a-name-that-is-nowhere-else", 10, 0o644);
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    damage(&tree, b"a-name-that-is-nowhere-else");
    let image = Image::open(&tree.image()).unwrap();
    let findings = image.verify().unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].to_string().contains(", path b: "), "{}", findings[0]);
    let error = image.dataset("rpool/ROOT/ramdisk").unwrap().manifest().unwrap_err();
    assert!(error.to_string().contains(", path b: the block"), "{error}");
}

#[test]
fn an_image_behind_a_header_is_opened() {
    let tree = tree();
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    let behind = tree.directory.path().join("behind");
    let mut file = File::create_new(&behind).unwrap();
    file.write_all(&[7; 4096]).unwrap();
    let bytes = fs::read(tree.image()).unwrap();
    file.write_all(&bytes).unwrap();
    let size = bytes.len() as u64;
    let open = |size| Image::open_part(File::open(&behind).unwrap(), &behind, 4096, size);
    assert!(open(size).unwrap().verify().unwrap().is_sound());
    let error = open(size + 1).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    assert!(open(u64::MAX).is_err());
}

#[test]
fn a_tree_is_laid_out() {
    let tree = tree();
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    let image = Image::open(&tree.image()).unwrap();
    let mut dataset = image.dataset("rpool/ROOT/ramdisk").unwrap();
    let out = |name: &str| {
        let to = tree.directory.path().join(name);
        fs::create_dir(&to).unwrap();
        to
    };

    let to = out("all");
    let extracted = dataset.extract(&path(""), &to).unwrap();
    assert_eq!((extracted.entries, extracted.bytes), (7, 1_000_010));
    assert_eq!(extracted.left_out, [path("null")]);
    for name in ["a/large", "a/small", "a/zeros"] {
        let Kind::File(content) = &tree.proto.manifest.get(&path(name)).unwrap().kind else {
            panic!("{name} is a file")
        };
        let stored = tree.proto.contents.store.path_of(&content.digest.unwrap());
        assert_eq!(fs::read(to.join(name)).unwrap(), fs::read(stored).unwrap());
    }
    let large = fs::metadata(to.join("a/large")).unwrap();
    assert_eq!((large.nlink(), large.mode() & 0o7777), (2, 0o640));
    assert_eq!((large.mtime(), large.mtime_nsec()), (1_700_700_000, 123_456_789));
    assert_eq!(fs::metadata(to.join("a/small")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(to.join("a")).unwrap().mtime(), 1_600_000_001);
    assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("a/small"));
    let zeros = fs::metadata(to.join("a/zeros")).unwrap();
    assert_eq!((zeros.len(), zeros.blocks()), (300_000, 0));

    // A part: the second name of a file whose first name is outside becomes the file.
    let to = out("part");
    assert_eq!(dataset.extract(&path("again"), &to).unwrap().bytes, 700_000);
    assert_eq!(fs::metadata(to.join("again")).unwrap().len(), 700_000);
    let to = out("directory");
    assert_eq!(dataset.extract(&path("a"), &to).unwrap().entries, 4);
    assert!(to.join("small").is_file());
    let error = dataset.extract(&path("nowhere"), &out("none")).unwrap_err();
    assert!(matches!(error, Error::NotThere { .. }), "{error}");
}
