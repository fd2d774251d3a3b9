//! Tars of whole roots, as other programs pack them, into protos.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use common::{Tar, gzipped, plain};
use oxide_archive::{Error, Options, Unpacked, into_proto_stream};
use proto::{Entry, ExtendedAttributes, Kind, Metadata, Proto, ProtoPath, Store};

fn options() -> Options {
    Options::whole_root(Metadata::root(0o755))
}

fn take(bytes: &[u8], options: &Options) -> (Proto, Result<Unpacked, Error>) {
    let directory = tempfile::tempdir().unwrap();
    let mut proto = Proto::new(Store::create(directory.path()).unwrap());
    let result = into_proto_stream(bytes, "t", &mut proto, &ProtoPath::root(), options);
    (proto, result)
}

fn refuse(bytes: &[u8]) -> String {
    take(bytes, &options()).1.unwrap_err().to_string()
}

fn entry(proto: &Proto, path: &[u8]) -> Entry {
    proto.manifest.get(&ProtoPath::new(path).unwrap()).unwrap().clone()
}

/// A header block; `kind` is the type flag.
fn block(name: &[u8], kind: u8, size: usize, devices: [&[u8; 8]; 2]) -> Vec<u8> {
    let mut block = [0u8; 512];
    block[..name.len()].copy_from_slice(name);
    for (start, text) in [
        (100, "0000644".to_owned()),
        (108, "0000001".to_owned()),
        (116, "0000002".to_owned()),
        (124, format!("{size:011o}")),
        (136, "00000000005".to_owned()),
    ] {
        block[start..start + text.len()].copy_from_slice(text.as_bytes());
    }
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[329..337].copy_from_slice(devices[0]);
    block[337..345].copy_from_slice(devices[1]);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

const NONE: [&[u8; 8]; 2] = [b"0000000\0", b"0000000\0"];

/// A pax header with one record.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = rest + if rest + 2 < 100 { 2 } else { 3 };
    let record = format!("{length} {key}={value}\n");
    assert_eq!(record.len(), length);
    let mut bytes = block(b"pax", b'x', length, NONE);
    bytes.extend(record.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn devices_pipes_and_names_in_any_encoding_are_taken() {
    let bytes = tar(&[
        block(b"dev/null", b'3', 0, [b"0000015\0", b"0000002\0"]),
        block(b"dev/disk", b'4', 0, [b"\x80\0\0\0\xff\xff\xff\xff", b"0000000\0"]),
        pax("SCHILY.devminor", "4294967295"),
        block(b"dev/large", b'3', 0, [b"0000001\0", b"7777777\0"]),
        block(b"run/pipe", b'6', 0, NONE),
        block(b"caf\xe9", b'0', 0, NONE),
    ]);
    let (proto, result) = take(&gzipped(&bytes), &options());
    assert_eq!(result.unwrap().members, 5);
    let numbers = |path: &str| match entry(&proto, path.as_bytes()).kind {
        Kind::CharacterDevice(device) | Kind::BlockDevice(device) => (device.major, device.minor),
        other => panic!("{other:?}"),
    };
    assert_eq!(numbers("dev/null"), (13, 2));
    assert_eq!(numbers("dev/disk"), (u32::MAX, 0));
    assert_eq!(numbers("dev/large"), (1, u32::MAX));
    assert_eq!(entry(&proto, b"run/pipe").kind, Kind::Fifo);
    assert_eq!(entry(&proto, b"caf\xe9").metadata.uid, 1);
    assert_eq!(entry(&proto, b"run").metadata, Metadata::root(0o755));
    // Where only UTF-8 and plain files are wanted, that stays so.
    let strict = Options { make_parents: Some(Metadata::root(0o755)), ..Options::plain() };
    let error = take(&bytes, &strict).1.unwrap_err().to_string();
    assert!(error.contains("dev/null refused: it is a character device"), "{error}");
}

#[test]
fn device_numbers_that_are_none() {
    let large = block(b"d", b'3', 0, [b"\x80\0\0\x01\0\0\0\0", b"0000000\0"]);
    assert_eq!(
        refuse(&tar(&[large])),
        "t: damaged tar at byte 0 (member d): the device number 4294967296 is not below 2^32"
    );
    let rubbish = [b"rubbish\0", b"0000000\0"];
    let error = refuse(&tar(&[block(b"d", b'4', 0, rubbish)]));
    assert!(error.ends_with("the device number is not a number"), "{error}");
    // Of a file nobody reads them.
    take(&tar(&[block(b"f", b'0', 0, rubbish)]), &options()).1.unwrap();
}

#[test]
fn of_two_members_of_the_same_type_the_last_wins() {
    let file = |data: &[u8]| plain().file("f", 0o644, data);
    let twice = file(b"one").file("f", 0o600, b"two!").symlink("l", "a").symlink("l", "b").bytes();
    let (proto, result) = take(&twice, &options());
    result.unwrap();
    assert_eq!(entry(&proto, b"f").content().unwrap().size, 4);
    assert_eq!(entry(&proto, b"l").kind, Kind::Symlink { target: b"b"[..].into() });
    assert!(take(&twice, &Options::plain()).1.is_err());

    let other_type = |tar: Tar| refuse(&tar.bytes());
    assert_eq!(
        other_type(file(b"x").symlink("f", "y")),
        "t: member f refused: the archive brought a file of that name before"
    );
    assert!(other_type(file(b"x").directory("f", 0o755)).contains("a file of that name before"));
    assert_eq!(
        other_type(file(b"x").hardlink("g", "f").file("f", 0o644, b"y")),
        "t: member f refused: the archive brought a file of that name before, and g as a further \
         name of that"
    );
    assert_eq!(
        other_type(plain().hardlink("g", "f")),
        "t: member g refused: a hard link to f, which the archive did not bring before"
    );
}

#[test]
fn extended_attributes_are_refused_or_dropped() {
    for (key, word) in [
        ("SCHILY.xattr.user.mime", "the extended attribute `user.mime`"),
        ("LIBARCHIVE.xattr.security.capability", "the extended attribute `security.capability`"),
        ("SCHILY.acl.access", "an access control list"),
    ] {
        let bytes = tar(&[pax(key, "value"), block(b"f", b'0', 0, NONE)]);
        let error = refuse(&bytes);
        assert!(error.starts_with(&format!("t: member f refused: it has {word}, ")), "{error}");
        let drop = Options { extended_attributes: ExtendedAttributes::Drop, ..options() };
        take(&bytes, &drop).1.unwrap();
    }
    let label = tar(&[pax("SCHILY.xattr.security.selinux", "x"), block(b"f", b'0', 0, NONE)]);
    take(&label, &options()).1.unwrap();
}

#[test]
fn what_is_not_read_says_so() {
    let bytes = tar(&[pax("GNU.sparse.major", "2"), block(b"f", b'0', 0, NONE)]);
    assert!(refuse(&bytes).ends_with("pax GNU.sparse.major: not understood"));
    let bytes = tar(&[pax("GNU.sparse.map", "0,1"), block(b"f", b'0', 0, NONE)]);
    assert!(refuse(&bytes).ends_with("the size of the sparse file is missing"));
    assert!(refuse(b"\x28\xb5\x2f\xfd0000000").starts_with("t: is compressed with zstd, which"));
    assert!(refuse(b"\xfd7zXZ\0\0\0").contains("with xz"));
    assert!(refuse(&tar(&[block(b"a/../b", b'0', 0, NONE)])).contains("has a `..` component"));
    assert!(refuse(&tar(&[block(b"/b", b'0', 0, NONE)])).contains("its name is absolute"));
    assert!(refuse(&tar(&[block(b"a//b", b'0', 0, NONE)])).contains("an empty component"));
}

/// Every form of sparse files, as GNU tar and bsdtar write them.
#[test]
fn sparse_files_are_what_they_were() {
    use std::os::unix::fs::FileExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let file = std::fs::File::create(root.join("sparse")).unwrap();
    file.set_len(10 << 20).unwrap();
    // More parts than a header block or two have room for.
    for part in 1..60u64 {
        file.write_all_at(format!("part {part}").as_bytes(), part * 150_000).unwrap();
    }
    std::fs::File::create(root.join("hole")).unwrap().set_len(1 << 20).unwrap();
    let expected = |name: &str| std::fs::read(root.join(name)).unwrap();
    let forms: [(&str, &[&str]); 5] = [
        ("tar", &["--sparse", "--format=gnu"]),
        ("tar", &["--sparse", "--format=posix", "--sparse-version=0.0"]),
        ("tar", &["--sparse", "--format=posix", "--sparse-version=0.1"]),
        ("tar", &["--sparse", "--format=posix", "--sparse-version=1.0"]),
        ("bsdtar", &["--format=pax"]),
    ];
    for (program, words) in forms {
        let Some(mut command) = verifiers::require(program) else { continue };
        let archive = directory.path().join("archive.tar");
        let command = command.args(words).arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".");
        assert!(command.status().unwrap().success());
        let bytes = std::fs::read(&archive).unwrap();
        assert!(bytes.len() < 2 << 20, "{program} {words:?} did not notice the holes");
        let store = tempfile::tempdir().unwrap();
        let mut proto = Proto::new(Store::create(store.path()).unwrap());
        into_proto_stream(&bytes[..], "t", &mut proto, &ProtoPath::root(), &options()).unwrap();
        for name in ["sparse", "hole"] {
            let path = ProtoPath::new(name).unwrap();
            let entry = proto.manifest.get(&path).unwrap();
            let content = entry.content().unwrap();
            let read = proto.contents.read(&path, content).unwrap();
            assert!(read == expected(name), "{program} {words:?}: another {name}");
        }
        // Skipped, the next member is found.
        let mut reader = oxide_archive::open_stream(&bytes[..], "t").unwrap();
        let mut names = Vec::new();
        while let Some(member) = reader.next_member().unwrap() {
            names.push(member.display_name());
        }
        names.sort();
        assert_eq!(names, ["./", "./hole", "./sparse"], "{program} {words:?}");
        // Layers have no use for them.
        let strict = Options { special_files: false, ..options() };
        assert!(take(&bytes, &strict).1.unwrap_err().to_string().contains("sparse file"));
        // Cut anywhere they are an error, not a panic.
        let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        for eighth in 1..=8 {
            let cut = &bytes[..end * eighth / 8];
            assert!(take(cut, &options()).1.is_err(), "{program} {words:?} {eighth}");
        }
    }
}
