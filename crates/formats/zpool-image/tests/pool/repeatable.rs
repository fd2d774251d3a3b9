//! The same input gives the same bytes.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

use proto::Digest;
use zpool_image::{Compression, PoolOptions, write, write_at};

use crate::generate::{Random, Tree, random};

fn digest(tree: &Tree, options: &PoolOptions, threads: usize) -> Digest {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let image = tree.image();
    pool.install(|| write(&tree.proto, options, &image)).unwrap();
    Digest::of(&fs::read(&image).unwrap())
}

fn tree(size: u64) -> Tree {
    let mut tree = random(&mut Random(11));
    tree.file("large", size, 0o644);
    tree
}

#[test]
fn thread_counts_and_places_do_not_matter() {
    for compression in [Compression::Off, Compression::Gzip(9)] {
        let options = PoolOptions { compression, ..PoolOptions::ramdisk() };
        let here = digest(&tree(20 << 20), &options, 1);
        for threads in [2, 5] {
            assert_eq!(here, digest(&tree(20 << 20), &options, threads));
        }
    }
}

#[test]
fn contents_time_and_salt_make_another_pool() {
    let options = PoolOptions::ramdisk();
    let guid = |size, options: &PoolOptions| {
        let tree = tree(size);
        write(&tree.proto, options, &tree.image()).unwrap().guid
    };
    let here = guid(1000, &options);
    assert_eq!(here, guid(1000, &options));
    assert_ne!(here, guid(1001, &options));
    assert_ne!(here, guid(1000, &PoolOptions { salt: "other".to_owned(), ..options }));
}

#[test]
fn a_pool_behind_something_else_is_the_same_pool() {
    let (tree, options) = (tree(1 << 20), PoolOptions::ramdisk());
    let image = tree.image();
    write(&tree.proto, &options, &image).unwrap();
    let alone = fs::read(&image).unwrap();
    fs::write(&image, [7; 4096]).unwrap();
    let file = File::options().write(true).open(&image).unwrap();
    write_at(&[(&options.tree, &tree.proto)], &options, &file, 4096, &image).unwrap();
    let behind = fs::read(&image).unwrap();
    assert_eq!(behind[..4096], [7; 4096]);
    assert!(behind[4096..] == alone);
    assert!(file.metadata().unwrap().blocks() * 512 < alone.len() as u64 / 2, "not sparse");
}
