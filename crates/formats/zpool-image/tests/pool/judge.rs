//! What independent programs say of an image.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use proto::{Kind, Manifest, ProtoPath};

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

/// Checks labels, all checksums, and that the space maps are exact.
pub(crate) fn zdb_accepts(image: &Path, case: &str) {
    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let (_, labels, _) = run(zdb.arg("-l").arg(image));
    let labels = String::from_utf8_lossy(&labels);
    assert!(labels.contains("labels = 0 1 2 3"), "{case}: labels: {labels}");
    assert!(labels.contains("state: 1"), "{case}: labels: {labels}");

    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let directory = directory_with(image);
    let (success, out, err) =
        run(zdb.args(["-e", "-p"]).arg(directory.path()).args(["-bcc", "rpool"]));
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

/// Compares the attributes of all objects of a dataset with a manifest.
pub(crate) fn zdb_finds(image: &Path, dataset: &str, manifest: &Manifest) {
    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let directory = directory_with(image);
    let (success, out, err) =
        run(zdb.args(["-e", "-p"]).arg(directory.path()).args(["-ddddd", dataset]));
    assert!(success, "zdb -ddddd: {err}");
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
    let mut links: BTreeMap<&ProtoPath, u64> = BTreeMap::new();
    for (_, entry) in manifest.iter() {
        if let Kind::Hardlink { target } = &entry.kind {
            *links.entry(target).or_default() += 1;
        }
    }
    let mut expected = 0;
    for (path, entry) in manifest.iter() {
        let (bits, size, target) = match &entry.kind {
            Kind::Hardlink { .. } => continue,
            Kind::File(content) => (0o100000, content.size, None),
            Kind::Directory => {
                let parent = Some(path.clone());
                let names = manifest.iter().filter(|(p, _)| p.parent() == parent).count();
                (0o040000, names as u64 + 2, None)
            }
            Kind::Symlink { target } => (0o120000, target.len() as u64, Some(target)),
            Kind::CharacterDevice(_) => (0o020000, 0, None),
            Kind::BlockDevice(_) => (0o060000, 0, None),
            Kind::Fifo => (0o010000, 0, None),
            Kind::Socket => (0o140000, 0, None),
        };
        expected += 1;
        // Of an object with several names any one may be printed.
        let names = links.get(path).copied().unwrap_or(0);
        let found = objects.get(path).or_else(|| {
            manifest.iter().find_map(|(p, e)| match &e.kind {
                Kind::Hardlink { target } if target == path => objects.get(p),
                _ => None,
            })
        });
        let found = found.unwrap_or_else(|| panic!("{path} is not there"));
        let check = |field: &str, value: String| {
            let text = String::from_utf8_lossy(found.get(field).copied().unwrap_or(b"nothing"));
            assert_eq!(text, value, "{path}: {field}");
        };
        let metadata = &entry.metadata;
        check("mode", format!("{:o}", bits | metadata.mode));
        check("uid", metadata.uid.to_string());
        check("gid", metadata.gid.to_string());
        check("size", size.to_string());
        let time = jiff::Timestamp::from_second(metadata.mtime.seconds).unwrap();
        check("mtime", time.strftime("%a %b %e %H:%M:%S %Y").to_string());
        if let Kind::File(_) = entry.kind {
            check("links", (1 + names).to_string());
        }
        if let Some(target) = target {
            check("target", String::from_utf8_lossy(target).into_owned());
        }
    }
    assert_eq!(objects.len(), expected);
}

/// Reads every file through GRUB and compares it with the tree.
pub(crate) fn grub_reads(image: &Path, dataset: &str, tree: &Tree) {
    let Some(mut grub) = verifiers::require("grub-fstest") else { return };
    let copy = tree.directory.path().join("copy");
    tree.lay_out(&copy);
    let root = format!("(loop0)/{dataset}/@/");
    let (success, _, err) = run(grub.arg(image).args(["cmp", &root]).arg(&copy));
    assert!(success, "{err}");
    // The comparison covers what GRUB lists; so it must list everything.
    for (path, entry) in tree.proto.manifest.iter().filter(|(_, entry)| entry.is_directory()) {
        assert!(entry.is_directory());
        let mut below: Vec<Vec<u8>> = tree
            .proto
            .manifest
            .iter()
            .filter(|(p, e)| {
                p.parent().as_ref() == Some(path)
                    && matches!(e.kind, Kind::File(_) | Kind::Directory | Kind::Hardlink { .. })
            })
            .filter_map(|(p, _)| p.file_name().map(<[u8]>::to_vec))
            .filter(|name| !name.contains(&b' '))
            .collect();
        let Some(mut grub) = verifiers::require("grub-fstest") else { return };
        let (success, out, err) =
            run(grub.arg(image).args(["ls", "--", &format!("{root}{path}/")]));
        assert!(success, "{path}: {err}");
        let listed: std::collections::BTreeSet<&[u8]> = out
            .split(|byte| byte.is_ascii_whitespace())
            .map(|name| name.strip_suffix(b"/").unwrap_or(name))
            .collect();
        below.retain(|name| !listed.contains(&name[..]));
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
