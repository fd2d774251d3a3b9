//! Directories on disk as protos: with a manifest, and with attributes that would be lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files shall fail")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use proto::{ExtendedAttributes, Manifest, Owners, import_directory_with, import_listed};
use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

const LISTED: &str = "\
#mtree v2.0
. type=dir uid=0 gid=3 mode=0755 time=5.000000001
./dev type=dir uid=0 gid=3 mode=0755
./dev/null type=char uid=0 gid=3 mode=0666 device=native,13,2
./file type=file uid=7 gid=8 mode=04755 size=5 tags=package:system/file
./gone type=file uid=0 gid=0 mode=0644 optional
./link type=link uid=0 gid=0 mode=0777 link=file
./other type=file uid=7 gid=8 mode=04755 tags=hardlink:file
./sum type=file uid=0 gid=0 mode=0644 sha256digest=\
2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
";

struct Tree {
    directory: TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(tree.root().join("dev")).unwrap();
        for name in ["file", "other", "sum"] {
            fs::write(tree.root().join(name), "hello").unwrap();
        }
        symlink("file", tree.root().join("link")).unwrap();
        tree
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn import(&self, listed: &str) -> Result<Manifest, String> {
        let manifest = self.directory.path().join("m");
        fs::write(&manifest, listed).unwrap();
        import_listed(&self.root(), &manifest, ExtendedAttributes::Refuse).map_err(|error| {
            error.to_string().replace(self.directory.path().to_str().unwrap(), "D")
        })
    }
}

#[test]
fn everything_but_the_bytes_is_the_manifests() {
    let tree = Tree::new();
    let imported = tree.import(LISTED).unwrap();
    // What the file leaves out is what the tree has.
    let complete = LISTED
        .replace("./gone type=file uid=0 gid=0 mode=0644 optional\n", "")
        .replace("./sum type=file", "./sum size=5 type=file");
    assert_eq!(imported, Manifest::from_mtree(&complete, "m".as_ref()).unwrap());
}

#[test]
fn a_tree_that_differs_is_refused_with_path_and_line() {
    let tree = Tree::new();
    let refuse = |listed: &str| tree.import(listed).unwrap_err();
    let without = |line: &str| LISTED.replace(line, "");
    assert_eq!(
        refuse(&without("./link type=link uid=0 gid=0 mode=0777 link=file\n")),
        "D/root/link: is not in the manifest D/m"
    );
    assert_eq!(
        refuse(&without("size=5 ").replace("./file", "./fill")),
        "D/m:5: fill: is not in the tree D/root"
    );
    assert_eq!(
        refuse(&LISTED.replace("size=5", "size=6")),
        "D/m:5: file: is 5 bytes long in the tree D/root, the manifest says 6"
    );
    assert!(
        refuse(&LISTED.replace("9824", "9825")).starts_with("D/m:9: sum: has the digest 2cf24"),
    );
    assert_eq!(
        refuse(&LISTED.replace("link=file", "link=fire")),
        "D/m:7: link: leads to file in the tree, the manifest says fire"
    );
    assert_eq!(
        refuse(&LISTED.replace("./sum type=file", "./sum type=dir")),
        "D/m:9: sum: is no directory in the tree D/root"
    );
    assert_eq!(
        refuse(&LISTED.replace("hardlink:file", "hardlink:fire")),
        "D/m:8: other: hard link to fire, which is missing"
    );
    assert_eq!(
        refuse(&without("./dev type=dir uid=0 gid=3 mode=0755\n")),
        "D/m:3: dev/null: its parent dev is missing"
    );
    assert_eq!(
        refuse(&format!("{LISTED}./file type=file uid=0 gid=0 mode=0644\n")),
        "D/m:10: file is already there as a file; a file cannot take its place"
    );
    fs::create_dir(tree.root().join("dev/more")).unwrap();
    assert_eq!(refuse(LISTED), "D/root/dev/more: is not in the manifest D/m");
}

#[test]
fn extended_attributes_are_refused_or_dropped_but_never_lost() {
    let tree = Tree::new();
    let file = tree.root().join("file");
    if setxattr(&file, "user.origin", b"here", XattrFlags::empty()).is_err() {
        // The file system of the temporary directory has none.
        return;
    }
    let root = tree.root();
    let import = |attributes| import_directory_with(&root, Owners::Root, attributes);
    let error = import(ExtendedAttributes::Refuse).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", file.display())), "{error}");
    assert!(error.contains("has the extended attribute `user.origin`"), "{error}");
    assert_eq!(import(ExtendedAttributes::Drop).unwrap().len(), 6);
    assert!(tree.import(LISTED).unwrap_err().contains("`user.origin`"));
}

#[test]
fn access_control_lists_are_refused_by_that_name() {
    let tree = Tree::new();
    // Version 2; user, user 1, group, mask, other: each tag, permissions, id.
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 7, 1),
        (0x04, 4, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 4, u32::MAX),
    ];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let file = tree.root().join("file");
    let name = "system.posix_acl_access";
    if setxattr(&file, name, &list, XattrFlags::empty()).is_err() {
        return;
    }
    let error = tree.import(LISTED).unwrap_err();
    assert!(error.contains("has an access control list"), "{error}");
}

#[test]
fn a_store_keeps_zeros_as_holes() {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = proto::Store::create(directory.path()).unwrap();
    let bytes = std::io::repeat(0)
        .take(8 << 20)
        .chain(&b"end"[..])
        .chain(std::io::repeat(0).take(5_000_000));
    let content = store.add(bytes).unwrap();
    let file = store.path_of(&content.digest.unwrap());
    let found = fs::metadata(&file).unwrap();
    assert_eq!((content.size, found.len()), (13_388_611, 13_388_611));
    assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
    let read = fs::read(&file).unwrap();
    assert_eq!(&read[8 << 20..][..3], b"end");
    assert_eq!(read.iter().filter(|&&byte| byte != 0).count(), 3);
}
