//! Pools that independent programs accept and read.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::{Entry, FileContent, Kind};
use zpool_image::{Compression, Dataset, PoolOptions, Size, plan, write, write_trees};

use crate::generate::{Random, Tree, at, everything, random};
use crate::judge::{grub_reads, grub_reads_at, zdb_accepts, zdb_finds};

#[test]
fn every_kind_of_entry_is_there_and_right() {
    let tree = everything();
    let image = tree.image();
    let report = write(&tree.proto, &PoolOptions::ramdisk(), &image).unwrap();
    assert_eq!(image.metadata().unwrap().len(), report.size);
    zdb_accepts(&image, "everything");
    zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
    grub_reads(&image, "ROOT/ramdisk", &tree);
}

#[test]
fn compressed_records_are_read_back() {
    let mut tree = Tree::new();
    for size in [0, 1, 600, 5000, 131_072, 131_073, 9_000_000] {
        tree.file(format!("file {size}").replace(' ', "-"), size, 0o644);
    }
    tree.symlink("link", "z".repeat(700));
    let plain = write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    let options = PoolOptions { compression: Compression::Gzip(9), ..PoolOptions::ramdisk() };
    let image = tree.image();
    let report = write(&tree.proto, &options, &image).unwrap();
    assert!(report.allocated < plain.allocated * 9 / 10);
    zdb_accepts(&image, "gzip-9");
    zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
    grub_reads(&image, "ROOT/ramdisk", &tree);
}

/// Random trees in random datasets; one fixed pool and one that is new each time.
#[test]
fn random_pools_are_sound() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    for seed in [1, now] {
        println!("seed {seed}");
        let mut source = Random(seed);
        let mut options = PoolOptions::ramdisk();
        options.ashift = source.pick(&[9, 10, 11, 12, 13]);
        options.compression = source.pick(&[Compression::Off, Compression::Gzip(6)]);
        options.salt = source.next().to_string();
        let names: Vec<String> = (0..source.below(4)).map(|i| format!("ROOT/d{i}")).collect();
        for name in &names {
            let mut dataset = Dataset::new(name).mountpoint(&format!("/export/{name}"));
            let level = source.below(10) as u8;
            dataset.compression =
                source.pick(&[None, Some(Compression::Off), Some(Compression::Gzip(level.max(1)))]);
            dataset.record_size = source.pick(&[None, Some(4096), Some(512), Some(65_536)]);
            options.datasets.push(dataset);
        }
        let trees: Vec<_> = options.datasets.iter().map(|_| random(&mut source)).collect();
        let named: Vec<_> =
            options.datasets.iter().zip(&trees).map(|(d, t)| (d.name.as_str(), &t.proto)).collect();
        let image = trees[0].image();
        write_trees(&named, &options, &image).unwrap();
        let case = format!("seed {seed}");
        zdb_accepts(&image, &case);
        let last = &named[named.len() - 1];
        zdb_finds(&image, &format!("rpool/{}", last.0), &last.1.manifest);
        grub_reads(&image, named[1].0, &trees[1]);
    }
}

#[test]
fn a_file_over_4_gib_keeps_its_holes() {
    let mut tree = Tree::new();
    let root = tree.directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let file = File::create(root.join("large")).unwrap();
    let size = (5 << 30) + 17;
    file.set_len(size).unwrap();
    file.write_all_at(b"in the middle", (4 << 30) - 5).unwrap();
    file.write_all_at(b"the very end", size - 12).unwrap();
    tree.proto.contents.tree = Some(root);
    let content = FileContent { size, digest: None };
    tree.add("large", Entry::new(Kind::File(content), at(0o644, 1)));
    let image = tree.image();
    let report = write(&tree.proto, &PoolOptions::ramdisk(), &image).unwrap();
    assert!(report.allocated < 4 << 20, "{report:?}");
    zdb_accepts(&image, "a large file");
    zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
    for (place, text) in [((4 << 30) - 5, "in the middle"), (size - 12, "the very end")] {
        let read = grub_reads_at(&image, "ROOT/ramdisk/@/large", place, text.len());
        assert!(read.is_none_or(|read| read == text), "{text}");
    }
}

#[test]
fn the_plan_is_what_is_written() {
    let tree = random(&mut Random(3));
    let mut options = PoolOptions::ramdisk();
    for size in [Size::Auto { headroom: 0 }, Size::Auto { headroom: 500 << 20 }] {
        options.size = size;
        let planned =
            plan(&[(&options.tree, &tree.proto)], &options, &tree.image()).unwrap().report;
        assert!(!tree.image().exists());
        assert_eq!(planned, write(&tree.proto, &options, &tree.image()).unwrap());
        let Size::Auto { headroom } = size else { unreachable!() };
        assert!(planned.available >= headroom);
        fs::remove_file(tree.image()).unwrap();
    }
}

#[test]
fn a_pool_can_be_as_small_as_the_plan_says() {
    let mut tree = Tree::new();
    tree.file("large", 80 << 20, 0o644);
    let mut options = PoolOptions::ramdisk();
    options.size = Size::Bytes(
        plan(&[(&options.tree, &tree.proto)], &options, &tree.image()).unwrap().report.smallest,
    );
    let report = write(&tree.proto, &options, &tree.image()).unwrap();
    assert_eq!(Size::Bytes(report.size), options.size);
    zdb_accepts(&tree.image(), "the smallest pool");
}
