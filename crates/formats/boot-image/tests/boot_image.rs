//! Phase-2 images, boot archives and OS archives, judged by cpio, tar, gzip and Python.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use boot_image::phase2::{self, Options};
use boot_image::{Error, FileList, boot_archive, compress_file, cpio, os_archive};
use oxide_archive::read_metadata;
use proptest::prelude::*;
use proto::{Entry, Metadata, Mtime, Proto, ProtoPath, Store};

fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

/// A pool image stand-in: these formats do not look into it.
fn pool(directory: &Path, length: usize) -> PathBuf {
    let pool = directory.join("pool");
    let bytes: Vec<u8> = (0..length).map(|n| (n / 1000 * 7) as u8).collect();
    fs::write(&pool, bytes).unwrap();
    pool
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_phase2_image_is_a_header_and_the_pool() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pool = pool(directory, 3 << 20);
    let bytes = fs::read(&pool).unwrap();
    for compress in [false, true] {
        let image = directory.join("zfs.img");
        let options = Options { compress, ..Options::new("test image") };
        let written = phase2::write(&pool, &image, &options).unwrap();
        let stored = fs::read(&image).unwrap();
        assert_eq!(stored.len() as u64, written.size);
        assert_eq!(written.header.sha256, proto::Digest::of(&bytes));
        assert_eq!(phase2::verify(&image).unwrap(), written.header);
        if compress {
            assert!(stored.len() < bytes.len() / 10);
        } else {
            assert!(stored[4096..] == bytes);
        }
        let back = phase2::extract(&image, &directory.join("back")).unwrap();
        assert_eq!(back.sha256, written.header.sha256);
        let csum = phase2::write_checksum(&written.header, &directory.join("csum")).unwrap();
        assert_eq!(fs::read(csum.path).unwrap(), written.header.sha256.0);
    }
    assert_eq!(names(directory), ["back", "csum", "pool", "zfs.img"]);
}

#[test]
fn what_cannot_be_a_phase2_image_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (good, output) = (pool(directory, 4096), directory.join("zfs.img"));
    let (empty, noise) = (directory.join("empty"), directory.join("noise"));
    fs::write(&empty, "").unwrap();
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    fs::write(&noise, (0..5000).map(|_| next()).collect::<Vec<u8>>()).unwrap();
    let problem = |pool: &Path, options: Options| {
        let error = phase2::write(pool, &output, &options).unwrap_err();
        assert!(matches!(error, Error::Image { .. }), "{error}");
        error.to_string()
    };
    let options = || Options::new("x");
    assert!(problem(&empty, options()).contains("no data"));
    assert!(problem(&good, Options { target_size: 4095, ..options() }).contains("ramdisk"));
    assert!(problem(&good, Options::new("n".repeat(128))).contains("127"));
    assert!(problem(&noise, Options { compress: true, ..options() }).contains("stored raw"));
    assert!(matches!(
        phase2::write(&directory.join("absent"), &output, &options()).unwrap_err(),
        Error::Io { .. }
    ));
    assert_eq!(names(directory), ["empty", "noise", "pool"]);
}

#[test]
fn damage_of_a_phase2_image_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (pool, image) = (pool(directory, 100_000), directory.join("zfs.img"));
    for compress in [false, true] {
        phase2::write(&pool, &image, &Options { compress, ..Options::new("x") }).unwrap();
        let good = fs::read(&image).unwrap();
        let check = |bytes: &[u8]| {
            fs::write(&image, bytes).unwrap();
            phase2::verify(&image).unwrap_err()
        };
        for length in [0, 100, 4095, 4096, 4097, good.len() - 1] {
            assert!(matches!(check(&good[..length]), Error::Header { .. }), "{length}");
        }
        assert!(check(&[&good[..], b"\0"].concat()).to_string().contains("too long"));
        for index in [0, 16, 24, 30, 40, 330, 4096, 4100, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[index] ^= 1;
            check(&bytes);
        }
    }
}

fn proto(directory: &Path) -> Proto {
    let store = Store::create(directory.join("store")).unwrap();
    let mut proto = Proto::new(store);
    for (name, bytes) in [("kernel/unix", &b"a kernel"[..]), ("etc/system", b""), ("a/b", b"odd")] {
        let content = proto.contents.store.add_bytes(bytes).unwrap();
        let metadata = Metadata::owned(0o755, 0, 3).at(Mtime::from_seconds(5));
        let entry = Entry::file(content.size, content.digest.unwrap(), metadata);
        proto.manifest.ensure_parents(&path(name), Metadata::root(0o755));
        proto.manifest.insert(path(name), entry).unwrap();
    }
    let link = Entry::hardlink(path("kernel/unix"), Metadata::root(0o644));
    proto.manifest.insert(path("kernel/alias"), link).unwrap();
    proto.manifest.insert(path("link"), Entry::symlink("a", Metadata::root(0o777))).unwrap();
    proto
}

fn list(text: &str) -> FileList {
    FileList::parse(text, Path::new("list")).unwrap()
}

#[test]
fn cpio_lists_and_unpacks_the_boot_archive() {
    let Some(mut lister) = verifiers::require("cpio") else { return };
    let Some(mut unpacker) = verifiers::require("cpio") else { return };
    let Some(mut bsdtar) = verifiers::require("bsdtar") else { return };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let proto = proto(directory);
    let (output, digest) = (directory.join("cpio"), proto::Digest::of(b"image"));
    let order = list("kernel/unix\netc/system\na/b\nkernel/alias\n");
    let written = boot_archive::write(&proto, &order, &digest, 1_000_000_000, &output).unwrap();
    assert_eq!(written.members, 5);
    let bytes = fs::read(&output).unwrap();
    assert_eq!(bytes.len() % 512, 0);
    assert_eq!(written.file.sha256, proto::Digest::of(&bytes));

    let listing = run(lister.args(["-itv", "-F"]).arg(&output));
    let lines: Vec<Vec<&str>> = listing.lines().map(|l| l.split_whitespace().collect()).collect();
    let found: Vec<_> = lines.iter().map(|l| (l[0], l[4], *l.last().unwrap())).collect();
    assert_eq!(
        found,
        [
            ("-rwxr-xr-x", "8", "kernel/unix"),
            ("-rwxr-xr-x", "0", "etc/system"),
            ("-rwxr-xr-x", "3", "a/b"),
            ("-rwxr-xr-x", "8", "kernel/alias"),
            ("-rw-r--r--", "32", "boot_image_csum"),
        ]
    );
    assert!(listing.lines().all(|l| l.contains("Sep  9  2001")), "{listing}");
    let listed = run(bsdtar.arg("-tf").arg(&output));
    assert_eq!(listed.lines().count(), 5);

    let tree = directory.join("tree");
    fs::create_dir(&tree).unwrap();
    run(unpacker.args(["-id", "--quiet", "-F"]).arg(&output).current_dir(&tree));
    assert_eq!(fs::read(tree.join("kernel/alias")).unwrap(), b"a kernel");
    assert_eq!(fs::read(tree.join("boot_image_csum")).unwrap(), digest.0);
}

#[test]
fn a_line_that_cannot_be_archived_is_named_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let proto = proto(directory.path());
    let output = directory.path().join("cpio");
    for (text, expected) in [
        ("a/b\n\nkernel/gone", "list:3: kernel/gone is not in the image"),
        ("kernel", "list:1: kernel is a directory"),
        ("link", "list:1: link is a symlink"),
        ("boot_image_csum", "list:1: boot_image_csum is added by itself"),
    ] {
        let digest = proto::Digest::of(b"");
        let error = boot_archive::write(&proto, &list(text), &digest, 0, &output).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert_eq!(names(directory.path()), ["store"]);
}

#[test]
fn python_reads_the_zlib_form() {
    let Some(mut python) = verifiers::require("python-tuf") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (pool, output) = (pool(directory.path(), 2_500_000), directory.path().join("pool.z"));
    let written = compress_file(&pool, &output).unwrap();
    assert_eq!(written.sha256, proto::Digest::of(&fs::read(&output).unwrap()));
    let script = "import sys, zlib\n\
        stream = zlib.decompressobj()\n\
        data = stream.decompress(open(sys.argv[1], 'rb').read())\n\
        assert stream.eof and not stream.unused_data\n\
        assert data == open(sys.argv[2], 'rb').read()\n\
        print(len(data))";
    assert_eq!(run(python.args(["-c", script]).arg(&output).arg(&pool)), "2500000\n");
}

fn notes() -> os_archive::Notes {
    os_archive::Notes {
        image_args: Some("--sample\n".into()),
        git_status: vec![("one".into(), "clean\n".into()), ("a".into(), String::new())],
        publishers: Some("p\n".into()),
        packages: None,
        record: Some("{}\n".into()),
    }
}

fn parts(directory: &Path) -> os_archive::Parts {
    for name in ["unix.z", "cpio.z", "some.rom"] {
        fs::write(directory.join(name), name).unwrap();
    }
    os_archive::Parts {
        unix: directory.join("unix.z"),
        boot_archive: directory.join("cpio.z"),
        roms: vec![("gimlet".into(), directory.join("some.rom"))],
        default_rom: Some(directory.join("some.rom")),
    }
}

fn image(directory: &Path) -> PathBuf {
    let (pool, image) = (pool(directory, 2 << 20), directory.join("zfs.img"));
    phase2::write(&pool, &image, &Options::new("the image")).unwrap();
    image
}

#[test]
fn tar_and_gzip_accept_the_os_archive() {
    let Some(mut gzip) = verifiers::require("gzip") else { return };
    let Some(mut tar) = verifiers::require("tar") else { return };
    let Some(mut tar_again) = verifiers::require("tar") else { return };
    let Some(mut bsdtar) = verifiers::require("bsdtar") else { return };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (image, parts) = (image(directory), parts(directory));
    let output = directory.join("os.tar.gz");
    let archive = os_archive::write(&image, notes(), &parts, 1_000_000_000, &output).unwrap();
    assert_eq!(archive.absent, Vec::<String>::new());
    assert_eq!(
        (archive.path, archive.size),
        (output.clone(), fs::metadata(&output).unwrap().len())
    );

    run(gzip.arg("-t").arg(&output));
    let listing = run(tar.args(["--numeric-owner", "-tvzf"]).arg(&output));
    let expected = "-r--r--r-- 0/0 SIZE 2001-09-09 01:46 oxide.json\n\
        drwxr-xr-x 0/0 0 2001-09-09 01:46 image/\n\
        -r--r--r-- 0/0 9 2001-09-09 01:46 image/image-args.txt\n\
        -r--r--r-- 0/0 6 2001-09-09 01:46 image/git-status-one.txt\n\
        -r--r--r-- 0/0 0 2001-09-09 01:46 image/git-status-a.txt\n\
        -r--r--r-- 0/0 2 2001-09-09 01:46 image/pkg-publishers.txt\n\
        -r--r--r-- 0/0 3 2001-09-09 01:46 image/record.json\n\
        -r--r--r-- 0/0 2101248 2001-09-09 01:46 image/zfs.img\n\
        -r--r--r-- 0/0 6 2001-09-09 01:46 image/unix.z\n\
        -r--r--r-- 0/0 6 2001-09-09 01:46 image/cpio.z\n\
        -r--r--r-- 0/0 8 2001-09-09 01:46 image/gimlet.rom\n\
        -r--r--r-- 0/0 8 2001-09-09 01:46 image/rom\n";
    let words = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let (mut found, expected) = (words(&listing), words(expected));
    "SIZE".clone_into(&mut found[0][2]);
    assert_eq!(found, expected);
    assert_eq!(run(bsdtar.arg("-tf").arg(&output)).lines().count(), 12);

    let metadata = read_metadata(&output).unwrap();
    assert_eq!(metadata, archive.metadata);
    assert_eq!(metadata.info["name"], "the image");
    let pool = fs::read(directory.join("pool")).unwrap();
    assert_eq!(metadata.info["checksum"], proto::Digest::of(&pool).to_string());
    let member = archive.members.iter().find(|m| m.name == "zfs.img").unwrap();
    assert_eq!(member.size, fs::metadata(&image).unwrap().len());
    let shown = tar_again.args(["-xzOf"]).arg(&output).arg("image/zfs.img").output().unwrap();
    assert!(shown.status.success() && shown.stdout == fs::read(&image).unwrap());
}

/// A pool image stand-in behind room for a header.
fn draft(directory: &Path, length: usize) -> PathBuf {
    let (pool, draft) = (pool(directory, length), directory.join("draft"));
    fs::write(&draft, [vec![0; 4096], fs::read(pool).unwrap()].concat()).unwrap();
    draft
}

#[test]
fn one_reading_gives_the_same_as_one_after_another() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let parts = parts(directory);
    let place = |name: &str| directory.join(name);
    for compress in [false, true] {
        let options = Options { compress, ..Options::new("the image") };
        let draft = draft(directory, 3 << 20);
        let two = phase2::write(&place("pool"), &place("two.img"), &options).unwrap();
        os_archive::write(&two.path, notes(), &parts, 5, &place("two.tar.gz")).unwrap();

        let mut archive = os_archive::Draft::new(&place("one.tar.gz"), notes(), 5).unwrap();
        let one = phase2::seal(&draft, &place("one.img"), &options, Some(&mut archive)).unwrap();
        assert_eq!(one.header, two.header);
        assert!(!place("one.tar.gz").exists());
        archive.finish(&parts).unwrap();
        for end in ["img", "tar.gz"] {
            let bytes = |name: &str| fs::read(place(&format!("{name}.{end}"))).unwrap();
            assert!(bytes("one") == bytes("two"), "{compress} {end}");
        }
        assert!(!draft.exists());
        fs::remove_file(place("one.tar.gz")).unwrap();
    }
}

#[test]
fn a_failure_at_any_moment_leaves_no_image_and_no_archive() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let place = |name: &str| directory.join(name);
    let parts = parts(directory);
    let draft = draft(directory, 1 << 20);
    let before = names(directory);
    let archive = || os_archive::Draft::new(&place("os.tar.gz"), notes(), 0).unwrap();
    for compress in [false, true] {
        // The image does not fit its ramdisk; there is no place for the result; the archive is
        // dropped, or gets bad parts.
        let small = Options { compress, target_size: 5, ..Options::new("x") };
        let result = phase2::seal(&draft, &place("zfs.img"), &small, Some(&mut archive()));
        assert!(matches!(result, Err(Error::Image { .. })));
        let good = Options { compress, ..Options::new("x") };
        let result = phase2::seal(&draft, &place("a/zfs.img"), &good, Some(&mut archive()));
        assert!(matches!(result, Err(Error::Io { .. })));
        assert_eq!(names(directory), before);
    }
    assert!(matches!(archive().finish(&parts), Err(Error::Image { .. })));
    let mut packed = archive();
    phase2::seal(&draft, &place("zfs.img"), &Options::new("x"), Some(&mut packed)).unwrap();
    let broken = os_archive::Parts { unix: place("gone"), ..parts };
    assert!(matches!(packed.finish(&broken), Err(Error::Io { .. })));
    fs::rename(place("zfs.img"), &draft).unwrap();
    assert_eq!(names(directory), before);
}

#[test]
fn holes_stay_holes() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pool = directory.join("pool");
    fs::write(&pool, [7; 10_000]).unwrap();
    fs::File::options().write(true).open(&pool).unwrap().set_len(64 << 20).unwrap();
    let image = phase2::write(&pool, &directory.join("zfs.img"), &Options::new("x")).unwrap();
    let back = phase2::extract(&image.path, &directory.join("back")).unwrap();
    assert_eq!((back.size, back.sha256), (64 << 20, image.header.sha256));
    for path in [image.path, back.path] {
        assert!(fs::metadata(path).unwrap().blocks() < (1 << 20) / 512);
    }
}

#[test]
fn an_os_archive_says_what_is_absent_and_refuses_bad_parts() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let output = directory.join("os.tar.gz");
    let (image, good) = (image(directory), parts(directory));
    let before = names(directory);
    let write = |image: &Path, parts: &os_archive::Parts| {
        os_archive::write(image, notes(), parts, 0, &output)
    };
    let broken = os_archive::Parts { unix: directory.join("gone"), ..good.clone() };
    assert!(matches!(write(&image, &broken), Err(Error::Io { .. })));
    assert!(matches!(write(&good.unix, &good), Err(Error::Header { .. })));
    for name in ["", "../x", "a/b", ".x"] {
        let roms = vec![(name.to_owned(), directory.join("some.rom"))];
        let broken = os_archive::Parts { roms, ..good.clone() };
        assert!(matches!(write(&image, &broken), Err(Error::Name { .. })));
    }
    assert_eq!(names(directory), before);
    let without = os_archive::Parts { roms: Vec::new(), default_rom: None, ..good };
    let archive = write(&image, &without).unwrap();
    assert_eq!(archive.absent, ["a ROM for any board", "rom"]);
}

fn read_cpio(bytes: &[u8]) -> Result<Vec<(Vec<u8>, u64)>, Error> {
    let mut reader = cpio::Reader::new(bytes, "test");
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        members.push((member.name, member.size));
    }
    Ok(members)
}

#[test]
fn damage_of_a_cpio_is_named_with_member_and_offset() {
    let mut writer = cpio::Writer::new(Vec::new(), 0);
    writer.file(b"one", &Metadata::root(0o644), 1000, &[1; 1000][..]).unwrap();
    writer.file(b"two", &Metadata::root(0o644), 3, &b"abc"[..]).unwrap();
    let good = writer.finish().unwrap();
    assert_eq!(read_cpio(&good).unwrap(), [(b"one".to_vec(), 1000), (b"two".to_vec(), 3)]);
    let error = read_cpio(&good[..500]).unwrap_err().to_string();
    assert_eq!(
        error,
        "test: damaged cpio at byte 500 (member one): it ends where 580 more bytes should be"
    );
    let two = good.windows(4).position(|w| w == b"two\0").unwrap() - 76;
    for length in 0..good.len() {
        // The padding after the trailer carries nothing.
        let whole = length >= two + 76 + 4 + 3 + 76 + 11;
        assert_eq!(read_cpio(&good[..length]).is_ok(), whole, "{length}");
    }
    let mut bytes = good.clone();
    bytes[two] = b'9';
    let error = read_cpio(&bytes).unwrap_err().to_string();
    assert!(error.starts_with(&format!("test: damaged cpio at byte {two}: ")), "{error}");
    *bytes.last_mut().unwrap() = 1;
    bytes[two] = b'0';
    assert!(read_cpio(&bytes).unwrap_err().to_string().contains("after the trailer"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_cpio_reader_panic(
        changes in proptest::collection::vec((0..600usize, any::<u8>()), 0..30), cut in 0..700usize,
    ) {
        let mut writer = cpio::Writer::new(Vec::new(), 0);
        writer.file(b"one", &Metadata::root(0o644), 100, &[1; 100][..]).unwrap();
        let mut bytes = writer.finish().unwrap();
        for (index, byte) in changes {
            let index = index % bytes.len();
            bytes[index] = byte;
        }
        bytes.truncate(cut.max(1));
        let _ = read_cpio(&bytes);
    }
}
