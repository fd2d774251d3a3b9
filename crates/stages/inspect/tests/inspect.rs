//! One small file of each format: recognised under any name, described, and damaged in many ways.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use boot_image::{FileList, boot_archive, compress_file, os_archive, phase2};
use inspect::{Error, Inspection, Kind, inspect};
use oxide_archive::{ArchiveType, Metadata, Writer};
use proptest::prelude::*;
use proto::{Digest, Entry, Proto, ProtoPath, Store};

/// Makes one file of each format in a directory. Names say nothing, as they must not matter.
fn samples(directory: &Path) -> BTreeMap<Kind, PathBuf> {
    let mut files = BTreeMap::new();
    let place = |kind: Kind| directory.join(format!("{kind:?}.txt"));
    let root = proto::Metadata::root(0o755);

    for (kind, archive_type) in
        [(Kind::Baseline, ArchiveType::Baseline), (Kind::Layer, ArchiveType::Layer)]
    {
        let metadata = Metadata::new(archive_type).with_package("zone", "1.2.3");
        let mut writer = Writer::create(place(kind), &metadata, 0).unwrap();
        writer.directory("root", root).unwrap();
        writer.file_bytes("root/file", root, &noise(3000)).unwrap();
        writer.symlink("root/link", "file", root).unwrap();
        writer.hardlink("root/hard", "root/file", root).unwrap();
        files.insert(kind, writer.commit().unwrap().path);
    }
    let mut writer = Writer::create_plain(place(Kind::Tar)).unwrap();
    writer.file_bytes("file", root, &noise(500)).unwrap();
    files.insert(Kind::Tar, writer.commit().unwrap().path);

    let pool = place(Kind::Pool);
    write_pool(&pool);
    let options = phase2::Options { compress: true, ..phase2::Options::new("the image") };
    let image = phase2::write(&pool, &place(Kind::Phase2), &options).unwrap();
    files.insert(Kind::Pool, pool);

    let mut proto = Proto::new(Store::create(directory.join("store")).unwrap());
    let content = proto.contents.store.add_bytes(&noise(900)).unwrap();
    let path = ProtoPath::new("kernel/unix").unwrap();
    let entry = Entry::file(content.size, content.digest.unwrap(), root);
    proto.manifest.insert(path, entry).unwrap();
    let list = FileList::parse("kernel/unix", Path::new("list")).unwrap();
    let cpio = place(Kind::BootArchive);
    boot_archive::write(&proto, &list, &image.header.sha256, 7, &cpio).unwrap();
    let compressed = place(Kind::CompressedBootArchive);
    compress_file(&cpio, &compressed).unwrap();
    let zlib = place(Kind::Zlib);
    let kernel = directory.join("kernel");
    fs::write(&kernel, [b"\x7fELF".to_vec(), noise(700)].concat()).unwrap();
    compress_file(&kernel, &zlib).unwrap();
    let parts = os_archive::Parts {
        unix: zlib.clone(),
        boot_archive: compressed.clone(),
        ..os_archive::Parts::default()
    };
    let output = place(Kind::OsArchive);
    os_archive::write(&image.path, os_archive::Notes::default(), &parts, 0, &output).unwrap();
    files.insert(Kind::OsArchive, place(Kind::OsArchive));
    files.insert(Kind::Phase2, image.path);
    files.insert(Kind::BootArchive, cpio);
    files.insert(Kind::CompressedBootArchive, compressed);
    files.insert(Kind::Zlib, zlib);

    let gzip = place(Kind::Gzip);
    fs::write(&gzip, gzipped(&noise(2000))).unwrap();
    files.insert(Kind::Gzip, gzip);
    let package = place(Kind::PackageArchive);
    fs::write(&package, package_archive()).unwrap();
    files.insert(Kind::PackageArchive, package);
    let manifest = place(Kind::PackageManifest);
    fs::write(&manifest, MANIFEST).unwrap();
    files.insert(Kind::PackageManifest, manifest);
    let repository = place(Kind::UpdateRepository);
    fs::write(&repository, repository_zip(|_, _| {})).unwrap();
    files.insert(Kind::UpdateRepository, repository);
    for (kind, comment) in
        [(Kind::HubrisArchive, "hubris build archive v9"), (Kind::Zip, "something")]
    {
        let bytes = zipped(&[("img/final.elf".to_owned(), noise(800))], comment);
        fs::write(place(kind), bytes).unwrap();
        files.insert(kind, place(kind));
    }
    files
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut writer = gzip::GzipWriter::new(Vec::new(), gzip::Level::Fast);
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

const MANIFEST: &str = "set name=pkg.fmri value=pkg://test/system/sample@1.0,5.11:20260101T000000Z\n\
    set name=pkg.summary value=\"A sample\"\n\
    dir path=etc owner=root group=sys mode=0755\n";

fn package_archive() -> Vec<u8> {
    let owner = |mode| proto::Metadata::root(mode);
    let mut writer = Writer::plain(Vec::new(), Path::new("p5p"));
    writer.file_bytes("pkg5.index.0.gz", owner(0o644), &gzipped(b"index\n")).unwrap();
    for directory in ["publisher", "publisher/test", "publisher/test/pkg"] {
        writer.directory(directory, owner(0o755)).unwrap();
    }
    let manifest = "publisher/test/pkg/system%2Fsample/1.0%2C5.11%3A20260101T000000Z";
    writer.file_bytes(manifest, owner(0o644), MANIFEST.as_bytes()).unwrap();
    let payload = noise(600);
    let hash: String =
        <sha1::Sha1 as sha1::Digest>::digest(&payload).iter().map(|b| format!("{b:02x}")).collect();
    let name = format!("publisher/test/file/{}/{hash}", &hash[..2]);
    writer.file_bytes(name, owner(0o644), &gzipped(&payload)).unwrap();
    writer.finish().unwrap()
}

fn zipped(entries: &[(String, Vec<u8>)], comment: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.set_comment(comment).unwrap();
    writer.finish().unwrap().into_inner()
}

/// A small repository (its signatures are empty: they are not looked at here). `change` may alter
/// what is stored after the list was made.
fn repository_zip(change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let artifacts = r#"{"system_version":"1.2.3","artifacts":[{"target_name":"zones/ntp.tar.gz",
        "version":"1.2.3","tags":{"kind":"zone","zone_name":"ntp"}}]}"#;
    let targets = [
        ("artifacts-v2.json", artifacts.as_bytes().to_vec()),
        ("zones/ntp.tar.gz", gzipped(&noise(300))),
        ("extra.txt", b"extra".to_vec()),
    ];
    let listed: Vec<String> = targets
        .iter()
        .map(|(name, data)| {
            let (length, sha256) = (data.len(), Digest::of(data));
            format!(r#""{name}":{{"length":{length},"hashes":{{"sha256":"{sha256}"}}}}"#)
        })
        .collect();
    let role = |rest: &str| {
        format!(
            r#"{{"signed":{{"version":1,"expires":"2026-01-01T00:00:00Z"{rest}}},"signatures":[]}}"#
        )
    };
    let mut entries = vec![
        ("repo/metadata/1.root.json".to_owned(), role("").into_bytes()),
        ("repo/metadata/snapshot.json".to_owned(), role("").into_bytes()),
        (
            "repo/metadata/targets.json".to_owned(),
            role(&format!(r#","targets":{{{}}}"#, listed.join(","))).into_bytes(),
        ),
        ("repo/metadata/timestamp.json".to_owned(), role("").into_bytes()),
    ];
    entries.extend(targets.into_iter().map(|(n, d)| (format!("repo/targets/{n}"), d)));
    for (name, data) in &mut entries {
        change(name, data);
    }
    entries.retain(|(_, data)| data != b"REMOVE");
    zipped(&entries, "")
}

/// A pool with one file.
fn write_pool(path: &Path) {
    let mut proto = Proto::new(Store::create(path.with_extension("store")).unwrap());
    let root = proto::Metadata::root(0o755);
    proto.manifest.insert(ProtoPath::root(), Entry::directory(root)).unwrap();
    let content = proto.contents.store.add_bytes(&noise(9000)).unwrap();
    let file = Entry::file(content.size, content.digest.unwrap(), root);
    proto.manifest.insert(ProtoPath::new("file").unwrap(), file).unwrap();
    zpool_image::write(&proto, &zpool_image::PoolOptions::ramdisk(), path).unwrap();
}

fn fact<'a>(inspection: &'a Inspection, name: &str) -> &'a str {
    inspection.facts.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", inspection.facts))
}

#[test]
fn each_format_is_recognised_by_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let files = samples(directory.path());
    assert_eq!(files.len(), 15);
    for (kind, path) in &files {
        let inspection = inspect(path).unwrap();
        assert_eq!(inspection.kind, *kind, "{inspection}");
        assert!(inspection.is_sound(), "{inspection}");
        assert_eq!(inspection.size, fs::metadata(path).unwrap().len());
        let json = serde_json::to_value(&inspection).unwrap();
        assert!(json["kind"].is_string() && json["facts"].is_object());
        assert!(inspection.to_string().contains(kind.words()));
    }
}

#[test]
fn what_is_inside_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let files = samples(directory.path());
    let look = |kind| inspect(&files[&kind]).unwrap();
    let layer = look(Kind::Layer);
    assert_eq!((fact(&layer, "package"), fact(&layer, "version")), ("zone", "1.2.3"));
    assert_eq!(layer.entries.len(), 5);
    assert!(layer.to_string().contains("root/link -> file"), "{layer}");
    assert!(layer.to_string().contains("root/hard => root/file"), "{layer}");
    let image = look(Kind::Phase2);
    assert_eq!(fact(&image, "name"), "the image");
    let digest = fact(&image, "sha256 of the image").to_owned();
    let os = look(Kind::OsArchive);
    assert_eq!(fact(&os, "checksum"), digest);
    assert_eq!(fact(&os, "zfs.img: name"), "the image");
    let boot = look(Kind::CompressedBootArchive);
    assert_eq!(fact(&boot, "belongs to the image with sha256"), digest);
    assert_eq!(boot.entries[0].name, "kernel/unix");
    assert_eq!(fact(&look(Kind::Zlib), "content"), "ELF file");
    let package = look(Kind::PackageArchive);
    assert_eq!((fact(&package, "packages"), fact(&package, "publishers")), ("1", "test"));
    let manifest = look(Kind::PackageManifest);
    assert_eq!(fact(&manifest, "summary"), "A sample");
    let repository = look(Kind::UpdateRepository);
    assert_eq!(fact(&repository, "system version"), "1.2.3");
    let zone = repository.entries.iter().find(|e| e.item_type == "zone").unwrap();
    assert_eq!(zone.note.as_deref(), Some("1.2.3, zone_name=ntp"));
    let pool = look(Kind::Pool);
    assert_eq!((fact(&pool, "pool version"), fact(&pool, "uberblock txg")), ("5000", "8"));
    assert_eq!(fact(&look(Kind::HubrisArchive), "version"), "v9");
}

#[test]
fn a_pool_is_read_with_and_without_a_header() {
    let directory = tempfile::tempdir().unwrap();
    let pool = directory.path().join("pool");
    write_pool(&pool);
    let image = |compress| {
        let options = phase2::Options { compress, ..phase2::Options::new("the image") };
        let path = directory.path().join(if compress { "compressed" } else { "raw" });
        phase2::write(&pool, &path, &options).unwrap();
        path
    };
    for (path, kind) in
        [(&pool, Kind::Pool), (&image(false), Kind::Phase2), (&image(true), Kind::Phase2)]
    {
        let inspection = inspect(path).unwrap();
        assert_eq!(inspection.kind, kind);
        assert!(inspection.is_sound(), "{inspection}");
        assert_eq!((fact(&inspection, "pool"), fact(&inspection, "ashift")), ("rpool", "9"));
        let dataset = inspection.entries.iter().find(|e| e.name == "rpool/ROOT/ramdisk").unwrap();
        assert_eq!((dataset.size, dataset.item_type.as_str()), (9000, "dataset"));
        assert!(dataset.note.as_ref().unwrap().starts_with("1 files, 1 directories"));
    }
}

/// Formats in which every byte that carries something is covered by a checksum.
const GUARDED: [Kind; 8] = [
    Kind::Baseline,
    Kind::Layer,
    Kind::OsArchive,
    Kind::Phase2,
    Kind::CompressedBootArchive,
    Kind::Tar,
    Kind::Gzip,
    Kind::Zlib,
];

#[test]
fn a_file_that_is_cut_short_is_never_sound() {
    let directory = tempfile::tempdir().unwrap();
    let files = samples(directory.path());
    let victim = directory.path().join("victim");
    for (kind, path) in files {
        let good = fs::read(&path).unwrap();
        let step = (good.len() / 40).max(1);
        fs::copy(&path, &victim).unwrap();
        let lengths = (0..good.len()).step_by(step).chain([good.len() - 1]);
        for length in lengths.collect::<Vec<_>>().into_iter().rev() {
            File::options().write(true).open(&victim).unwrap().set_len(length as u64).unwrap();
            match inspect(&victim) {
                // A manifest without its last lines is a manifest; the padding of a tar or cpio
                // carries nothing.
                Ok(_) if kind == Kind::PackageManifest => {}
                Ok(found) if good[length..].iter().all(|&b| b == 0) => {
                    assert!(
                        [Kind::BootArchive, Kind::PackageArchive, Kind::Pool].contains(&kind)
                            || !found.is_sound(),
                        "{kind:?} cut at {length}: {found}"
                    );
                }
                Ok(found) => {
                    assert!(!found.is_sound(), "{kind:?} cut at {length}: {found}");
                    assert!(found.to_string().contains("DAMAGED: "));
                }
                Err(Error::Unknown { .. }) => assert!(length < 16_388 + (256 << 10), "{kind:?}"),
                Err(other) => panic!("{kind:?} cut at {length}: {other}"),
            }
        }
    }
}

#[test]
fn a_changed_byte_is_found_where_a_checksum_covers_it() {
    let directory = tempfile::tempdir().unwrap();
    let files = samples(directory.path());
    let victim = directory.path().join("victim");
    for (kind, path) in files {
        let good = fs::read(&path).unwrap();
        let whole = inspect(&path).unwrap();
        // A pool behind a header is decompressed each time.
        let places = if kind == Kind::Phase2 { 12 } else { 150 };
        let step = (good.len() / places).max(1);
        fs::copy(&path, &victim).unwrap();
        let file = File::options().write(true).open(&victim).unwrap();
        for index in (0..good.len()).step_by(step) {
            file.write_all_at(&[good[index] ^ 0x10], index as u64).unwrap();
            let found = inspect(&victim);
            file.write_all_at(&good[index..=index], index as u64).unwrap();
            match found {
                // A changed byte may be harmless (a match of zeros at another distance); then
                // everything is as it was. The size of the ramdisk and the names of an image are
                // covered by nothing.
                Ok(found) if found.is_sound() && GUARDED.contains(&kind) => {
                    let header = kind == Kind::Phase2 && (32..328).contains(&index);
                    let same = found.facts == whole.facts && found.entries == whole.entries;
                    assert!(header || same, "{kind:?} changed at {index}: {found}");
                }
                Ok(_) => {}
                Err(Error::Unknown { .. }) => assert!(index < 512, "{kind:?} changed at {index}"),
                Err(other) => panic!("{kind:?} changed at {index}: {other}"),
            }
        }
    }
}

#[test]
fn damage_names_the_member() {
    let directory = tempfile::tempdir().unwrap();
    let files = samples(directory.path());
    let victim = directory.path().join("victim");
    let damaged = |bytes: &[u8]| {
        fs::write(&victim, bytes).unwrap();
        inspect(&victim).unwrap().damage
    };
    // A payload of a package that is not the one its name says.
    let mut package = package_archive();
    let payload = gzipped(&noise(600));
    let at = package.windows(payload.len()).position(|w| w == payload).unwrap();
    let other = gzipped(&noise(600).iter().rev().copied().collect::<Vec<_>>());
    package[at..at + other.len()].copy_from_slice(&other);
    let damage = damaged(&package);
    assert!(damage[0].member.as_ref().unwrap().starts_with("publisher/test/file/"));
    assert!(damage[0].problem.starts_with("its content has SHA-1 "), "{}", damage[0]);

    // A label of a pool.
    let mut pool = fs::read(&files[&Kind::Pool]).unwrap();
    pool[20_000] = 1;
    let damage = damaged(&pool);
    assert!(
        damage[0].to_string().starts_with("pool: the pool's own objects: label 0"),
        "{}",
        damage[0]
    );

    // An OS archive whose boot archive is that of another image.
    let cpio = directory.path().join("cpio");
    let list = FileList::parse("", Path::new("list")).unwrap();
    let proto = Proto::new(Store::create(directory.path().join("store")).unwrap());
    boot_archive::write(&proto, &list, &Digest::of(b"other"), 0, &cpio).unwrap();
    let boot_archive = directory.path().join("other.z");
    compress_file(&cpio, &boot_archive).unwrap();
    let parts = os_archive::Parts {
        unix: files[&Kind::Zlib].clone(),
        boot_archive,
        ..os_archive::Parts::default()
    };
    let os = directory.path().join("os");
    let image = &files[&Kind::Phase2];
    os_archive::write(image, os_archive::Notes::default(), &parts, 0, &os).unwrap();
    let damage = inspect(&os).unwrap().damage;
    assert_eq!(damage[0].member.as_deref(), Some("image/cpio.z"));
    assert!(damage[0].problem.contains("this would not boot"));

    // A layer that no zone would take.
    let metadata = Metadata::new(ArchiveType::Layer);
    let mut writer = Writer::create(&victim, &metadata, 0).unwrap();
    writer.file_bytes("root/../x", proto::Metadata::root(0o644), b"").unwrap();
    writer.commit().unwrap();
    let damage = inspect(&victim).unwrap().damage;
    assert_eq!(damage[0].member.as_deref(), Some("root/../x"));
}

#[test]
fn a_repository_is_compared_with_its_lists() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    let damage = |change: fn(&str, &mut Vec<u8>)| {
        fs::write(&victim, repository_zip(change)).unwrap();
        let damage = inspect(&victim).unwrap().damage;
        damage.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert!(
        damage(|name, data| if name.ends_with("ntp.tar.gz") {
            data[50] ^= 1;
        })
        .starts_with("repo/targets/zones/ntp.tar.gz: it has sha256 ")
    );
    assert!(
        damage(|name, data| if name.ends_with("extra.txt") {
            data.push(b'!');
        })
        .contains("extra.txt: it has 6 bytes, targets.json says 5")
    );
    assert!(
        damage(|name, data| if name.ends_with("ntp.tar.gz") {
            *data = b"REMOVE".to_vec();
        })
        .contains("listed in targets.json and not there")
    );
    assert!(
        damage(|name, data| if name.ends_with("snapshot.json") {
            data.truncate(9);
        })
        .starts_with("repo/metadata/snapshot.json: it cannot be read: EOF")
    );
    assert!(
        damage(|name, data| if name.ends_with("timestamp.json") {
            *data = b"REMOVE".to_vec();
        })
        .contains("there is no timestamp.json")
    );
}

#[test]
fn what_is_no_known_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(inspect(directory.path()), Err(Error::NoFile { found: "directory", .. })));
    assert!(matches!(inspect(directory.path().join("gone")), Err(Error::Io { .. })));
    let file = directory.path().join("file");
    for bytes in [&b""[..], b"hello\n", b"\x00\x01\x02", b"set of words\n"] {
        fs::write(&file, bytes).unwrap();
        assert!(matches!(inspect(&file), Err(Error::Unknown { .. })));
    }
    assert!(inspect(&file).unwrap_err().to_string().contains("73 65 74 20"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_it_panic(
        start in prop_oneof![
            Just(b"\x75\x00\xeb\x1d\x02\0\0\0".to_vec()), Just(b"070707".to_vec()),
            Just(b"PK\x03\x04".to_vec()), Just(b"PK\x05\x06".to_vec()), Just(b"\x1f\x8b\x08".to_vec()),
            Just(b"\x78\x9c".to_vec()), Just(b"set name=".to_vec()), Just(Vec::new())],
        rest in proptest::collection::vec(any::<u8>(), 0..900),
    ) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [start, rest].concat()).unwrap();
        let _ = inspect(file.path()).map(|found| found.to_string());
    }
}
