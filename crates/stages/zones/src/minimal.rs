//! From a closure to an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::{Entry, Kind, Mtime, Proto, ProtoPath};

use crate::closure::Closure;
use crate::{Error, PackOptions, Packed};

/// Writes a closure as a layer for omicron1 zones, with the directories above its members.
///
/// Owners and modes are those of the proto root; all times are that of the options.
pub fn write_layer(
    proto: &Proto,
    closure: &Closure,
    output: &Path,
    options: &PackOptions,
) -> Result<Packed, Error> {
    let mut paths = BTreeSet::from([ProtoPath::root()]);
    for path in closure.members.keys() {
        let mut next = Some(path.clone());
        while let Some(path) = next {
            next = path.parent();
            paths.insert(path);
        }
    }
    let metadata = Metadata::new(ArchiveType::Layer);
    let metadata = match &options.package {
        Some((name, version)) => metadata.with_package(name, version),
        None => metadata,
    };
    let mut writer = Writer::create(output, &metadata, options.mtime)?;
    // The names under which the bytes of a file were written: hard links follow.
    let mut written: BTreeMap<&ProtoPath, ProtoPath> = BTreeMap::new();
    let mut bytes = 0;
    let (entries, mtime) = (paths.len(), Mtime::from_seconds(options.mtime));
    for path in paths {
        let (file, entry) = match proto.manifest.resolve_hardlink(&path) {
            Some((file, entry)) => (file, entry.clone()),
            None => (&path, Entry::directory(proto::Metadata::root(0o755))),
        };
        let entry = Entry { metadata: entry.metadata.at(mtime), ..entry };
        let member = member(&path);
        match &entry.kind {
            Kind::File(content) => match written.get(file) {
                Some(first) => writer.hardlink(member, self::member(first), entry.metadata)?,
                None => {
                    let data = proto.contents.open(file, content)?;
                    writer.file(member, entry.metadata, content.size, data)?;
                    bytes += content.size;
                    if let Some((file, _)) = proto.manifest.resolve_hardlink(&path) {
                        written.insert(file, path.clone());
                    }
                }
            },
            _ => writer.entry("root", &path, &entry, &proto.contents)?,
        }
    }
    Ok(Packed { archive: writer.commit()?, entries, bytes })
}

fn member(path: &ProtoPath) -> Vec<u8> {
    [b"root/", path.as_bytes()].concat()
}
