//! Roots that start, written and unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use zones::{Boot, Error, PackOptions, Packed, Request, closure, write_root};

use super::Scratch;

/// Makes a root of a scratch proto.
pub(crate) fn write(
    scratch: &Scratch,
    boot: &Boot,
    name: &str,
) -> Result<(PathBuf, Packed), Error> {
    let proto = scratch.proto();
    let found = closure(&proto, &Request { boot: Some(boot), ..Request::default() })?;
    let out = scratch.directory.path().join(name);
    let packed = write_root(&proto, &found, boot, &out, &PackOptions { package: None, mtime: 7 })?;
    Ok((out, packed))
}

/// Unpacked by somebody else's program.
pub(crate) fn unpack(archive: &Path) -> Option<PathBuf> {
    let root = archive.with_extension("root");
    fs::create_dir(&root).unwrap();
    let mut tar = verifiers::require("tar")?;
    let output = tar.args(["--no-same-owner", "-xpzf"]).arg(archive).arg("-C").arg(&root).output();
    let output = output.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Some(root)
}

/// Every interpreter and every library that a file of a tree asks for is in the tree, as readelf
/// and the first lines of scripts have it.
pub(crate) fn check_references(root: &Path) {
    let Some(readelf) = verifiers::require("readelf") else { return };
    let readelf = readelf.get_program().to_owned();
    let mut checked = 0;
    let mut queue = vec![root.to_owned()];
    while let Some(path) = queue.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            queue.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let mut wanted: Vec<Vec<String>> = Vec::new();
        if metadata.is_symlink() {
            wanted.push(vec![fs::read_link(&path).unwrap().display().to_string()]);
        } else {
            let bytes = fs::read(&path).unwrap();
            if bytes.starts_with(b"#!") {
                let line = String::from_utf8_lossy(&bytes).lines().next().unwrap()[2..].to_owned();
                wanted.push(vec![line.split_whitespace().next().unwrap().to_owned()]);
            } else if bytes.starts_with(b"\x7fELF") {
                let output =
                    Command::new(&readelf).args(["-ldW"]).arg(&path).env("LC_ALL", "C").output();
                let text = String::from_utf8(output.unwrap().stdout).unwrap();
                let wide = bytes[4] == 2;
                for line in text.lines() {
                    let inner = |open: char, close: char| {
                        Some(line.split_once(open)?.1.split_once(close)?.0.to_owned())
                    };
                    if line.contains("program interpreter:") {
                        let name = inner(':', ']').unwrap().trim().to_owned();
                        wanted.push(vec![name]);
                    } else if line.contains("(NEEDED)") {
                        let name = inner('[', ']').unwrap();
                        let places =
                            if wide { ["lib/64", "usr/lib/64"] } else { ["lib", "usr/lib"] };
                        wanted.push(places.iter().map(|p| format!("/{p}/{name}")).collect());
                    }
                }
            }
        }
        for choices in wanted {
            let there = |choice: &String| match choice.strip_prefix('/') {
                Some(absolute) => root.join(absolute).symlink_metadata().is_ok(),
                None => path.parent().unwrap().join(choice).symlink_metadata().is_ok(),
            };
            assert!(choices.iter().any(there), "{}: {choices:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}
