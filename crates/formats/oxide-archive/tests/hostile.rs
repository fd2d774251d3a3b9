//! Archives made to do harm: each is refused with the member's name and the reason, and nothing
//! outside the destination changes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{Tar, gzipped, layer, owner, write};
use oxide_archive::{
    ArchiveType, Error, Limits, Metadata, Options, Unpacked, Writer, into_proto, open, unpack,
};
use proptest::prelude::*;
use proto::{Entry, Proto, ProtoPath, Store};

fn options() -> Options {
    Options::for_type(ArchiveType::Layer)
}

/// Unpacks to a directory and into a proto; both must agree.
fn both(bytes: &[u8], options: &Options) -> Result<Unpacked, Error> {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let archive = write(directory, bytes);
    fs::write(directory.join("victim"), "untouched").unwrap();
    let root = directory.join("zone");
    fs::create_dir(&root).unwrap();
    let mut proto = Proto::new(Store::create(directory.join("store")).unwrap());
    let top = Entry::directory(proto::Metadata::root(0o755));
    proto.manifest.insert(ProtoPath::root(), top).unwrap();
    let before = proto.manifest.clone();

    let on_disk = unpack(&archive, &root, options);
    let in_proto = into_proto(&archive, &mut proto, &ProtoPath::root(), options);
    if in_proto.is_err() {
        assert_eq!(proto.manifest, before);
    }
    match (&on_disk, &in_proto) {
        (Ok(disk), Ok(proto)) => assert_eq!(disk.members, proto.members),
        (Err(disk), Err(proto)) => assert_eq!(disk.to_string(), proto.to_string()),
        _ => panic!("they differ: {on_disk:?} and {in_proto:?}"),
    }
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["archive.tar.gz", "store", "victim", "zone"]);
    assert_eq!(fs::read(directory.join("victim")).unwrap(), b"untouched");
    on_disk
}

#[track_caller]
fn refused(tar: Tar, member: &str, reason: &str) {
    let error = both(&gzipped(&tar.bytes()), &options()).unwrap_err();
    let Error::Refused { member: found, problem, .. } = &error else { panic!("{error}") };
    assert_eq!(found, member);
    assert!(problem.contains(reason), "{problem}");
}

fn root() -> Tar {
    layer().directory("root", 0o755)
}

#[test]
fn names_that_lead_outside() {
    refused(root().file("root/../victim", 0o644, b"x"), "root/../victim", "`..`");
    refused(root().file("../victim", 0o644, b"x"), "../victim", "`..`");
    refused(root().file("root/a/../../victim", 0o644, b"x"), "root/a/../../victim", "`..`");
    refused(root().file("/etc/passwd", 0o644, b"x"), "/etc/passwd", "absolute");
    refused(root().file("root/a/./b", 0o644, b"x"), "root/a/./b", "`.`");
    refused(root().file("root//etc/passwd", 0o644, b"x"), "root//etc/passwd", "empty component");
    refused(root().directory("root/..", 0o755), "root/../", "`..`");
}

#[test]
fn parents_that_are_links_or_files() {
    let tar = root().symlink("root/a", "/tmp").file("root/a/passwd", 0o644, b"x");
    refused(tar, "root/a/passwd", "its parent a is a symlink");
    let tar = root().symlink("root/a", "..").file("root/a/victim", 0o644, b"x");
    refused(tar, "root/a/victim", "its parent a is a symlink");
    let tar = root().file("root/a", 0o644, b"").file("root/a/b", 0o644, b"x");
    refused(tar, "root/a/b", "its parent a is a file");
    let tar = root().symlink("root/a", "..").directory("root/a", 0o755);
    refused(tar, "root/a/", "brought a symlink of that name before");
    refused(root().file("root/a/b", 0o644, b"x"), "root/a/b", "its parent a is missing");
    let tar = root().symlink("root/a", "/").hardlink("root/b", "root/a/etc/passwd");
    refused(tar, "root/b", "did not bring before");
}

/// What stands in the destination already is not followed either.
#[test]
fn links_that_were_there_before() {
    let directory = tempfile::tempdir().unwrap();
    let tar = root().file("root/a/b", 0o644, b"x");
    let archive = write(directory.path(), &gzipped(&tar.bytes()));
    let (zone, outside) = (directory.path().join("zone"), directory.path().join("outside"));
    fs::create_dir(&zone).unwrap();
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink("../outside", zone.join("a")).unwrap();
    let error = unpack(&archive, &zone, &options()).unwrap_err().to_string();
    assert!(error.ends_with("member root/a/b refused: its parent a is a symlink"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // Nor is the destination itself.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("zone", &link).unwrap();
    assert!(matches!(unpack(&archive, &link, &options()), Err(Error::Io { .. })));
}

#[test]
fn hard_links_to_outside() {
    refused(root().hardlink("root/a", "victim"), "root/a", "not below root");
    refused(root().hardlink("root/a", "../victim"), "root/a", "no safe name");
    refused(root().hardlink("root/a", "root/../victim"), "root/a", "no safe name");
    refused(root().hardlink("root/a", "/etc/passwd"), "root/a", "no safe name");
    refused(root().hardlink("root/a", "root/later"), "root/a", "did not bring before");
    refused(root().hardlink("root/a", "root"), "root/a", "which is a directory");
    let tar = root().symlink("root/s", "x").hardlink("root/a", "root/s");
    refused(tar, "root/a", "which is a symlink");
}

#[test]
fn types_that_do_not_belong_in_a_zone() {
    for (type_flag, word) in
        [(b'3', "character device"), (b'4', "block device"), (b'6', "fifo"), (b'S', "sparse file")]
    {
        let mut bytes = root().file("root/dev", 0o644, b"").bytes();
        retype(&mut bytes, "root/dev", type_flag);
        let error = both(&gzipped(&bytes), &options()).unwrap_err().to_string();
        assert!(error.contains(&format!("member root/dev refused: it is a {word}")), "{error}");
    }
    for type_flag in [b'V', b'M', b'9', 0xff] {
        let mut bytes = root().file("root/dev", 0o644, b"").bytes();
        retype(&mut bytes, "root/dev", type_flag);
        let error = both(&gzipped(&bytes), &options()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

/// Changes the type of a member and mends the checksum.
fn retype(bytes: &mut [u8], name: &str, type_flag: u8) {
    patch(bytes, name, |header| header[156] = type_flag);
}

fn patch(bytes: &mut [u8], name: &str, change: impl FnOnce(&mut [u8])) {
    let start = bytes.windows(name.len()).rposition(|w| w == name.as_bytes()).unwrap();
    let header = &mut bytes[start..start + 512];
    change(header);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

#[test]
fn members_that_come_twice() {
    let tar = root().file("root/a", 0o644, b"1").file("root/a", 0o644, b"2");
    refused(tar, "root/a", "brought a file of that name before");
    let tar = root().file("root/a", 0o644, b"1").file("./root/a", 0o644, b"2");
    refused(tar, "./root/a", "brought a file of that name before");
    let tar = root().directory("root/a", 0o755).symlink("root/a", "/");
    refused(tar, "root/a", "brought a directory of that name before");
    // Zone images put together from several packages have the same directories several times.
    let tar = root().directory("root/a", 0o700).directory("root/a", 0o755);
    let unpacked = both(&gzipped(&tar.bytes()), &options()).unwrap();
    let path = ProtoPath::new("a").unwrap();
    assert_eq!(unpacked.manifest.get(&path).unwrap().metadata.mode, 0o755);
}

#[test]
fn names_at_and_over_the_limits() {
    let fits = root().file(format!("root/{}", "n".repeat(255)), 0o644, b"x");
    both(&gzipped(&fits.bytes()), &options()).unwrap();
    let long = format!("root/{}", "n".repeat(256));
    let error = both(&gzipped(&root().file(&long, 0o644, b"").bytes()), &options()).unwrap_err();
    assert!(error.to_string().contains("a name longer than 255 bytes"), "{error}");
    let deep = format!("root/{}x", "d/".repeat(510));
    let error = both(&gzipped(&root().file(&deep, 0o644, b"").bytes()), &options()).unwrap_err();
    assert!(error.to_string().contains("longer than 1023 bytes"), "{error}");
    let error = both(&gzipped(&root().file(b"root/\xff", 0o644, b"").bytes()), &options());
    assert!(error.unwrap_err().to_string().contains("not UTF-8"));
    let mut nul = root().file("root/a", 0o644, b"").bytes();
    let start = nul.len() - 1536;
    let pax = pax_header("path", b"root/a\0b");
    nul.splice(start..start, pax);
    let error = both(&gzipped(&nul), &options()).unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
}

/// A pax header before whatever follows.
fn pax_header(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..).find(|n: &usize| *n == rest + n.to_string().len()).unwrap();
    let record = [format!("{length} {key}=").as_bytes(), value, b"\n"].concat();
    let mut bytes = common::plain().file("PaxHeader", 0o644, &record).bytes();
    retype(&mut bytes, "PaxHeader", b'x');
    bytes.truncate(bytes.len() - 1024);
    bytes
}

#[test]
fn sizes_out_of_all_proportion() {
    let tar = || root().file("root/a", 0o644, b"12345").file("root/b", 0o644, b"12345");
    let limited = |limits| both(&gzipped(&tar().bytes()), &Options { limits, ..options() });
    let limits = Limits { bytes: 9, ..Limits::default() };
    let error = limited(limits).unwrap_err().to_string();
    assert!(error.contains("member root/b refused: with its 5 bytes"), "{error}");
    let error = limited(Limits { members: 2, ..limits }).unwrap_err().to_string();
    assert!(error.contains("more than 2 members"), "{error}");
    let error = limited(Limits { path: 5, ..Limits::default() }).unwrap_err().to_string();
    assert!(error.contains("member root/a refused: its name is longer than the 5"), "{error}");
    limited(Limits { bytes: 10, members: 3, path: 6 }).unwrap();
    // Announced, not sent: refused before a byte is written.
    let mut bytes = root().file("root/huge", 0o644, b"").bytes();
    patch(&mut bytes, "root/huge", |h| h[124..136].copy_from_slice(b"77777777777\0"));
    let limits = Limits { bytes: 1 << 30, ..Limits::default() };
    let error = both(&gzipped(&bytes), &Options { limits, ..options() }).unwrap_err();
    assert!(matches!(&error, Error::Refused { member, .. } if member == "root/huge"), "{error}");
    let mut bytes = root().file("root/huge", 0o644, b"").bytes();
    patch(&mut bytes, "root/huge", |h| h[124..136].fill(0xff));
    let error = both(&gzipped(&bytes), &options()).unwrap_err();
    assert!(error.to_string().contains("the size is negative"), "{error}");
}

#[test]
fn modes_and_owners_that_make_no_sense() {
    let header = |change: fn(&mut [u8])| {
        let mut bytes = root().file("root/a", 0o644, b"").bytes();
        patch(&mut bytes, "root/a", change);
        both(&gzipped(&bytes), &options())
    };
    let message = |change| header(change).unwrap_err().to_string();
    assert!(
        message(|h| h[100..108].copy_from_slice(b"0000888\0")).contains("mode is not a number")
    );
    assert!(message(|h| h[100..108].copy_from_slice(b"0040755\0")).contains("does not belong"));
    assert!(message(|h| h[100..108].copy_from_slice(b"7777777\0")).contains("does not belong"));
    assert!(message(|h| h[108..116].copy_from_slice(b"\x80\0\0\x01\0\0\0\0")).contains("owner"));
    header(|h| h[100..108].copy_from_slice(b"0106755\0")).unwrap();
}

#[test]
fn damage_of_the_compressed_form() {
    let good = gzipped(&root().file("root/a", 0o644, &[7; 5000]).bytes());
    let damage = |bytes: &[u8]| match both(bytes, &options()).unwrap_err() {
        Error::Compressed { damage, .. } => damage,
        other => panic!("{other}"),
    };
    assert!(matches!(damage(&good[..good.len() - 1]), gzip::Error::Truncated { .. }));
    assert!(matches!(damage(&[&good[..], b"x"].concat()), gzip::Error::TrailingGarbage { .. }));
    assert!(matches!(damage(&[&good[..], &good].concat()), gzip::Error::SecondMember { .. }));
    let mut wrong = good.clone();
    let crc = good.len() - 8;
    wrong[crc] ^= 1;
    assert!(matches!(damage(&wrong), gzip::Error::Checksum { .. }));
    wrong[crc] ^= 1;
    wrong[crc + 4] ^= 1;
    assert!(matches!(damage(&wrong), gzip::Error::Length { .. }));
}

#[test]
fn ends_that_are_not_the_end() {
    let tar = root().file("root/a", 0o644, &[7; 1000]).bytes();
    let message = |tar: &[u8]| both(&gzipped(tar), &options()).unwrap_err().to_string();
    let end = tar.len();
    assert!(message(&tar[..end - 1024]).contains("without the two zero blocks"));
    assert!(message(&tar[..end - 1030]).contains("(member root/a): it ends in the padding"));
    assert!(message(&tar[..end - 1500]).contains("more bytes of data should be"));
    assert!(message(&[&tar[..], b"more"].concat()).contains("data after the end"));
    both(&gzipped(&[&tar[..], &[0; 9000]].concat()), &options()).unwrap();
}

#[test]
fn metadata_missing_misplaced_or_wrong() {
    let message = |tar: Tar| both(&gzipped(&tar.bytes()), &options()).unwrap_err().to_string();
    let json = |json: &str| common::plain().file("oxide.json", 0o444, json.as_bytes());
    assert!(message(common::plain().directory("root", 0o755)).contains("must be the first member"));
    assert!(message(common::plain()).contains("the archive is empty"));
    let twice = root().file("oxide.json", 0o444, b"{}");
    assert!(message(twice).contains("oxide.json comes twice"));
    assert!(message(json(r#"{"v":"1","t":"zone"}"#)).contains("unknown variant `zone`"));
    assert!(message(json(r#"{"v":"2","t":"layer"}"#)).contains("version `2`"));
    assert!(message(json("")).contains("cannot be read"));
    assert!(message(json(&" ".repeat(70_000))).contains("more than the 65536"));
    assert!(message(common::plain().symlink("oxide.json", "x")).contains("is a symlink"));
    assert!(message(common::plain().directory("oxide.json", 0o755)).contains("first member"));
}

#[test]
fn places_that_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let zone = directory.path().join("zone");
    fs::create_dir_all(zone.join("d")).unwrap();
    fs::write(zone.join("f"), "x").unwrap();
    let check = |tar: Tar, expected: &str| {
        let archive = write(directory.path(), &gzipped(&tar.bytes()));
        let error = unpack(&archive, &zone, &options()).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    check(root().file("root/d", 0o644, b""), "a directory is there, and a file cannot replace it");
    check(root().symlink("root/d", "x"), "a directory is there, and a symlink cannot replace it");
    check(root().directory("root/f", 0o755), "a file is there, and a directory cannot replace it");
}

/// A file that a layer replaces may have other names; those keep the old content.
#[test]
fn replacing_a_file_leaves_its_other_names_alone() {
    let directory = tempfile::tempdir().unwrap();
    let base = root()
        .file("root/a", 0o644, b"old")
        .hardlink("root/b", "root/a")
        .hardlink("root/c", "root/a");
    let archive = write(directory.path(), &gzipped(&base.bytes()));
    let mut proto = Proto::new(Store::create(directory.path().join("store")).unwrap());
    into_proto(&archive, &mut proto, &ProtoPath::root(), &options()).unwrap();
    let over = root().file("root/a", 0o644, b"new");
    let archive = write(directory.path(), &gzipped(&over.bytes()));
    into_proto(&archive, &mut proto, &ProtoPath::root(), &options()).unwrap();
    proto.manifest.check().unwrap();
    for (name, expected) in [("a", b"new"), ("b", b"old"), ("c", b"old")] {
        let path = ProtoPath::new(name).unwrap();
        let (path, entry) = proto.manifest.resolve_hardlink(&path).unwrap();
        let content = entry.content().unwrap();
        assert_eq!(proto.contents.read(path, content).unwrap(), expected, "{name}");
    }
}

/// As root, and in a namespace where this process is root, owners are really set.
#[test]
fn owners_are_set_by_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let zone = directory.path().join("zone");
    fs::create_dir(&zone).unwrap();
    let tar = root().file("root/su", 0o6755, b"x").symlink("root/l", "su");
    let archive = write(directory.path(), &gzipped(&tar.bytes()));
    let unpacked = unpack(&archive, &zone, &options()).unwrap();
    assert!(unpacked.owners_set);
    for name in ["", "su", "l"] {
        let stat = fs::symlink_metadata(zone.join(name)).unwrap();
        assert_eq!(
            (stat.uid(), stat.gid()),
            (verifiers::mapped(5), verifiers::mapped(6)),
            "{name}"
        );
    }
    assert_eq!(fs::metadata(zone.join("su")).unwrap().mode() & 0o7777, 0o6755);
}

#[test]
fn owners_are_set_in_a_user_namespace() {
    verifiers::in_user_namespace("owners_are_set_by_root");
}

fn names_of(path: &Path) -> Result<Vec<String>, Error> {
    let mut reader = open(path)?;
    let mut names = Vec::new();
    while let Some(member) = reader.next_member()? {
        names.push(member.display_name());
    }
    Ok(names)
}

fn any_name() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-zA-Z0-9._é+-]{1,60}", 1..12)
        .prop_filter("dots", |parts| parts.iter().all(|p| !p.chars().all(|c| c == '.')))
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        members in proptest::collection::vec(
            (any_name(), 0..4u8, 0..0o10000u32, any::<(u32, u32)>(),
             (-4_000_000_000i64..90_000_000_000, 0..3u32),
             proptest::collection::vec(any::<u8>(), 0..2000)), 0..12)
    ) {
        let mut writer = Writer::plain(Vec::new(), Path::new("t"));
        let mut expected = Vec::new();
        for (name, kind, mode, (uid, gid), (seconds, tenths), data) in members {
            let mtime = proto::Mtime { seconds, nanoseconds: tenths * 100_000_000 };
            let metadata = proto::Metadata::owned(mode, uid, gid).at(mtime);
            match kind {
                0 => writer.file_bytes(&name, metadata, &data).unwrap(),
                1 => writer.directory(&name, metadata).unwrap(),
                2 => writer.symlink(&name, &name, metadata).unwrap(),
                _ => writer.hardlink(&name, &name, metadata).unwrap(),
            }
            let stored = if kind == 1 { name.clone() + "/" } else { name };
            expected.push((stored, metadata, if kind == 0 { data } else { Vec::new() }));
        }
        let bytes = writer.finish().unwrap();
        prop_assert_eq!(bytes.len() % 512, 0);
        let mut reader = oxide_archive::TarReader::new(&bytes[..], "t");
        let mut found = Vec::new();
        while let Some(member) = reader.next_member().unwrap() {
            let mut data = Vec::new();
            reader.read_all(&mut data).unwrap();
            found.push((String::from_utf8(member.name).unwrap(), member.metadata, data));
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_tar_makes_the_reader_panic(
        changes in proptest::collection::vec((0..4000usize, any::<u8>()), 0..20),
        cut in 0..4000usize,
    ) {
        let mut bytes = root().file("root/a", 0o644, &[1; 600]).symlink("root/b", "c").bytes();
        for (index, byte) in changes {
            let index = index % bytes.len();
            bytes[index] = byte;
        }
        bytes.truncate(bytes.len().min(cut));
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &bytes);
        let _ = names_of(&path);
        let zone = directory.path().join("zone");
        fs::create_dir(&zone).unwrap();
        let _ = unpack(&path, &zone, &options());
    }

    /// Whatever single byte of the uncompressed tar is changed: refused, or the same tree, or a
    /// tree that stays inside.
    #[test]
    fn whatever_name_is_given_nothing_appears_outside(
        name in "(root/)?[a-z./]{1,12}", link in "(root/)?[a-z./]{1,12}", kind in 0..4u8,
    ) {
        let mut writer = root().directory("root/a", 0o755).symlink("root/b", "..").0;
        let result = match kind {
            0 => writer.file_bytes(&name, owner(0o644), b"evil"),
            1 => writer.directory(&name, owner(0o755)),
            2 => writer.symlink(&name, &link, owner(0o777)),
            _ => writer.hardlink(&name, &link, owner(0o644)),
        };
        prop_assume!(result.is_ok());
        let _ = both(&gzipped(&Tar(writer).bytes()), &options());
    }
}

#[test]
fn a_writer_refuses_what_it_cannot_write() {
    let metadata = Metadata::new(ArchiveType::Layer);
    let mut writer = Writer::new(Vec::new(), Path::new("t"), &metadata, 0).unwrap();
    for name in ["", "a\0b"] {
        assert!(matches!(writer.directory(name, owner(0o755)), Err(Error::Unwritable { .. })));
    }
    let error = writer.file("a", owner(0o644), 5, &b"1234"[..]).unwrap_err();
    assert_eq!(error.to_string(), "t: cannot write member a: its data end after 4 of 5 bytes");
    let error = writer.file("b", owner(0o644), 3, &b"1234"[..]).unwrap_err();
    assert!(error.to_string().ends_with("its data are longer than 3 bytes"), "{error}");
}
