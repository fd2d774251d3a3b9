//! Images are read back as they were written, and damage is found.

use std::fs;

use proto::ProtoPath;
use zpool_image::reader::Image;
use zpool_image::{Compression, Error, PoolOptions, write};

use crate::generate::{Random, Tree, everything, random};
use crate::judge::reader_reads;

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
