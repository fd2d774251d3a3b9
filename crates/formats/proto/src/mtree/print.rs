//! From an entry to its line.

use std::fmt::Write as _;

use crate::{Device, Entry, FileContent, Kind, Manifest, Metadata, ProtoPath};

/// Appends the line of an entry.
pub(super) fn print_entry(text: &mut String, manifest: &Manifest, path: &ProtoPath, entry: &Entry) {
    text.push('.');
    if !path.is_root() {
        text.push('/');
        encode(text, path.as_bytes());
    }
    let Metadata { mode, uid, gid, mtime } = entry.metadata;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        " type={} uid={uid} gid={gid} mode={mode:04o} time={}.{:09}",
        type_word(&entry.kind),
        mtime.seconds,
        mtime.nanoseconds
    );
    let mut tags = Vec::new();
    if let Some(package) = &entry.package {
        tags.push(format!("package:{package}"));
    }
    match &entry.kind {
        Kind::File(content) => print_content(text, content),
        Kind::Hardlink { target } => {
            if let Some(content) = manifest.get(target).and_then(Entry::content) {
                print_content(text, content);
            }
            let mut tag = String::from("hardlink:");
            encode(&mut tag, target.as_bytes());
            tags.push(tag);
        }
        Kind::Symlink { target } => {
            text.push_str(" link=");
            encode(text, target);
        }
        Kind::CharacterDevice(Device { major, minor })
        | Kind::BlockDevice(Device { major, minor }) => {
            let _ = write!(text, " device=native,{major},{minor}");
        }
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
    }
    if !tags.is_empty() {
        let _ = write!(text, " tags={}", tags.join(","));
    }
    text.push('\n');
}

fn print_content(text: &mut String, content: &FileContent) {
    let _ = write!(text, " size={}", content.size);
    if let Some(digest) = &content.digest {
        let _ = write!(text, " sha256digest={digest}");
    }
}

fn type_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::File(_) | Kind::Hardlink { .. } => "file",
        Kind::Directory => "dir",
        Kind::Symlink { .. } => "link",
        Kind::CharacterDevice(_) => "char",
        Kind::BlockDevice(_) => "block",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}

fn encode(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' | b'#' | b'*' | b'?' | b'[' | b'=' | b',' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            0x21..=0x7e => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
}
