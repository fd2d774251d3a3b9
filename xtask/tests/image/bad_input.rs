//! What cannot become an image: a message with path and line, the right status, nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::Place;

/// Builds with these words, which must fail so and leave nothing.
#[track_caller]
fn refuse(place: &Place, words: &[&str], status: i32, said: &str) {
    let before = place.names();
    place.image(&[&["build", "--out", "zfs.img"], words].concat()).expect(status, said);
    assert_eq!(place.names(), before);
}

#[test]
fn command_lines() {
    let place = Place::new();
    refuse(&place, &[], 2, "there is nothing to put into the pool");
    refuse(&place, &["--tree", "nowhere"], 5, "nowhere is missing");
    refuse(&place, &["--tar", "nowhere"], 5, "nowhere is missing");
    refuse(&place, &["--tree", "root", "--manifest", "m"], 5, "m is missing");
    refuse(&place, &["--tree", "root", "--record", "r"], 5, "r is missing");
    refuse(&place, &["--tree", "root", "--tar", "x"], 2, "cannot be used with");
    refuse(&place, &["--tree", "root", "--ashift", "8"], 2, "`ashift`: 8 is not from 9 to 13");
    refuse(&place, &["--tree", "root", "--compression", "zstd"], 2, "`zstd` is no compression");
    refuse(&place, &["--tree", "root", "--compression", "lz4"], 2, "`lz4_compress`");
    refuse(&place, &["--tree", "root", "--record-size", "1M"], 2, "large_blocks");
    refuse(&place, &["--tree", "root", "--record-size", "big"], 2, "record size big");
    refuse(&place, &["--tree", "root", "--feature", "warp"], 2, "`warp` is no feature");
    refuse(&place, &["--tree", "root", "--pool-version", "29"], 2, "version 29");
    refuse(&place, &["--tree", "root", "--into", "tank"], 2, "no dataset `tank`");
    refuse(&place, &["--tree", "root", "--bootfs", "tank"], 2, "no dataset `tank`");
    refuse(&place, &["--tree", "root", "--guid", "no"], 2, "guid no: expected");
    refuse(&place, &["--tree", "root", "--property", "dedup=on"], 2, "`dedup=on`");
    refuse(&place, &["--tree", "root", "--dataset", "a:copies=2"], 2, "dataset a: property copies");
    refuse(&place, &["--tree", "root", "--size", "64", "--headroom", "1"], 2, "--size or --head");
    fs::write(place.path("pool.toml"), "[pool]\nnome = \"x\"\n").unwrap();
    refuse(&place, &["--description", "pool.toml"], 2, "line 2");
}

#[test]
fn a_size_that_does_not_suffice() {
    let place = Place::new();
    fs::write(place.path("root/large"), crate::common::noise(70_000_000)).unwrap();
    refuse(&place, &["--tree", "root", "--size", "64"], 3, "does not hold these contents");
}

#[test]
fn manifests_that_disagree_with_their_tree() {
    let place = Place::new();
    let manifest = |text: &str| fs::write(place.path("m"), text).unwrap();
    let words = ["--tree", "root", "--manifest", "m"];
    manifest(". type=dir uid=0 gid=0 mode=0755\n./nowhere type=file uid=0 gid=0 mode=0644\n");
    refuse(&place, &words, 3, "m:2: nowhere: is not in the tree root");
    manifest(". type=dir uid=0 gid=0 mode=0755\n");
    refuse(&place, &words, 3, "root/bin: is not in the manifest m");
    manifest("#mtree\n. type=dir uid=0 gid=0 mode=9755\n");
    refuse(&place, &words, 3, "m:2: mode=9755: expected an octal number");
    manifest("./../up type=dir uid=0 gid=0 mode=0755\n");
    refuse(&place, &words, 3, "m:1: path \"../up\" has a `..` component");
}

#[test]
fn extended_attributes_unless_they_may_be_dropped() {
    let place = Place::new();
    let file = place.path("root/etc/motd");
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&file, "user.colour", b"blue", flags).is_err() {
        // The file system of the temporary directory has none.
        return;
    }
    let said = "root/etc/motd: has the extended attribute `user.colour`, which would be lost";
    refuse(&place, &["--tree", "root"], 3, said);
    refuse(&place, &["--tree", "root"], 3, "hint: --drop-xattrs leaves them behind");
    place.build(&["--tree", "root", "--drop-xattrs"]);
}

#[test]
fn damaged_tars() {
    let place = Place::new();
    fs::write(place.path("t"), b"no tar at all").unwrap();
    refuse(&place, &["--tar", "t"], 3, "t: damaged tar at byte");
    fs::write(place.path("t"), b"\x28\xb5\x2f\xfd and more").unwrap();
    refuse(&place, &["--tar", "t"], 3, "t: is compressed with zstd");
    refuse(&place, &["--tar", "-"], 3, "standard input: damaged tar at byte 0: it is empty");
}

#[test]
fn files_that_cannot_be_read() {
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable.
        return;
    }
    let place = Place::new();
    let file = place.path("root/etc/motd");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    refuse(&place, &["--tree", "root"], 3, "root/etc/motd");
}
