//! What cannot be written is refused with a clear word, and leaves nothing behind.

use std::fs;

use proto::{Contents, Entry, FileContent, Kind, Metadata};
use zpool_image::{Compression, Error, PoolOptions, Size, write};

use crate::generate::{Tree, path};

/// Writes, expects an error and looks for what is left.
fn refused(tree: &Tree, options: &PoolOptions) -> Error {
    let out = tree.directory.path().join("out");
    fs::create_dir_all(&out).unwrap();
    let error = write(&tree.proto, options, &out.join("zfs.img")).unwrap_err();
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{error}: something is left");
    error
}

/// A tree whose file `name` is on disk and not in the store, with a size in the manifest.
fn on_disk(name: &str, written: usize, stated: u64) -> Tree {
    let mut tree = Tree::new();
    let root = tree.directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join(name), vec![7; written]).unwrap();
    tree.proto.contents = Contents { store: tree.proto.contents.store.clone(), tree: Some(root) };
    let content = FileContent { size: stated, digest: None };
    tree.add(name, Entry::new(Kind::File(content), Metadata::root(0o644)));
    tree
}

#[test]
fn a_file_of_another_size_than_stated() {
    for (written, stated) in [(10, 11), (11, 10), (1, 0), (300_000, 131_072)] {
        let error = refused(&on_disk("changed", written, stated), &PoolOptions::ramdisk());
        let text = error.to_string();
        assert!(text.contains("changed") && text.contains(&stated.to_string()), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let tree = on_disk("gone", 5, 5);
    fs::remove_file(tree.directory.path().join("root/gone")).unwrap();
    let error = refused(&tree, &PoolOptions::ramdisk());
    assert!(error.to_string().contains("gone: its contents are missing"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_to_its_end() {
    // A directory in the place of the file opens, and fails when it is read.
    let tree = on_disk("odd", 5, 5);
    let root = tree.directory.path().join("root");
    fs::remove_file(root.join("odd")).unwrap();
    fs::create_dir(root.join("odd")).unwrap();
    assert!(refused(&tree, &PoolOptions::ramdisk()).to_string().contains("odd"));
}

#[test]
fn links_and_parents_that_lead_nowhere() {
    let mut tree = Tree::new();
    tree.hardlink("link", "nothing");
    let text = refused(&tree, &PoolOptions::ramdisk()).to_string();
    assert_eq!(text, "link: hard link to nothing, which is missing");

    let mut tree = Tree::new();
    tree.symlink("no/parent", "x");
    let text = refused(&tree, &PoolOptions::ramdisk()).to_string();
    assert_eq!(text, "no/parent: its parent no is missing");
}

#[test]
fn a_root_that_is_no_directory() {
    let mut tree = Tree::new();
    tree.proto.manifest.remove(&path(""));
    let text = refused(&tree, &PoolOptions::ramdisk()).to_string();
    assert_eq!(text, "/: the root of a file system must be a directory");
    tree.symlink("", "x");
    assert!(matches!(refused(&tree, &PoolOptions::ramdisk()), Error::Unsupported { .. }));
}

#[test]
fn a_size_that_does_not_hold_the_contents() {
    let mut tree = Tree::new();
    tree.file("large", 180 << 20, 0o644);
    for compression in [Compression::Off, Compression::Gzip(1)] {
        let mut options = PoolOptions { compression, ..PoolOptions::ramdisk() };
        options.size = Size::Bytes(70 << 20);
        let Error::TooSmall { needed, given, .. } = refused(&tree, &options) else {
            panic!("another error");
        };
        assert_eq!(given, 70 << 20);
        // What it asks for is what it takes, and no less.
        options.size = Size::Bytes(needed - 1);
        refused(&tree, &options);
        options.size = Size::Bytes(needed);
        write(&tree.proto, &options, &tree.image()).unwrap();
    }
}

#[test]
fn a_size_below_what_any_system_accepts() {
    let mut options = PoolOptions::ramdisk();
    for bytes in [0, 1 << 20, (64 << 20) - 1] {
        options.size = Size::Bytes(bytes);
        let text = refused(&Tree::new(), &options).to_string();
        assert!(text.contains("at least 67108864 bytes"), "{text}");
    }
}

#[test]
fn a_directory_that_is_missing_for_the_image() {
    let tree = Tree::new();
    let out = tree.directory.path().join("missing/zfs.img");
    let text = write(&tree.proto, &PoolOptions::ramdisk(), &out).unwrap_err().to_string();
    assert!(text.starts_with("cannot write") && text.contains("missing/zfs.img"), "{text}");
    assert!(!out.parent().unwrap().exists());
}

#[test]
fn an_older_image_survives_a_failure() {
    let mut tree = Tree::new();
    fs::write(tree.image(), b"older").unwrap();
    tree.hardlink("link", "nothing");
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap_err();
    assert_eq!(fs::read(tree.image()).unwrap(), b"older");
}
