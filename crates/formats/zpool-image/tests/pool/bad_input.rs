//! What cannot be written is refused with a clear word, and leaves nothing behind.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::{Contents, Digest, Entry, FileContent, Kind, Manifest, Metadata, ProtoPath};
use zpool_image::{Compression, Error, PoolOptions, Size, write};

use crate::generate::{Random, Tree, path};
use crate::helper;
use crate::judge::zdb_finds;

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

/// Places for files to write, and for an image.
fn places(tree: &Tree) -> (PathBuf, PathBuf) {
    let places = ["files", "out"].map(|name| tree.directory.path().join(name));
    places.iter().for_each(|place| fs::create_dir(place).unwrap());
    let [files, out] = places;
    (files, out)
}

/// Runs the other process, expects a refusal with some words in it, and looks for what is left.
fn refused_by(command: &mut Command, out: &Path, words: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let refusal = said.lines().find(|line| line.contains("refused: ")).unwrap_or_else(|| {
        panic!("no refusal: {said} {}", String::from_utf8_lossy(&output.stdout));
    });
    assert!(words.iter().all(|word| refusal.contains(word)), "{refusal}");
    assert_eq!(fs::read_dir(out).unwrap().count(), 0, "something is left");
}

#[test]
fn a_file_that_nobody_may_read() {
    let tree = Tree::new();
    let (files, out) = places(&tree);
    fs::write(files.join("open"), "open").unwrap();
    fs::write(files.join("secret"), "secret").unwrap();
    fs::set_permissions(files.join("secret"), Permissions::from_mode(0o000)).unwrap();
    let mut command = helper::command_of_a_user(&files, &out);
    refused_by(&mut command, &out, &["cannot open", "files/secret", "Permission denied"]);
}

#[test]
fn a_file_that_shrinks_or_grows_while_it_is_read() {
    for (change, word) in [(-1, "shorter than the"), (1, "longer than the")] {
        let tree = Tree::new();
        let (files, out) = places(&tree);
        let size = 400 << 20;
        let changing = File::create(files.join("changing")).unwrap();
        for _ in 0..size >> 20 {
            (&changing).write_all(&[7; 1 << 20]).unwrap();
        }
        let proto = helper::proto_of(&files, &tree.directory.path().join("other"));
        let error = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                write(&proto, &PoolOptions::ramdisk(), &out.join("zfs.img")).unwrap_err()
            });
            // Something of it is in the image: it is being read.
            let begun = || {
                let image = fs::read_dir(&out).unwrap().next();
                image
                    .is_some_and(|image| image.unwrap().metadata().is_ok_and(|m| m.len() > 6 << 20))
            };
            while !begun() && !writer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            changing.set_len((size + change) as u64).unwrap();
            writer.join().unwrap()
        });
        let text = error.to_string();
        assert!(matches!(error, Error::Changed { .. }), "{text}");
        assert!(text.contains("changing") && text.contains(word), "{text}");
        assert_eq!(fs::read_dir(out).unwrap().count(), 0, "something is left");
    }
}

#[test]
fn a_disk_that_is_full() {
    let tree = Tree::new();
    let (files, out) = places(&tree);
    fs::write(files.join("large"), vec![7; 30 << 20]).unwrap();
    // A limit on files, in units of 512 or 1024 bytes; the signal that comes with it is ignored.
    let script = "trap '' XFSZ; ulimit -f 20000; exec \"$@\"";
    let mut command = helper::command(&["sh", "-c", script, "sh"], &files, &out);
    refused_by(&mut command, &out, &["cannot write", "zfs.img", "File too large"]);

    // A small file system, where the system lets us make one.
    let mount = |then: &str| {
        let script = format!("mount -t tmpfs -o size=8m tmpfs {} && {then}", out.display());
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]
            .map(str::to_owned)
    };
    let [program, arguments @ ..] = mount("true");
    let can = Command::new(program).args(arguments).output();
    if can.is_ok_and(|output| output.status.success()) {
        let before = mount("exec \"$@\"");
        let before: Vec<_> = before.iter().map(String::as_str).collect();
        let mut command = helper::command(&before, &files, &out);
        refused_by(&mut command, &out, &["cannot write", "zfs.img", "No space left on device"]);
    } else {
        eprintln!("SKIPPED a_disk_that_is_full: no file system of a given size can be made here");
    }
}

#[test]
fn a_writer_that_is_killed() {
    let tree = Tree::new();
    let (files, out) = places(&tree);
    fs::write(files.join("large"), vec![7; 150 << 20]).unwrap();
    let image = out.join("zfs.img");
    let start = Instant::now();
    assert!(helper::command(&[], &files, &out).output().unwrap().status.success());
    let whole = start.elapsed();
    let right = Digest::of(&fs::read(&image).unwrap());

    let seed = start.elapsed().as_nanos() as u64;
    let mut random = Random(seed);
    let mut killed = 0;
    for _ in 0..12 {
        let _ = fs::remove_file(&image);
        let mut command = helper::command(&[], &files, &out);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(random.below(1000) as f64 / 1000.0));
        // SIGKILL.
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        // The whole image or none.
        if image.exists() {
            assert!(Digest::of(&fs::read(&image).unwrap()) == right, "seed {seed}");
        }
    }
    assert!(killed > 0, "seed {seed}");
    // What was killed is in nobody's way.
    assert!(helper::command(&[], &files, &out).output().unwrap().status.success());
    assert!(Digest::of(&fs::read(&image).unwrap()) == right);
}

#[test]
fn names_and_manifests_that_cannot_be() {
    for name in ["a\0b", "a//b", "a/../b", "."] {
        let text = ProtoPath::new(name).unwrap_err().to_string();
        assert!(text.contains("has a"), "{text}");
    }
    let tree = Tree::new();
    let file = tree.directory.path().join("root.mtree");
    let root = "#mtree v2.0\n. type=dir uid=0 gid=0 mode=0755\n";
    let some = "type=file uid=0 gid=0 mode=0644 size=0";
    for (line, problem) in [
        (format!("./a {some}\n./a {some}"), "4: a is already there"),
        ("./a type=file uid=0 gid=0 size=0".to_owned(), "3: a: no `mode=`"),
        ("./a type=door uid=0 gid=0 mode=0644".to_owned(), "3: "),
        ("./a type=char uid=0 gid=0 mode=0600 device=native,4294967296,0".to_owned(), "3: "),
        ("./a type=block uid=0 gid=0 mode=0600 device=native,1,-1".to_owned(), "3: "),
        ("./a type=char uid=0 gid=0 mode=0600".to_owned(), "3: "),
        (format!("./a\\000b {some}"), "3: path \"a\\0b\" has a NUL byte"),
        (format!("./{} {some}", "n".repeat(256)), "3: "),
        ("./a type=file uid=4294967296 gid=0 mode=0644 size=0".to_owned(), "3: "),
        ("./a type=file uid=0 gid=0 mode=0999 size=0".to_owned(), "3: "),
    ] {
        fs::write(&file, format!("{root}{line}\n")).unwrap();
        let text = Manifest::read(&file).unwrap_err().to_string();
        let place = format!("{}:{problem}", file.display());
        assert!(text.starts_with(&place), "{line}: {text}");
    }
}

#[test]
fn links_to_what_is_no_file() {
    let mut tree = Tree::new();
    tree.directory("directory");
    tree.hardlink("link", "directory");
    let text = refused(&tree, &PoolOptions::ramdisk()).to_string();
    assert!(text.starts_with("link: hard link to directory, which is"), "{text}");
}

#[test]
fn the_largest_device_numbers_are_kept() {
    let mut tree = Tree::new();
    tree.device("device", true, u32::MAX, u32::MAX);
    write(&tree.proto, &PoolOptions::ramdisk(), &tree.image()).unwrap();
    zdb_finds(&tree.image(), "rpool/ROOT/ramdisk", &tree.proto.manifest);
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
