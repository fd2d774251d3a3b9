//! Importing directories, through the public face.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ips::{ImportOptions, Unpackaged, import_root};
use proto::{Kind, Proto, Store};
use support::*;

const PACKAGE: &str = "\
dir path=usr owner=root group=bin mode=0755
file one path=usr/two owner=svc group=bin mode=4750
hardlink path=usr/one target=two
link path=usr/link target=two
file text path=doc/text owner=root group=sys mode=0444 facet.doc=true
user username=svc uid=50 group=staff
legacy pkg=SUNWp
license words license=L
depend fmri=base type=require
";

/// An image with one package more than the base, and the same as a directory on disk.
fn exported(depot: &mut Depot) -> (Proto, PathBuf) {
    depot.add("p@1", PACKAGE);
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    let root = depot.dir.path().join("root");
    proto.manifest.export(&proto.contents, &root).unwrap();
    (proto, root)
}

fn import(depot: &Depot, root: &Path, unpackaged: Unpackaged) -> Result<Proto, ips::Error> {
    let store = Store::create(depot.dir.path().join("imported")).unwrap();
    import_root(root, store, &ImportOptions { unpackaged })
}

fn refused(depot: &Depot, root: &Path) -> String {
    import(depot, root, Unpackaged::Refuse).unwrap_err().to_string()
}

#[test]
fn owners_and_modes_come_from_the_packages() {
    let mut depot = Depot::with_base();
    let (proto, root) = exported(&mut depot);
    for flatten in [false, true] {
        if flatten {
            for (path, entry) in proto.manifest.iter() {
                if !matches!(entry.kind, Kind::Symlink { .. }) {
                    let mode = if entry.is_directory() { 0o777 } else { 0o666 };
                    fs::set_permissions(path.below(&root), fs::Permissions::from_mode(mode))
                        .unwrap();
                }
            }
        }
        let imported = import(&depot, &root, Unpackaged::Refuse).unwrap();
        assert_eq!(listing(&imported), listing(&proto), "flatten: {flatten}");
        assert_eq!(text(&imported, "usr/one"), "one\n");
        assert_eq!(imported.manifest.len(), proto.manifest.len());
    }
}

#[test]
fn what_does_not_agree_with_the_packages_is_named() {
    let change = |what: &str, change: &dyn Fn(&Path), parts: &[&str]| {
        let mut depot = Depot::with_base();
        let (_, root) = exported(&mut depot);
        change(&root);
        let error = refused(&depot, &root);
        for part in parts {
            assert!(error.contains(part), "{what}: {part}: {error}");
        }
    };
    change(
        "missing",
        &|root| fs::remove_file(root.join("usr/two")).unwrap(),
        &["usr/two (package p)", "missing"],
    );
    change(
        "type",
        &|root| {
            fs::remove_file(root.join("usr/link")).unwrap();
            fs::create_dir(root.join("usr/link")).unwrap();
        },
        &["usr/link (package p)", "is a directory and should be a link"],
    );
    change(
        "owner",
        &|root| fs::write(root.join("etc/passwd"), "root:x:0:0::/:\n").unwrap(),
        &["usr/two (package p)", "owner `svc` is unknown"],
    );
    change(
        "unpackaged",
        &|root| fs::write(root.join("usr/mine"), "").unwrap(),
        &["1 path is not delivered by any package: usr/mine"],
    );
    change(
        "no manifest",
        &|root| fs::remove_dir_all(root.join("var/pkg/publisher/test/pkg/p")).unwrap(),
        &["is missing: the manifest of pkg://test/p@1"],
    );
    change(
        "format",
        &|root| {
            let config = root.join("var/pkg/pkg5.image");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(config, text.replace("version = 4", "version = 6")).unwrap();
        },
        &["image format \"6\" is not known"],
    );
    change(
        "broken list",
        &|root| fs::write(root.join("var/pkg/state/installed/catalog.base.C"), "{").unwrap(),
        &["var/pkg/state/installed/catalog.base.C"],
    );
}

#[test]
fn unpackaged_paths_can_be_accepted() {
    let mut depot = Depot::with_base();
    let (_, root) = exported(&mut depot);
    fs::create_dir(root.join("mine")).unwrap();
    fs::write(root.join("mine/file"), "x").unwrap();
    fs::set_permissions(root.join("mine/file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", root.join("mine/link")).unwrap();
    let listing = listing(&import(&depot, &root, Unpackaged::Accept).unwrap());
    assert!(listing.contains("mine/file file 640 0:3 -\n"), "{listing}");
    assert!(listing.contains("mine/link symlink 777 0:0 - -> file\n"), "{listing}");
}

#[test]
fn a_broken_hard_link_with_the_same_bytes_is_whole_again() {
    let mut depot = Depot::with_base();
    let (proto, root) = exported(&mut depot);
    let bytes = fs::read(root.join("usr/one")).unwrap();
    fs::remove_file(root.join("usr/one")).unwrap();
    fs::write(root.join("usr/one"), bytes).unwrap();
    let imported = import(&depot, &root, Unpackaged::Refuse).unwrap();
    assert_eq!(listing(&imported), listing(&proto));
    fs::write(root.join("usr/one"), "changed").unwrap();
    let imported = import(&depot, &root, Unpackaged::Refuse).unwrap();
    assert_eq!(text(&imported, "usr/one"), "changed");
}

#[test]
fn a_manifest_beside_the_directory_comes_first() {
    let mut depot = Depot::with_base();
    let (mut proto, root) = exported(&mut depot);
    proto.manifest.get_mut(&path("usr/two")).unwrap().metadata.uid = 77;
    proto.save(&depot.dir.path().join("root.mtree")).unwrap();
    let imported = import(&depot, &root, Unpackaged::Refuse).unwrap();
    assert_eq!(imported.manifest, proto.manifest);
    assert_eq!(text(&imported, "usr/two"), "one\n");
}

#[test]
fn without_metadata_the_disk_counts_as_root() {
    let depot = Depot::new();
    let root = depot.dir.path().join("plain");
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join("a/file"), "x").unwrap();
    let imported = import(&depot, &root, Unpackaged::Refuse).unwrap();
    assert!(listing(&imported).contains("a/file file 6"));
    assert!(imported.manifest.iter().all(|(_, e)| (e.metadata.uid, e.metadata.gid) == (0, 0)));
}
