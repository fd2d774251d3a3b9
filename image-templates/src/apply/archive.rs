//! Steps that pack, unpack and compress.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;

use gzip::{GzipReader, GzipWriter, Level};
use proto::{Device, Entry, Kind, Manifest, Metadata, Mtime, Proto, ProtoPath};
use tar::{EntryType, Header};
use tempfile::NamedTempFile;

use super::{Failure, Run};
use crate::Permissions;

impl Run<'_, '_, '_> {
    pub(super) fn unpack_tar(&mut self, name: &str, into_tmp: bool) -> Result<(), Failure> {
        if self.rehearsal && !self.has_output(name) {
            return self.unpack_foreseen(name, into_tmp);
        }
        let file = BufReader::new(self.open_output(name)?);
        let reader: Box<dyn Read> =
            if name.ends_with("gz") { Box::new(GzipReader::new(file)) } else { Box::new(file) };
        let mut scratch = Proto::new(self.image.proto.contents.store.clone());
        let into = if into_tmp { &mut scratch } else { &mut self.image.proto };
        unpack(reader, into, self.image.mtime).map_err(|failure| Failure {
            reason: format!("{name}: {}", failure.reason),
            ..failure
        })?;
        if into_tmp {
            self.scratch = Some(scratch);
        }
        self.image.ensure_root();
        Ok(())
    }

    /// Takes the paths of an archive that another template would have packed.
    fn unpack_foreseen(&mut self, name: &str, into_tmp: bool) -> Result<(), Failure> {
        let Some(members) = self.context.archives.get(name) else {
            let reason = format!("no template before this one packs `{name}`, and it is not there");
            return Err(Failure::new(reason));
        };
        let mut scratch = Proto::new(self.image.proto.contents.store.clone());
        let into = if into_tmp { &mut scratch } else { &mut self.image.proto };
        for (path, entry) in members.iter() {
            into.manifest.ensure_parents(path, Metadata::root(0o755).at(self.image.mtime));
            place(into, path.clone(), entry.clone())?;
        }
        if into_tmp {
            self.scratch = Some(scratch);
        }
        self.image.ensure_root();
        Ok(())
    }

    pub(super) fn pack_tar(&mut self, name: &str, include: &[String]) -> Result<(), Failure> {
        let manifest = self.members(include)?;
        if self.rehearsal {
            self.context.archives.insert(name.to_owned(), manifest);
            return Ok(());
        }
        let path = self.context.output.join(name);
        let broken = |error| Failure::because(format!("cannot write {}", path.display()), error);
        let file = NamedTempFile::new_in(&self.context.output).map_err(broken)?;
        let out = BufWriter::new(file.reopen().map_err(broken)?);
        if name.ends_with("gz") {
            let out = pack(&manifest, &self.image.proto, GzipWriter::new(out, Level::Best))?;
            out.finish().and_then(|mut out| out.flush()).map_err(broken)?;
        } else {
            pack(&manifest, &self.image.proto, out)?.flush().map_err(broken)?;
        }
        self.outputs.insert(name.to_owned(), file);
        Ok(())
    }

    /// The part of the image that goes into an archive.
    fn members(&self, include: &[String]) -> Result<Manifest, Failure> {
        let all = &self.image.proto.manifest;
        if include.is_empty() {
            return Ok(all.clone());
        }
        let mut members = Manifest::new();
        for name in include {
            let path = ProtoPath::new(name.strip_prefix("./").unwrap_or(name))?;
            if !all.contains(&path) {
                let reason = format!("`include`: /{path} is not in the image");
                return Err(Failure::missing(&path, reason));
            }
            for (path, entry) in all.subtree(&path) {
                members.replace(path.clone(), entry.clone());
            }
        }
        Ok(members)
    }

    pub(super) fn gzip(
        &mut self,
        src: &str,
        target: &ProtoPath,
        permissions: &Permissions,
    ) -> Result<(), Failure> {
        let metadata = self.image.metadata(permissions)?;
        let place = self.image.place(target)?;
        if self.image.get(&place).is_some() {
            return Err(Failure::new(format!("/{target} is already there")));
        }
        if self.rehearsal && !self.has_output(src) {
            return self.image.put_foreseen(target, 0, metadata);
        }
        let mut from = self.open_output(src)?;
        let broken = |error| Failure::because(format!("cannot compress `{src}`"), error);
        let file =
            NamedTempFile::new_in(self.image.proto.contents.store.directory()).map_err(broken)?;
        let mut out = GzipWriter::new(BufWriter::new(file.reopen().map_err(broken)?), Level::Best);
        io::copy(&mut from, &mut out)
            .and_then(|_| out.finish())
            .and_then(|mut out| out.flush())
            .map_err(broken)?;
        let from = file.reopen().map_err(broken)?;
        self.image.put_file(target, from, metadata)
    }
}

/// Unpacks an archive over a proto. A member whose path leads through anything but directories
/// is refused, so that no link of the archive moves a later member elsewhere.
fn unpack(reader: impl Read, proto: &mut Proto, mtime: Mtime) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::because("the archive is damaged", error);
    let mut archive = tar::Archive::new(reader);
    for member in archive.entries().map_err(broken)? {
        let mut member = member.map_err(broken)?;
        let name = member.path_bytes().into_owned();
        let name = name.strip_prefix(b"./").unwrap_or(&name);
        let path = if name == b"." { ProtoPath::root() } else { ProtoPath::new(name)? };
        let header = member.header();
        let number = |value: io::Result<u64>| value.map_err(broken);
        let seconds = number(header.mtime())? as i64;
        let metadata = Metadata::owned(
            header.mode().map_err(broken)?,
            number(header.uid())? as u32,
            number(header.gid())? as u32,
        )
        .at(Mtime::from_seconds(seconds));
        let device = || -> Result<Device, Failure> {
            let major = header.device_major().map_err(broken)?.unwrap_or(0);
            let minor = header.device_minor().map_err(broken)?.unwrap_or(0);
            Ok(Device { major, minor })
        };
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => Kind::File(
                proto
                    .contents
                    .store
                    .add(&mut member)
                    .map_err(|error| Failure::because(format!("`{path}`"), error))?,
            ),
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink {
                target: member.link_name_bytes().unwrap_or_default().into_owned().into(),
            },
            EntryType::Link => {
                let target = member.link_name_bytes().unwrap_or_default().into_owned();
                let target = ProtoPath::new(target.strip_prefix(b"./").unwrap_or(&target))?;
                let target = match proto.manifest.resolve_hardlink(&target) {
                    Some((target, Entry { kind: Kind::File(_), .. })) => target.clone(),
                    _ => {
                        return Err(Failure::new(format!(
                            "`{path}` is a hard link to `{target}`, which is no file before it"
                        )));
                    }
                };
                Kind::Hardlink { target }
            }
            EntryType::Char => Kind::CharacterDevice(device()?),
            EntryType::Block => Kind::BlockDevice(device()?),
            EntryType::Fifo => Kind::Fifo,
            other => {
                let kind = other.as_byte() as char;
                return Err(Failure::new(format!("`{path}` is of the unknown type `{kind}`")));
            }
        };
        proto.manifest.ensure_parents(&path, Metadata::root(0o755).at(mtime));
        place(proto, path, Entry::new(kind, metadata))?;
    }
    Ok(())
}

fn place(proto: &mut Proto, path: ProtoPath, entry: Entry) -> Result<(), Failure> {
    if let Some(parent) = path.parent()
        && let Some(there) = proto.manifest.get(&parent)
        && !there.is_directory()
    {
        let word = there.kind.word();
        return Err(Failure::new(format!("`{path}` is below `{parent}`, which is a {word}")));
    }
    match proto.manifest.get(&path) {
        Some(there) if there.is_directory() != entry.is_directory() => {
            let (there, new) = (there.kind.word(), entry.kind.word());
            Err(Failure::new(format!("`{path}` is a {there}; a {new} cannot take its place")))
        }
        _ => {
            proto.manifest.replace(path, entry);
            Ok(())
        }
    }
}

/// Writes members in the order of their paths; all names of a file but the first are hard links.
fn pack<W: Write>(members: &Manifest, proto: &Proto, out: W) -> Result<W, Failure> {
    let mut builder = tar::Builder::new(out);
    let mut first_names: BTreeMap<ProtoPath, ProtoPath> = BTreeMap::new();
    for (path, entry) in members.iter() {
        let broken = |error| Failure::because(format!("cannot pack /{path}"), error);
        let mut header = Header::new_gnu();
        let metadata = &entry.metadata;
        header.set_mode(metadata.mode);
        header.set_uid(metadata.uid.into());
        header.set_gid(metadata.gid.into());
        header.set_mtime(metadata.mtime.seconds.max(0) as u64);
        header.set_size(0);
        let mut name = if path.is_root() { b".".to_vec() } else { path.as_bytes().to_vec() };
        if entry.is_directory() {
            name.push(b'/');
        }
        let name = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(&name));
        let link = |header: &mut Header, kind, target: &[u8], builder: &mut tar::Builder<W>| {
            header.set_entry_type(kind);
            builder.append_link(header, &name, std::ffi::OsStr::from_bytes(target))
        };
        match &entry.kind {
            Kind::Directory => {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, &name, io::empty()).map_err(broken)?;
            }
            Kind::Symlink { target } => {
                link(&mut header, EntryType::Symlink, target, &mut builder).map_err(broken)?;
            }
            Kind::File(_) | Kind::Hardlink { .. } => {
                let Some((at, file)) = proto.manifest.resolve_hardlink(path) else {
                    return Err(Failure::new(format!("/{path} is a hard link to nothing")));
                };
                if let Some(first) = first_names.get(at) {
                    let first = first.as_bytes();
                    link(&mut header, EntryType::Link, first, &mut builder).map_err(broken)?;
                    continue;
                }
                first_names.insert(at.clone(), path.clone());
                let Some(content) = file.content() else { continue };
                header.set_entry_type(EntryType::Regular);
                header.set_size(content.size);
                let from = proto.contents.open(at, content)?;
                builder.append_data(&mut header, &name, from).map_err(broken)?;
            }
            Kind::CharacterDevice(device) | Kind::BlockDevice(device) => {
                header.set_entry_type(match entry.kind {
                    Kind::CharacterDevice(_) => EntryType::Char,
                    _ => EntryType::Block,
                });
                header.set_device_major(device.major).map_err(broken)?;
                header.set_device_minor(device.minor).map_err(broken)?;
                builder.append_data(&mut header, &name, io::empty()).map_err(broken)?;
            }
            Kind::Fifo => {
                header.set_entry_type(EntryType::Fifo);
                builder.append_data(&mut header, &name, io::empty()).map_err(broken)?;
            }
            Kind::Socket => {
                return Err(Failure::new(format!("/{path} is a socket, which no archive holds")));
            }
        }
    }
    builder.into_inner().map_err(|error| Failure::because("cannot end the archive", error))
}
