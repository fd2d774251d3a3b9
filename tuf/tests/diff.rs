//! Compares repositories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::forge::Forge;
use common::{Sample, VERSION, gzip, tar_member, zone_image};
use tuf::{Change, Difference, Input, Repository};

fn diff(old: &Path, new: &Path) -> Difference {
    let open = |path| Repository::open(path, None).unwrap();
    tuf::diff(&open(old), &open(new)).unwrap()
}

#[test]
fn the_same_artifacts_are_no_difference() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    assert!(diff(&zip, &zip).is_empty());
    // Another key, another time: the artifacts are what counts.
    let mut options = sample.options("other.zip");
    options.keys = vec![sample.seeded_key(8)];
    options.build_time = "2026-12-01T00:00:00Z".parse().unwrap();
    tuf::build(&options).unwrap();
    let difference = diff(&zip, &options.out);
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn files_inside_zones_are_compared() {
    let sample = Sample::new();
    let (old, _) = sample.build();
    let mut tar = tar::Builder::new(Vec::new());
    let json = format!(r#"{{"v":"1","t":"layer","pkg":"ntp","version":"{VERSION}"}}"#);
    tar_member(&mut tar, "oxide.json", json.as_bytes());
    tar_member(&mut tar, "root/opt/new", b"new");
    tar_member(&mut tar, "root/opt/file", b"changed");
    std::fs::write(sample.path().join("ntp.tar.gz"), gzip(&tar.into_inner().unwrap())).unwrap();
    std::fs::write(sample.path().join("dns.tar.gz"), zone_image("dns", VERSION, b"x")).unwrap();
    let mut options = sample.options("new.zip");
    options.inputs.push(Input::zone(sample.path().join("dns.tar.gz")));
    options.inputs.remove(3); // crucible
    std::fs::write(sample.path().join("host/gimlet.rom"), b"another ROM").unwrap();
    tuf::build(&options).unwrap();

    let difference = diff(&old, &options.out);
    let text = difference.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "~ kind=os_phase1,os_board=gimlet,os_variant=host, 96000 -> 11 bytes");
    assert_eq!(lines[1], "- kind=zone,zone_name=crucible-zone");
    assert_eq!(lines[2], "+ kind=zone,zone_name=dns");
    assert!(lines[3].starts_with("~ kind=zone,zone_name=ntp, "), "{text}");
    assert_eq!(lines[4..], ["    ~ root/opt/file contents", "    + root/opt/new"]);
    assert_eq!(difference.system_version, None);

    let back = diff(&options.out, &old);
    let changes = |d: &Difference| d.artifacts.iter().map(|a| a.change).collect::<Vec<_>>();
    assert_eq!(changes(&back), [Change::Changed, Change::Added, Change::Removed, Change::Changed]);
    assert_eq!(back.artifacts[3].files[1].change, Change::Removed);
}

/// A phase-2 image with a pool of these files.
fn write_image(path: &Path, files: &[(&str, &str)], compress: bool) {
    let directory = tempfile::tempdir().unwrap();
    let store = proto::Store::create(directory.path().join("store")).unwrap();
    let mut proto = proto::Proto::new(store.clone());
    let root = proto::Entry::directory(proto::Metadata::root(0o755));
    proto.manifest.insert(proto::ProtoPath::root(), root).unwrap();
    let mut add = |path: &str, entry| {
        proto.manifest.insert(path.parse().unwrap(), entry).unwrap();
    };
    for (path, contents) in files {
        let content = store.add_bytes(contents.as_bytes()).unwrap();
        let metadata = proto::Metadata::root(0o644);
        add(path, proto::Entry::new(proto::Kind::File(content), metadata));
    }
    add("link", proto::Entry::symlink(files[0].0, proto::Metadata::root(0o777)));
    let pool = directory.path().join("pool");
    zpool_image::write(&proto, &zpool_image::PoolOptions::ramdisk(), &pool).unwrap();
    let options = boot_image::phase2::Options { compress, ..boot_image::phase2::Options::new("x") };
    boot_image::phase2::write(&pool, path, &options).unwrap();
}

#[test]
fn files_inside_images_are_compared() {
    for (folder, compress) in [("host", false), ("trampoline", true)] {
        let sample = Sample::new();
        let image = sample.path().join(folder).join("zfs.img");
        write_image(&image, &[("gone", "x"), ("kernel", "old")], compress);
        let (old, _) = sample.build();
        write_image(&image, &[("added", "x"), ("kernel", "new")], compress);
        let options = sample.options("new.zip");
        tuf::build(&options).unwrap();
        let text = diff(&old, &options.out).to_string();
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        assert!(lines[0].starts_with("~ kind=os_phase2,"), "{text}");
        let wanted = [
            "+ rpool/ROOT/ramdisk: added",
            "- rpool/ROOT/ramdisk: gone",
            "~ rpool/ROOT/ramdisk: kernel contents",
            "~ rpool/ROOT/ramdisk: link link",
        ];
        assert_eq!(lines[1..], wanted);

        // A pool whose blocks are damaged differs, and that is all.
        let mut bytes = std::fs::read(&image).unwrap();
        if !compress {
            let end = bytes.len() - 4096;
            bytes[4096 + (4 << 20)..end].fill(7);
            let hash = proto::Digest::of(&bytes[4096..]).0;
            bytes[40..72].copy_from_slice(&hash);
            std::fs::write(&image, bytes).unwrap();
            let options = sample.options("damaged.zip");
            tuf::build(&options).unwrap();
            assert_eq!(diff(&old, &options.out).to_string().lines().count(), 1);
        }
    }
}

#[test]
fn a_new_version_is_a_change() {
    let sample = Sample::new();
    let build = |out: &str, version: &str| {
        let fake = hubris::Fake::new("SimGimletSp", version);
        let fake = hubris::Fake { image_name: Some("default"), ..fake };
        std::fs::write(sample.path().join("sp.zip"), fake.archive()).unwrap();
        let mut options = sample.options(out);
        options.inputs.push(Input::guess(sample.path().join("sp.zip")).unwrap());
        tuf::build(&options).unwrap();
        options.out
    };
    let difference = diff(&build("old.zip", "1.0.0"), &build("new.zip", "1.0.1"));
    let text = difference.to_string();
    assert!(
        text.starts_with(
            "~ kind=sp,sp_board=SimGimletSp, target sp/SimGimletSp-1.0.0.zip -> \
             sp/SimGimletSp-1.0.1.zip, version 1.0.0 -> 1.0.1, "
        ),
        "{text}"
    );
    assert_eq!(difference.artifacts.len(), 1);
    let json = serde_json::to_value(&difference).unwrap();
    assert_eq!(json["artifacts"][0]["change"], "changed");
    assert_eq!(json["artifacts"][0]["new"]["version"], "1.0.1");
}

#[test]
fn a_damaged_side_is_an_error() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let damaged = sample.path().join("damaged.zip");
    let mut forge = Forge::open(&zip);
    forge.target("zones/ntp.tar.gz", gzip(b"no tar at all"));
    std::fs::write(&damaged, forge.zip().bytes()).unwrap();
    let open = |path| Repository::open(path, None).unwrap();
    let error = tuf::diff(&open(&zip), &open(&damaged)).unwrap_err().to_string();
    assert!(error.contains("zones/ntp.tar.gz") && error.contains("no good archive"), "{error}");
}
