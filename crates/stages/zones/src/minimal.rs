//! From a closure to an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::{Entry, Kind, Mtime, Proto, ProtoPath};

use crate::boot::{Accounts, Boot, Made};
use crate::closure::Closure;
use crate::root::Root;
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
    let metadata = Metadata::new(ArchiveType::Layer);
    let metadata = match &options.package {
        Some((name, version)) => metadata.with_package(name, version),
        None => metadata,
    };
    let members = Members { proto, prefix: "root", made: BTreeMap::new(), mtime: options.mtime };
    let mut paths = with_parents(closure.members.keys());
    paths.insert(ProtoPath::root());
    let mut writer = Writer::create(output, &metadata, options.mtime)?;
    let bytes = members.write(&mut writer, &paths)?;
    Ok(Packed { archive: writer.commit()?, entries: paths.len(), bytes })
}

/// Writes a closure as a root file system of its own that starts as `boot` says, for brands that
/// take a tar of a root as it is. The closure must have been found with the same `boot`.
///
/// There is no `oxide.json` and nothing stands above the paths. What no package delivers is made:
/// `inittab`, the script that it starts, accounts, empty directories and mount points. Devices are
/// the brand's.
pub fn write_root(
    proto: &Proto,
    closure: &Closure,
    boot: &Boot,
    output: &Path,
    options: &PackOptions,
) -> Result<Packed, Error> {
    boot.check()?;
    let root = Root { proto };
    let text = |path| Ok::<_, Error>(root.text(path)?.map(|(_, text)| text));
    let accounts = Accounts {
        passwd: text("etc/passwd")?,
        group: text("etc/group")?,
        shadow: text("etc/shadow")?,
    };
    let has = |path: &str| {
        root.resolve(path).is_ok_and(|resolved| closure.members.contains_key(&resolved.path))
    };
    let made = boot.files(&accounts, &has, Mtime::from_seconds(options.mtime))?;
    let mut paths = with_parents(closure.members.keys().chain(made.keys()));
    paths.remove(&ProtoPath::root());
    let members = Members { proto, prefix: "", made, mtime: options.mtime };
    let mut writer = Writer::create_plain(output)?;
    let bytes = members.write(&mut writer, &paths)?;
    Ok(Packed { archive: writer.commit()?, entries: paths.len(), bytes })
}

fn with_parents<'p>(paths: impl Iterator<Item = &'p ProtoPath>) -> BTreeSet<ProtoPath> {
    let mut all = BTreeSet::new();
    for path in paths {
        let mut next = Some(path.clone());
        while let Some(path) = next {
            next = path.parent();
            all.insert(path);
        }
    }
    all
}

/// Where members come from and what they are called.
struct Members<'a> {
    proto: &'a Proto,
    prefix: &'static str,
    made: BTreeMap<ProtoPath, Made>,
    mtime: i64,
}

impl Members<'_> {
    /// Writes the paths in their order; the number of bytes in files.
    fn write<W: Write>(
        &self,
        writer: &mut Writer<W>,
        paths: &BTreeSet<ProtoPath>,
    ) -> Result<u64, Error> {
        let manifest = &self.proto.manifest;
        // The names under which the bytes of a file were written: hard links follow.
        let mut written: BTreeMap<&ProtoPath, &ProtoPath> = BTreeMap::new();
        let mut bytes = 0;
        for path in paths {
            if let Some(Made::File(metadata, text)) = self.made.get(path) {
                writer.file_bytes(self.name(path), *metadata, text)?;
                bytes += text.len() as u64;
                continue;
            }
            let (file, entry) = match (manifest.resolve_hardlink(path), self.made.get(path)) {
                (Some((file, entry)), _) => (file, entry.clone()),
                (None, Some(Made::Directory(metadata))) => (path, Entry::directory(*metadata)),
                (None, _) => (path, Entry::directory(proto::Metadata::root(0o755))),
            };
            let metadata = entry.metadata.at(Mtime::from_seconds(self.mtime));
            match &entry.kind {
                Kind::File(content) => match written.get(file) {
                    Some(first) => {
                        writer.hardlink(self.name(path), self.name(first), metadata)?;
                    }
                    None => {
                        let data = self.proto.contents.open(file, content)?;
                        writer.file(self.name(path), metadata, content.size, data)?;
                        bytes += content.size;
                        written.insert(file, path);
                    }
                },
                _ => {
                    let entry = Entry { metadata, ..entry };
                    writer.entry(self.prefix, path, &entry, &self.proto.contents)?;
                }
            }
        }
        Ok(bytes)
    }

    fn name(&self, path: &ProtoPath) -> Vec<u8> {
        match self.prefix {
            "" => path.as_bytes().to_vec(),
            prefix => [prefix.as_bytes(), path.as_bytes()].join(&b'/'),
        }
    }
}
