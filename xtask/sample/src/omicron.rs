//! Zone images and packages of the global zone, as omicron-package leaves them.

use std::fs::File;
use std::path::Path;

use oxide_archive::{ArchiveType, Metadata, OutputFile, Writer};
use proto::{Entry, Kind, Manifest, Mtime, Owners, ProtoPath, import_directory};

use crate::{BUNDLED_ZONE, Error, HOST_PACKAGE, TRAMPOLINE_PACKAGE, ZONES, directory};

/// Writes `NAME.tar.gz` for every zone and `NAME.tar` for every package of the global zone into a
/// directory. `version` is the version of all of them, `mtime` (seconds) the time of every member.
///
/// Owners are root's and modes depend only on whether a file is executable, so that it does not
/// matter who checked the sources out.
pub fn build_omicron(output: &Path, version: &str, mtime: i64) -> Result<(), Error> {
    let time = Mtime::from_seconds(mtime);
    for name in ZONES.iter().chain([&BUNDLED_ZONE]) {
        let source = directory().join("zones").join(name);
        let metadata = Metadata::new(ArchiveType::Layer).with_package(*name, version);
        let path = output.join(format!("{name}.tar.gz"));
        let mut writer = Writer::create(path, &metadata, mtime)?;
        for (path, entry) in tree(&source, time)?.iter().filter(|(path, _)| !path.is_root()) {
            add(&mut writer, &source, path, entry)?;
        }
        writer.commit()?;
    }
    for name in [HOST_PACKAGE, TRAMPOLINE_PACKAGE] {
        let source = directory().join("omicron/global-zone").join(name);
        let path = output.join(format!("{name}.tar"));
        let mut writer = Writer::plain(OutputFile::create(&path)?, &path);
        let owner = proto::Metadata::root(0o644).at(time);
        writer.file_bytes("VERSION", owner, version.as_bytes())?;
        for (path, entry) in tree(&source, time)?.iter().filter(|(path, _)| !path.is_root()) {
            add(&mut writer, &source, path, entry)?;
        }
        writer.finish()?.commit()?;
    }
    Ok(())
}

fn tree(source: &Path, time: Mtime) -> Result<Manifest, Error> {
    let mut tree = import_directory(source, Owners::Root)?;
    for (_, entry) in tree.iter_mut() {
        let mode = match &entry.kind {
            Kind::Directory => 0o755,
            Kind::Symlink { .. } => 0o777,
            _ if entry.metadata.mode & 0o100 != 0 => 0o755,
            _ => 0o644,
        };
        entry.metadata = proto::Metadata::root(mode).at(time);
    }
    Ok(tree)
}

fn add<W: std::io::Write>(
    writer: &mut Writer<W>,
    source: &Path,
    path: &ProtoPath,
    entry: &Entry,
) -> Result<(), Error> {
    let name = path.as_bytes();
    match &entry.kind {
        Kind::Directory => writer.directory(name, entry.metadata)?,
        Kind::Symlink { target } => writer.symlink(name, target, entry.metadata)?,
        Kind::File(content) => {
            let on_disk = path.below(source);
            let file = File::open(&on_disk).map_err(Error::io("open", &on_disk))?;
            writer.file(name, entry.metadata, content.size, file)?;
        }
        // The source trees are our own and hold nothing else.
        _ => {}
    }
    Ok(())
}
