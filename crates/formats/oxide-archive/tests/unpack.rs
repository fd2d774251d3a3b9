//! Unpacking: what a good archive becomes, on disk and in a proto.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::{Tar, layer};
use oxide_archive::{
    ArchiveType, Error, Expect, Metadata, Options, into_proto, read_metadata, unpack,
};
use proto::{Kind, Proto, ProtoPath, Store};

fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

fn sample() -> Tar {
    layer()
        .directory("root", 0o755)
        .directory("root/opt", 0o2555)
        .file("root/opt/tool", 0o4711, b"tool")
        .hardlink("root/opt/alias", "root/opt/tool")
        .symlink("root/opt/link", "/etc/passwd")
        .file("elsewhere", 0o644, b"skipped")
        .file("rootkit", 0o644, b"skipped")
}

#[test]
fn modes_times_and_links_are_those_of_the_archive() {
    let directory = tempfile::tempdir().unwrap();
    let archive = sample().write(directory.path());
    let root = directory.path().join("zone");
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("opt")).unwrap();
    fs::write(root.join("opt/tool"), "older, and a link takes nobody else's place").unwrap();
    fs::hard_link(root.join("opt/tool"), directory.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("/nowhere", root.join("opt/link")).unwrap();

    let unpacked = unpack(&archive, &root, &Options::for_type(ArchiveType::Layer)).unwrap();

    let stat = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(stat("opt").mode() & 0o7777, 0o2555);
    assert_eq!(stat("opt/tool").mode() & 0o7777, 0o4711);
    assert_eq!(stat("opt/tool").ino(), stat("opt/alias").ino());
    for name in ["", "opt", "opt/tool", "opt/link"] {
        assert_eq!(stat(name).mtime(), 1_234_567_890, "{name}");
    }
    assert_eq!(fs::read(root.join("opt/alias")).unwrap(), b"tool");
    assert_eq!(fs::read_link(root.join("opt/link")).unwrap().to_str(), Some("/etc/passwd"));
    assert!(fs::read(directory.path().join("outside")).unwrap().starts_with(b"older"));
    assert_eq!((unpacked.members, unpacked.skipped, unpacked.bytes), (7, 2, 18));
    assert_eq!(unpacked.manifest.len(), 5);
    assert_eq!(unpacked.manifest.get(&path("opt/tool")).unwrap().metadata.uid, 5);
    assert_eq!(unpacked.metadata, Some(Metadata::new(ArchiveType::Layer)));
}

#[test]
fn a_proto_gets_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let archive = sample().write(directory.path());
    let mut proto = Proto::new(Store::create(directory.path().join("store")).unwrap());
    let at = path("opt/oxide/service");
    let options = Options::for_type(ArchiveType::Layer);

    let error = into_proto(&archive, &mut proto, &at, &options).unwrap_err();
    assert!(error.to_string().contains("its parent opt is missing"), "{error}");
    assert!(proto.manifest.is_empty());

    let options = Options { make_parents: Some(proto::Metadata::root(0o755)), ..options };
    proto.manifest.ensure_parents(&at, proto::Metadata::root(0o755));
    into_proto(&archive, &mut proto, &at, &options).unwrap();
    proto.manifest.check().unwrap();
    let tool = proto.manifest.get(&path("opt/oxide/service/opt/tool")).unwrap();
    assert_eq!(tool.metadata.mode, 0o4711);
    let alias = proto.manifest.get(&path("opt/oxide/service/opt/alias")).unwrap();
    assert_eq!(alias.kind, Kind::Hardlink { target: path("opt/oxide/service/opt/tool") });
    assert_eq!(proto.contents.read(&path("x"), tool.content().unwrap()).unwrap(), b"tool");
}

#[test]
fn the_type_and_the_pin_are_checked_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let archive = sample().write(directory.path());
    let root = directory.path().join("zone");
    fs::create_dir(&root).unwrap();
    let error = unpack(&archive, &root, &Options::for_type(ArchiveType::Baseline)).unwrap_err();
    assert!(matches!(error, Error::Type { found: ArchiveType::Layer, .. }), "{error}");
    let options = Options {
        pinned: Some(proto::Digest::of(b"another")),
        ..Options::for_type(ArchiveType::Layer)
    };
    assert!(matches!(unpack(&archive, &root, &options).unwrap_err(), Error::Pinned { .. }));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    let pinned = Some(proto::Digest::of(&fs::read(&archive).unwrap()));
    unpack(&archive, &root, &Options { pinned, ..options }).unwrap();
    let any = Options { expect: Expect::Any, ..Options::for_type(ArchiveType::Layer) };
    // Elsewhere: the layer makes `opt` read-only, and an ordinary user cannot write there again.
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    unpack(&archive, &other, &any).unwrap();
}

#[test]
fn metadata_are_read_from_the_beginning_alone() {
    let directory = tempfile::tempdir().unwrap();
    let archive = sample().write(directory.path());
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() - 9]).unwrap();
    assert_eq!(read_metadata(&archive).unwrap(), Metadata::new(ArchiveType::Layer));
}

#[test]
fn tar_programs_agree_on_what_is_in_a_layer() {
    let Some(mut gzip) = verifiers::require("gzip") else { return };
    let Some(mut tar) = verifiers::require("tar") else { return };
    let Some(mut bsdtar) = verifiers::require("bsdtar") else { return };
    let directory = tempfile::tempdir().unwrap();
    // Long enough for a prefix, then for a pax record; an owner too large for octal digits.
    let (long, longer) =
        (format!("root/{}/x", "d".repeat(120)), format!("root/{}", "e".repeat(200)));
    let mut layer = sample().file(&longer, 0o600, b"pax");
    let owner = proto::Metadata::owned(0o640, 3_000_000, 0)
        .at(proto::Mtime { seconds: -1, nanoseconds: 500_000_000 });
    layer.0.file_bytes(&long, owner, b"prefix").unwrap();
    layer.0.symlink("root/s", "t".repeat(150), owner).unwrap();
    let archive = layer.write(directory.path());
    let run = |command: &mut std::process::Command| {
        let output = command.arg(&archive).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(gzip.arg("-t"));
    let listing = run(tar.args(["--numeric-owner", "-tvzf"]));
    for expected in [
        "-rws--x--x 5/6 ",
        "dr-xr-sr-x 5/6 ",
        "root/opt/alias link to root/opt/tool",
        "root/opt/link -> /etc/passwd",
        "-rw-r----- 3000000/0 ",
        &long,
        &longer,
        &format!("root/s -> {}", "t".repeat(150)),
    ] {
        assert!(listing.contains(expected), "{expected} is not in:\n{listing}");
    }
    let names = run(bsdtar.arg("-tf"));
    assert_eq!(names.lines().count(), 11);
    assert!(names.lines().any(|l| l == longer) && names.lines().any(|l| l == long));
}

/// Other programs' archives: long names the GNU way, and pax with times to the nanosecond.
#[test]
fn what_tar_writes_is_read() {
    let Some(_) = verifiers::require("tar") else { return };
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    let name = "n".repeat(180);
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join(&name), "data").unwrap();
    fs::hard_link(tree.join(&name), tree.join("zz")).unwrap();
    std::os::unix::fs::symlink("t".repeat(170), tree.join("link")).unwrap();
    for format in ["gnu", "pax", "ustar"] {
        if format == "ustar" {
            fs::remove_file(tree.join("link")).unwrap();
            fs::remove_file(tree.join(&name)).unwrap();
        }
        let archive = directory.path().join(format);
        let Some(mut tar) = verifiers::require("tar") else { return };
        let tar = tar.arg(format!("--format={format}")).args(["--sort=name", "-C"]);
        assert!(tar.arg(&tree).arg("-cf").arg(&archive).arg(".").status().unwrap().success());
        let root = directory.path().join(format!("root-{format}"));
        fs::create_dir(&root).unwrap();
        let unpacked = unpack(&archive, &root, &Options::plain()).unwrap();
        assert_eq!(unpacked.manifest.len(), if format == "ustar" { 2 } else { 4 });
        assert_eq!(fs::read(root.join("zz")).unwrap(), b"data");
        if format == "pax" {
            let (ours, theirs) = (root.join(&name), tree.join(&name));
            let time = |path| fs::metadata(path).unwrap().modified().unwrap();
            assert_eq!(time(ours), time(theirs));
        }
    }
}
