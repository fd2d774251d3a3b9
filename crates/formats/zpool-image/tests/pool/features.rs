//! Versions, features and snapshots.

use proto::{Entry, FileContent};
use zpool_image::reader::Image;
use zpool_image::{Compression, Feature, PoolOptions, Version, draft, write};

use crate::generate::{Tree, everything};
use crate::judge::{grub_reads, zdb_accepts, zdb_finds};

fn accepted(tree: &Tree, options: &PoolOptions, case: &str) -> u64 {
    let image = tree.image();
    let report = write(&tree.proto, options, &image).unwrap();
    zdb_accepts(&image, case);
    zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
    let verification = Image::open(&image).unwrap().verify().unwrap();
    assert!(verification.is_sound(), "{case}: {:?}", verification.findings);
    report.allocated
}

#[test]
fn version_28_is_written() {
    let tree = everything();
    for compression in [Compression::Off, Compression::Zle, Compression::Gzip(9)] {
        let options = PoolOptions { version: Version::V28, compression, ..PoolOptions::ramdisk() };
        accepted(&tree, &options, &format!("version 28, {compression}"));
        grub_reads(&tree.image(), "ROOT/ramdisk", &tree);
    }
}

#[test]
fn lz4_alone_and_all_features_together() {
    let tree = everything();
    let mut options = PoolOptions::ramdisk();
    options.enable(Feature::Lz4Compress);
    options.compression = Compression::Lz4;
    accepted(&tree, &options, "lz4");
    Feature::all().for_each(|feature| options.enable(feature));
    accepted(&tree, &options, "all features");
    grub_reads(&tree.image(), "ROOT/ramdisk", &tree);
}

#[test]
fn small_blocks_take_no_space() {
    let mut tree = Tree::new();
    for number in 0..2000 {
        tree.file(format!("small-{number}"), number % 90, 0o644);
    }
    let mut options = PoolOptions { compression: Compression::Gzip(9), ..PoolOptions::ramdisk() };
    let without = accepted(&tree, &options, "without embedded data");
    options.enable(Feature::EmbeddedData);
    let with = accepted(&tree, &options, "embedded data");
    assert!(with * 2 < without, "{with} of {without}");
    grub_reads(&tree.image(), "ROOT/ramdisk", &tree);
}

#[test]
fn large_records() {
    let mut tree = Tree::new();
    for size in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000] {
        tree.file(format!("file-{size}"), size, 0o644);
    }
    for compression in [Compression::Off, Compression::Gzip(1)] {
        let mut options =
            PoolOptions { record_size: 1 << 20, compression, ..PoolOptions::ramdisk() };
        options.enable(Feature::LargeBlocks);
        options.datasets[1].snapshot = Some("made".to_owned());
        accepted(&tree, &options, "large blocks");
    }
}

#[test]
fn snapshots_share_everything() {
    let tree = everything();
    let mut options = PoolOptions::ramdisk();
    let without = accepted(&tree, &options, "no snapshot");
    for dataset in &mut options.datasets {
        dataset.snapshot = Some("made".to_owned());
    }
    let with = accepted(&tree, &options, "snapshots");
    assert!(with < without + (64 << 10), "{with} instead of {without}");
    zdb_finds(&tree.image(), "rpool/ROOT/ramdisk@made", &tree.proto.manifest);
}

#[test]
fn a_draft_that_is_not_kept_leaves_nothing() {
    let tree = everything();
    let options = PoolOptions::ramdisk();
    let image = tree.image();
    let trees = [(options.tree.as_str(), &tree.proto)];
    let before = std::fs::read_dir(image.parent().unwrap()).unwrap().count();
    let one = draft(&trees, &options, &image).unwrap();
    let usage = one.outcome().usage.iter().find(|u| u.dataset == "ROOT/ramdisk").unwrap();
    assert_eq!(usage.allocated.len(), tree.proto.manifest.len());
    for ((path, entry), allocated) in tree.proto.manifest.iter().zip(&usage.allocated) {
        match entry {
            Entry { kind: proto::Kind::File(FileContent { size, .. }), .. } => {
                assert!(*allocated <= 2 * size + 512, "{path}");
            }
            entry if entry.is_directory() => assert!(*allocated > 0, "{path}"),
            _ => {}
        }
    }
    drop(one);
    assert_eq!(std::fs::read_dir(image.parent().unwrap()).unwrap().count(), before);
}
