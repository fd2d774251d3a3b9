//! Writes images.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use gzip::{GzipWriter, Level};
use oxide_archive::{ArchiveType, Metadata, OutputFile, Writer, Written};
use proto::{Mtime, ProtoPath, Store};

use crate::Error;
use crate::plan::Output;
use crate::tree::{Bytes, Node, Tree};

/// The version of what was not stamped.
pub(crate) const UNSTAMPED: &str = "0.0.0";

/// The member of a tarball that says its version; zone images have `oxide.json`.
pub(crate) const VERSION: &str = "VERSION";

/// How an image is written.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) output: Output,
    pub(crate) version: String,
    pub(crate) mtime: i64,
    pub(crate) level: Level,
    pub(crate) threads: NonZeroUsize,
}

/// Writes a tree as the image of a package.
pub(crate) fn write(
    package: &str,
    tree: &Tree,
    kept: &Store,
    style: &Style,
    path: &Path,
) -> Result<Written, Error> {
    check_lengths(package, tree, style.output)?;
    let output = OutputFile::create(path)?;
    match style.output {
        Output::Zone => {
            let output = GzipWriter::with_threads(output, style.level, style.threads);
            let metadata = Metadata::new(ArchiveType::Layer).with_package(package, &style.version);
            let mut writer = Writer::new(output, path, &metadata, style.mtime)?;
            members(ROOT, tree, kept, style, &mut writer)?;
            let output = writer.finish()?.finish().map_err(Error::io("write", path))?;
            Ok(output.commit()?)
        }
        Output::Tarball => {
            let mut writer = Writer::plain(output, path);
            writer.file_bytes(VERSION, metadata(style, false), style.version.as_bytes())?;
            members("", tree, kept, style, &mut writer)?;
            Ok(writer.finish()?.commit()?)
        }
    }
}

/// The longest member name that a zone can be installed from.
const LONGEST: usize = 1023;

/// Where members of a zone image are.
const ROOT: &str = "root";

fn check_lengths(package: &str, tree: &Tree, output: Output) -> Result<(), Error> {
    let prefix = if output == Output::Zone { ROOT } else { "" };
    for (path, _) in tree.iter() {
        let length = member(prefix, path).map_or(0, |name| name.len());
        if length > LONGEST {
            return Err(Error::Long { image: package.to_owned(), path: path.clone(), length });
        }
    }
    Ok(())
}

fn metadata(style: &Style, executable: bool) -> proto::Metadata {
    let mode = if executable { 0o755 } else { 0o644 };
    proto::Metadata::root(mode).at(Mtime::from_seconds(style.mtime))
}

fn members<W: std::io::Write>(
    prefix: &str,
    tree: &Tree,
    kept: &Store,
    style: &Style,
    writer: &mut Writer<W>,
) -> Result<(), Error> {
    for (path, node) in tree.iter() {
        let Some(name) = member(prefix, path) else { continue };
        match node {
            Node::Directory => writer.directory(name, metadata(style, true))?,
            Node::File { bytes, size, executable } => {
                let on_disk = match bytes {
                    Bytes::Disk(path) => path.clone(),
                    Bytes::Kept(digest) => kept.path_of(digest),
                };
                let file = File::open(&on_disk).map_err(Error::io("open", &on_disk))?;
                writer.file(name, metadata(style, *executable), *size, file)?;
            }
            Node::Symlink(target) => {
                let metadata = proto::Metadata { mode: 0o777, ..metadata(style, true) };
                writer.symlink(name, target, metadata)?;
            }
        }
    }
    Ok(())
}

/// The name of a member; none for the root of a tarball, which stands for any directory.
fn member(prefix: &str, path: &ProtoPath) -> Option<Vec<u8>> {
    match (prefix, path.is_root()) {
        ("", true) => None,
        ("", false) => Some(path.as_bytes().to_vec()),
        (prefix, true) => Some(prefix.as_bytes().to_vec()),
        (prefix, false) => Some([prefix.as_bytes(), path.as_bytes()].join(&b'/')),
    }
}
