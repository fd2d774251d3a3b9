//! What independent programs say of an image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use proto::{Entry, FileContent, Kind, Manifest, Metadata, Proto, ProtoPath};
use zpool_image::reader::Image;
use zpool_image::{Failmode, PoolOptions, Property};

use crate::generate::Tree;

fn run(command: &mut Command) -> (bool, Vec<u8>, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), output.stdout, said)
}

/// zdb looks for pools in a directory.
fn directory_with(image: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    symlink(image, directory.path().join("image")).unwrap();
    directory
}

/// Whether two files have the same bytes.
pub(crate) fn same_bytes(one: &Path, other: &Path) -> bool {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let (mut here, mut there) = (Vec::new(), Vec::new());
    loop {
        here.clear();
        there.clear();
        one.by_ref().take(1 << 20).read_to_end(&mut here).unwrap();
        other.by_ref().take(1 << 20).read_to_end(&mut there).unwrap();
        if here != there || here.is_empty() {
            return here == there;
        }
    }
}

/// Checks labels, all checksums, and that the space maps are exact.
pub(crate) fn zdb_accepts(image: &Path, case: &str) {
    zdb_accepts_pool(image, "rpool", case);
}

/// The same for a pool of any name.
pub(crate) fn zdb_accepts_pool(image: &Path, pool: &str, case: &str) {
    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let (_, labels, _) = run(zdb.arg("-l").arg(image));
    let labels = String::from_utf8_lossy(&labels);
    assert!(labels.contains("labels = 0 1 2 3"), "{case}: labels: {labels}");
    assert!(labels.contains("state: 1"), "{case}: labels: {labels}");
    zdb_finds_no_leaks(image, pool, case);
}

/// Checks all checksums, and that the space maps are exact.
pub(crate) fn zdb_finds_no_leaks(image: &Path, pool: &str, case: &str) {
    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let directory = directory_with(image);
    let (success, out, err) =
        run(zdb.args(["-e", "-p"]).arg(directory.path()).args(["-bcc", pool]));
    let out = String::from_utf8_lossy(&out);
    assert!(success, "{case}: zdb -bcc: {out}\n{err}");
    assert!(
        out.contains("No leaks (block sum matches space maps exactly)"),
        "{case}: {out}\n{err}"
    );
    for word in ["leaked space", "double alloc", "error", "mismatch", "!="] {
        assert!(!out.contains(word) && !err.contains(word), "{case}: {word}: {out}\n{err}");
    }
}

/// What zdb prints of every object of a pool, by dataset; the pool's own are in `mos`.
pub(crate) struct Objects {
    sections: BTreeMap<String, Vec<u8>>,
}

impl Objects {
    /// Has zdb print all objects; none when zdb is not here.
    pub(crate) fn of(image: &Path, pool: &str) -> Option<Self> {
        let mut zdb = verifiers::require("zdb")?;
        let directory = directory_with(image);
        let (success, out, err) =
            run(zdb.args(["-e", "-p"]).arg(directory.path()).args(["-ddddd", pool]));
        assert!(success, "zdb -ddddd {pool}: {err}");
        let mut sections = BTreeMap::new();
        let mut section = Vec::new();
        let mut name = "before".to_owned();
        for line in out.split_inclusive(|byte| *byte == b'\n') {
            if let Some(rest) = line.strip_prefix(b"Dataset ") {
                // A pool's name may have blanks, but no bracket.
                let end = rest.iter().position(|b| *b == b'[').unwrap();
                let next = String::from_utf8_lossy(rest[..end].trim_ascii()).into_owned();
                sections.insert(std::mem::replace(&mut name, next), std::mem::take(&mut section));
            }
            section.extend_from_slice(line);
        }
        sections.insert(name, section);
        Some(Self { sections })
    }

    /// Looks for the properties of the pool and of its datasets.
    pub(crate) fn has_properties_of(&self, options: &PoolOptions) {
        let text = String::from_utf8_lossy(&self.sections["mos"]);
        let check = |name: &str, value: String| {
            let found = text.lines().any(|line| {
                line.strip_prefix("\t\t").is_some_and(|line| {
                    line.strip_prefix(name)
                        .and_then(|line| line.strip_prefix(" = "))
                        .is_some_and(|found| found.trim_ascii_end() == value.trim_ascii_end())
                })
            });
            assert!(found, "zdb does not know {name} = {value}");
        };
        // What is as it always is, is not there.
        if options.autoexpand {
            check("autoexpand", "1".to_owned());
        }
        match options.failmode {
            Failmode::Wait => {}
            Failmode::Continue => check("failmode", "1".to_owned()),
            Failmode::Panic => check("failmode", "2".to_owned()),
        }
        for dataset in &options.datasets {
            for (name, value) in &dataset.properties {
                match value {
                    Property::Number(number) => check(name, number.to_string()),
                    Property::Text(text) => check(name, text.clone()),
                    Property::Uuid => assert!(text.contains(&format!("\t\t{name} = "))),
                }
            }
            if let Some(size) = dataset.record_size {
                check("recordsize", size.to_string());
            }
        }
    }

    /// Compares the attributes of all objects of a dataset with a manifest.
    pub(crate) fn are_those_of(&self, dataset: &str, manifest: &Manifest) {
        let out = self.sections.get(dataset).unwrap_or_else(|| panic!("zdb: no {dataset}"));
        compare_objects(out, dataset, manifest);
    }
}

/// Compares the attributes of all objects of a dataset with a manifest.
pub(crate) fn zdb_finds(image: &Path, dataset: &str, manifest: &Manifest) {
    let pool = dataset.split('/').next().unwrap();
    let Some(objects) = Objects::of(image, pool) else { return };
    objects.are_those_of(dataset, manifest);
}

fn compare_objects(out: &[u8], dataset: &str, manifest: &Manifest) {
    let mut objects: BTreeMap<ProtoPath, BTreeMap<&str, &[u8]>> = BTreeMap::new();
    let mut fields = BTreeMap::new();
    for line in out.split(|byte| *byte == b'\n').chain([&b"    Object  lvl"[..]]) {
        if line.starts_with(b"    Object  lvl") {
            let fields = std::mem::take(&mut fields);
            if let Some(path) = fields.get("path") {
                let path = ProtoPath::new(*path).unwrap();
                assert!(objects.insert(path.clone(), fields).is_none(), "{path} twice");
            }
        } else if let Some(rest) = line.strip_prefix(b"\t")
            && let Some(end) = rest.iter().position(u8::is_ascii_whitespace)
            && let Ok(name) = std::str::from_utf8(&rest[..end])
        {
            fields.insert(name, rest[end..].trim_ascii_start());
        }
    }
    let mut links: BTreeMap<&ProtoPath, Vec<&ProtoPath>> = BTreeMap::new();
    let mut entries: BTreeMap<ProtoPath, u64> = BTreeMap::new();
    let mut expected = 0;
    for (path, entry) in manifest.iter() {
        if let Some(parent) = path.parent() {
            *entries.entry(parent).or_default() += 1;
        }
        match &entry.kind {
            Kind::Hardlink { target } => links.entry(target).or_default().push(path),
            _ => expected += 1,
        }
    }
    for (path, entry) in manifest.iter() {
        let (bits, size, target) = match &entry.kind {
            Kind::Hardlink { .. } => continue,
            Kind::File(content) => (0o100000, content.size, None),
            Kind::Directory => (0o040000, entries.get(path).copied().unwrap_or(0) + 2, None),
            Kind::Symlink { target } => (0o120000, target.len() as u64, Some(target)),
            Kind::CharacterDevice(_) => (0o020000, 0, None),
            Kind::BlockDevice(_) => (0o060000, 0, None),
            Kind::Fifo => (0o010000, 0, None),
            Kind::Socket => (0o140000, 0, None),
        };
        // Of an object with several names any one may be printed.
        let names = links.get(path).map_or(&[][..], |links| links);
        let found = [path].into_iter().chain(names.iter().copied()).find_map(|p| objects.get(p));
        let found = found.unwrap_or_else(|| panic!("{dataset}: {path} is not there"));
        let check = |field: &str, value: String| {
            let text = String::from_utf8_lossy(found.get(field).copied().unwrap_or(b"nothing"));
            assert_eq!(text, value, "{dataset}: {path}: {field}");
        };
        let metadata = &entry.metadata;
        check("mode", format!("{:o}", bits | mode(entry)));
        check("uid", metadata.uid.to_string());
        check("gid", metadata.gid.to_string());
        check("size", size.to_string());
        let time = jiff::Timestamp::from_second(metadata.mtime.seconds).unwrap();
        check("mtime", time.strftime("%a %b %e %H:%M:%S %Y").to_string());
        if let Kind::File(_) = entry.kind {
            check("links", (1 + names.len()).to_string());
        }
        if let Kind::CharacterDevice(device) | Kind::BlockDevice(device) = entry.kind {
            let number = u64::from(device.major) << 32 | u64::from(device.minor);
            check("rdev", format!("0x{number:016x}"));
        }
        if let Some(target) = target {
            check("target", String::from_utf8_lossy(target).into_owned());
        }
    }
    assert_eq!(objects.len(), expected, "{dataset}");
}

/// The permissions that an entry gets: nobody asks those of a symbolic link, which has all.
pub(crate) fn mode(entry: &Entry) -> u32 {
    match entry.kind {
        Kind::Symlink { .. } => 0o777,
        _ => entry.metadata.mode,
    }
}

/// A manifest as an image gives it back: of several names of a file the first is the file, and
/// digests are not known.
pub(crate) fn as_read(manifest: &Manifest) -> Manifest {
    let mut firsts: BTreeMap<&ProtoPath, &ProtoPath> = BTreeMap::new();
    let target = |path, entry: &'_ Entry| match &entry.kind {
        Kind::Hardlink { target } => manifest.resolve_hardlink(target).unwrap().0,
        _ => path,
    };
    for (path, entry) in manifest.iter() {
        firsts.entry(manifest.resolve_hardlink(target(path, entry)).unwrap().0).or_insert(path);
    }
    manifest
        .iter()
        .map(|(path, entry)| {
            let (file, there) = manifest.resolve_hardlink(target(path, entry)).unwrap();
            let kind = match &there.kind {
                Kind::File(_) if firsts[file] != path => {
                    Kind::Hardlink { target: firsts[file].clone() }
                }
                Kind::File(content) => Kind::File(FileContent { size: content.size, digest: None }),
                other => other.clone(),
            };
            let metadata = Metadata { mode: mode(there), ..there.metadata };
            (path.clone(), Entry::new(kind, metadata))
        })
        .collect()
}

/// Reads a dataset back entry for entry and byte for byte with the reader of this crate.
pub(crate) fn reader_reads(image: &Image, dataset: &str, proto: &Proto) {
    let mut dataset = image.dataset(dataset).unwrap();
    let (read, expected) = (dataset.manifest().unwrap(), as_read(&proto.manifest));
    for ((path, entry), (other, right)) in read.iter().zip(expected.iter()) {
        assert_eq!((path, entry), (other, right));
    }
    assert_eq!(read.len(), expected.len());
    for (path, entry) in proto.manifest.iter() {
        if let Kind::File(content) = &entry.kind {
            let mut right = proto.contents.open(path, content).unwrap();
            let mut file = dataset.file(path).unwrap();
            let (mut here, mut there) = (vec![0; 1 << 20], vec![0; 1 << 20]);
            let mut left = content.size;
            while left > 0 {
                let count = left.min(1 << 20) as usize;
                file.read_exact(&mut here[..count]).unwrap();
                right.read_exact(&mut there[..count]).unwrap();
                assert!(here[..count] == there[..count], "{path}: {left} bytes before its end");
                left -= count as u64;
            }
            assert_eq!(file.read(&mut here).unwrap(), 0, "{path}");
        }
    }
}

/// Reads every file through GRUB and compares it with the tree.
pub(crate) fn grub_reads(image: &Path, dataset: &str, tree: &Tree) {
    let Some(mut grub) = verifiers::require("grub-fstest") else { return };
    let copy = tree.directory.path().join("copy");
    tree.lay_out(&copy);
    let root = format!("(loop0)/{dataset}/@/");
    let (success, _, err) = run(grub.arg(image).args(["cmp", &root]).arg(&copy));
    assert!(success, "{err}");
    // The comparison covers what GRUB lists; so it must list everything. It separates names by
    // blanks and changes what is no text, so only plain names are looked for.
    let mut names: BTreeMap<ProtoPath, Vec<&[u8]>> = BTreeMap::new();
    for (path, entry) in tree.proto.manifest.iter() {
        if let Kind::Directory = entry.kind {
            names.entry(path.clone()).or_default();
        }
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && matches!(entry.kind, Kind::File(_) | Kind::Directory | Kind::Hardlink { .. })
            && name.iter().all(u8::is_ascii_graphic)
        {
            names.entry(parent).or_default().push(name);
        }
    }
    for (path, mut below) in names {
        if below.is_empty() || !path.as_bytes().iter().all(u8::is_ascii_graphic) {
            continue;
        }
        let Some(mut grub) = verifiers::require("grub-fstest") else { return };
        let (success, out, err) =
            run(grub.arg(image).args(["ls", "--", &format!("{root}{path}/")]));
        assert!(success, "{path}: {err}");
        let listed: BTreeSet<&[u8]> = out
            .split(|byte| byte.is_ascii_whitespace())
            .map(|name| name.strip_suffix(b"/").unwrap_or(name))
            .collect();
        below.retain(|name| !listed.contains(name));
        assert!(below.is_empty(), "{path}: GRUB does not list {} names", below.len());
    }
    fs::remove_dir_all(copy).unwrap();
}

/// Reads some bytes of a file through GRUB; nothing else is read before them.
pub(crate) fn grub_reads_at(image: &Path, path: &str, place: u64, length: usize) -> Option<String> {
    let mut grub = verifiers::require("grub-fstest")?;
    grub.arg(image).args(["--skip", &place.to_string(), "--length", &length.to_string()]);
    let (success, out, err) = run(grub.args(["cat", &format!("(loop0)/{path}")]));
    assert!(success, "{path}: {err}");
    Some(String::from_utf8_lossy(&out).into_owned())
}
