//! Pools that independent programs accept and read.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt;

use proto::{Entry, FileContent, Kind};
use zpool_image::reader::Image;
use zpool_image::{Compression, Feature, PoolOptions, Size, plan, write};

use crate::generate::{Fill, Random, Tree, at, everything, path, random};
use crate::judge::{
    as_read, grub_reads, grub_reads_at, reader_reads, zdb_accepts, zdb_finds, zdb_finds_no_leaks,
};

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
fn every_byte_that_a_name_can_have() {
    let mut tree = Tree::new();
    for byte in (1..=255).filter(|byte| *byte != b'/') {
        tree.bytes([b'f', byte, b'x'], &[byte; 700]);
        if byte != b'.' {
            tree.bytes([byte], &[byte]);
        }
        tree.symlink([b'l', byte], [byte, byte]);
    }
    let image = tree.image();
    write(&tree.proto, &PoolOptions::ramdisk(), &image).unwrap();
    zdb_accepts(&image, "every byte");
    reader_reads(&Image::open(&image).unwrap(), "rpool/ROOT/ramdisk", &tree.proto);
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
    assert!(Image::open(&image).unwrap().verify().unwrap().is_sound());
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

#[test]
fn a_directory_of_200_000_entries() {
    let mut tree = Tree::new();
    tree.directory("full");
    for index in 0..200_000 {
        // Some long names, and one object of many names.
        match index % 1000 {
            0 => tree.symlink(format!("full/{index:0100}"), "x"),
            1 => tree.bytes(format!("full/{index}"), b"a file").digest.map(drop).unwrap(),
            _ => tree.hardlink(format!("full/{index}"), "full/1"),
        }
    }
    let image = tree.image();
    let options = PoolOptions { compression: Compression::Gzip(1), ..PoolOptions::ramdisk() };
    write(&tree.proto, &options, &image).unwrap();
    zdb_accepts(&image, "200,000 entries");
    let image = Image::open(&image).unwrap();
    let mut dataset = image.dataset("rpool/ROOT/ramdisk").unwrap();
    assert_eq!(dataset.manifest().unwrap(), as_read(&tree.proto.manifest));
    let mut text = String::new();
    dataset.file(&path("full/199999")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "a file");
}

#[test]
fn files_at_the_limits_of_records() {
    for (record, compression) in [
        (512, Compression::Off),
        (4 << 10, Compression::Gzip(9)),
        (128 << 10, Compression::Zle),
        (1 << 20, Compression::Lz4),
    ] {
        let mut options =
            PoolOptions { record_size: record, compression, ..PoolOptions::ramdisk() };
        options.enable(Feature::LargeBlocks);
        options.enable(Feature::Lz4Compress);
        let mut tree = Tree::new();
        let record = u64::from(record);
        let around = [record, 2 * record, 3 * record].into_iter();
        let around = around.flat_map(|size| [size - 1, size, size + 1]);
        for size in [0, 1, 510, 514].into_iter().chain(around) {
            for fill in Fill::ALL {
                let content = tree.content(size, fill, size);
                let entry = Entry::new(Kind::File(content), at(0o644, size as i64));
                tree.add(format!("{fill:?}-{size}"), entry);
            }
        }
        let image = tree.image();
        write(&tree.proto, &options, &image).unwrap();
        zdb_accepts(&image, &format!("records of {record}"));
        zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
        reader_reads(&Image::open(&image).unwrap(), "rpool/ROOT/ramdisk", &tree.proto);
        grub_reads(&image, "ROOT/ramdisk", &tree);
    }
}

#[test]
fn directories_at_the_limits_of_their_forms() {
    let mut tree = Tree::new();
    tree.bytes("file", b"a file");
    for (count, length) in [0, 1, 7, 8, 2046, 2047, 2048, 2049]
        .into_iter()
        .flat_map(|count| [(count, 5), (count, 49), (count.min(100), 50)])
    {
        let directory = format!("{count}-of-{length}");
        if !tree.proto.manifest.contains(&path(&directory)) {
            tree.directory(&directory);
            for index in 0..count {
                // GRUB opens what is a file, each through the whole directory: some are enough.
                let name = format!("{directory}/{index:0length$}");
                match index % 64 {
                    0 => tree.hardlink(name, "file"),
                    _ => tree.add(name, Entry::new(Kind::Fifo, at(0o600, index as i64))),
                }
            }
        }
    }
    let image = tree.image();
    write(&tree.proto, &PoolOptions::ramdisk(), &image).unwrap();
    zdb_accepts(&image, "directories");
    zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
    reader_reads(&Image::open(&image).unwrap(), "rpool/ROOT/ramdisk", &tree.proto);
    grub_reads(&image, "ROOT/ramdisk", &tree);
}

#[test]
fn a_device_larger_than_the_image() {
    let mut tree = Tree::new();
    tree.file("file", 3_000_000, 0o644);
    let image = tree.image();
    let size = write(&tree.proto, &PoolOptions::ramdisk(), &image).unwrap().size;
    // As a ramdisk with room to grow: the labels at the end are no longer at the end.
    for larger in [size + 1, size + (200 << 20) + 512] {
        File::options().write(true).open(&image).unwrap().set_len(larger).unwrap();
        zdb_finds_no_leaks(&image, "rpool", "a larger device");
        zdb_finds(&image, "rpool/ROOT/ramdisk", &tree.proto.manifest);
        reader_reads(&Image::open(&image).unwrap(), "rpool/ROOT/ramdisk", &tree.proto);
        grub_reads(&image, "ROOT/ramdisk", &tree);
    }
}
