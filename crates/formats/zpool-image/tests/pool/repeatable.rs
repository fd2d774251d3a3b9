//! The same input gives the same bytes.

use std::fs;

use proto::Digest;
use zpool_image::{Compression, PoolOptions, write};

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
