//! Takes every member of an archive through the same checks and gives it to a sink.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use proto::{Digest, Entry, FileContent, Kind, Manifest, Metadata, ProtoPath};
use sha2::Digest as _;

use crate::member::{Member, MemberKind, printable};
use crate::metadata::METADATA_NAME;
use crate::reader::metadata_member;
use crate::{Error, Expect, Options, TarReader, Unpacked};

/// Where checked members go. Paths are below the destination; parents come before children.
pub(crate) trait Sink {
    fn directory(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error>;
    /// Makes a directory unless one is there; whether it was made.
    fn make_parent(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<bool, Error>;
    fn file<R: Read>(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        data: &mut TarReader<R>,
    ) -> Result<FileContent, Error>;
    fn symlink(&mut self, at: &Place, path: &ProtoPath, entry: &Entry) -> Result<(), Error>;
    fn hardlink(
        &mut self,
        at: &Place,
        path: &ProtoPath,
        entry: &Entry,
        target: &ProtoPath,
    ) -> Result<(), Error>;
    /// A device or pipe, which only some destinations take.
    fn special(&mut self, at: &Place, _path: &ProtoPath, entry: &Entry) -> Result<(), Error> {
        let word = entry.kind.word();
        Err(at.refused(format!("it is a {word}; only files, directories and links are unpacked")))
    }
    /// Everything was taken.
    fn finish(&mut self, unpacked: &Unpacked) -> Result<(), Error>;
}

/// The member at hand, for errors.
pub(crate) struct Place<'a> {
    pub(crate) archive: &'a Path,
    pub(crate) member: String,
}

impl Place<'_> {
    pub(crate) fn refused(&self, problem: impl Into<String>) -> Error {
        Error::Refused {
            path: self.archive.to_owned(),
            member: self.member.clone(),
            problem: problem.into(),
        }
    }
}

/// Opens an archive file, after comparing it with the pinned digest.
pub(crate) fn open_pinned(path: &Path, pinned: Option<Digest>) -> Result<File, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    if let Some(expected) = pinned {
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", path)(error)),
            }
        }
        let found = Digest(hasher.finalize().into());
        if found != expected {
            return Err(Error::Pinned { path: path.to_owned(), expected, found });
        }
        file.rewind().map_err(Error::io("read", path))?;
    }
    Ok(file)
}

/// Walks an archive from its first member to its end.
pub(crate) fn walk<R: Read>(
    mut reader: TarReader<R>,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Unpacked, Error> {
    let archive = reader.path().to_owned();
    let mut unpacked = Unpacked {
        metadata: None,
        manifest: Manifest::new(),
        members: 0,
        skipped: 0,
        bytes: 0,
        owners_set: false,
    };
    if options.expect != Expect::Plain {
        let first = reader.next_member()?;
        let metadata = metadata_member(&mut reader, first.as_ref())?;
        if let Expect::Type(expected) = options.expect
            && metadata.archive_type != expected
        {
            let found = metadata.archive_type;
            return Err(Error::Type { path: archive, expected, found });
        }
        unpacked.metadata = Some(metadata);
    }
    while let Some(member) = reader.next_member()? {
        let at = Place { archive: &archive, member: member.display_name() };
        count(&member, options, &mut unpacked, &at)?;
        if unpacked.metadata.is_some() && member.name == METADATA_NAME.as_bytes() {
            return Err(Error::Metadata { path: archive, problem: "comes twice".into() });
        }
        let name = checked_name(&member.name, &member.kind, options, &at)?;
        match below(&name, &options.prefix) {
            Some(path) => take(&member, path, &mut reader, options, &mut unpacked, sink, &at)?,
            None => unpacked.skipped += 1,
        }
    }
    sink.finish(&unpacked)?;
    Ok(unpacked)
}

fn count(
    member: &Member,
    options: &Options,
    unpacked: &mut Unpacked,
    at: &Place,
) -> Result<(), Error> {
    let limits = &options.limits;
    unpacked.members += 1;
    if unpacked.members > limits.members {
        return Err(at.refused(format!("the archive has more than {} members", limits.members)));
    }
    match unpacked.bytes.checked_add(member.size) {
        Some(bytes) if bytes <= limits.bytes => unpacked.bytes = bytes,
        _ => {
            return Err(at.refused(format!(
                "with its {} bytes the archive has more than the {} that are allowed",
                member.size, limits.bytes
            )));
        }
    }
    Ok(())
}

/// The name of a member as a path, unless it is one that must not be.
fn checked_name(
    name: &[u8],
    kind: &MemberKind,
    options: &Options,
    at: &Place,
) -> Result<ProtoPath, Error> {
    if name.starts_with(b"/") {
        return Err(at.refused("its name is absolute"));
    }
    if !options.any_encoding && std::str::from_utf8(name).is_err() {
        return Err(at.refused("its name is not UTF-8"));
    }
    let is_directory = *kind == MemberKind::Directory;
    if name.ends_with(b"/") && !is_directory {
        return Err(at.refused(format!("a {} with a name that ends in `/`", kind.word())));
    }
    // `tar -C DIR .` writes `./` and `./a`.
    let name = match name {
        b"." | b"./" => b"",
        _ => name.strip_prefix(b"./").unwrap_or(name),
    };
    let path =
        ProtoPath::new(name).map_err(|error| at.refused(format!("its name {}", error.reason)))?;
    if path.as_bytes().len() > options.limits.path {
        return Err(at.refused(format!(
            "its name is longer than the {} bytes that are allowed",
            options.limits.path
        )));
    }
    if path.is_root() && !is_directory {
        return Err(at.refused(format!("a {} in place of the root", kind.word())));
    }
    Ok(path)
}

/// The part of a path below the prefix.
fn below(path: &ProtoPath, prefix: &ProtoPath) -> Option<ProtoPath> {
    if !path.starts_with(prefix) {
        return None;
    }
    let rest = &path.as_bytes()[prefix.as_bytes().len()..];
    ProtoPath::new(rest).ok()
}

fn take<R: Read>(
    member: &Member,
    path: ProtoPath,
    reader: &mut TarReader<R>,
    options: &Options,
    unpacked: &mut Unpacked,
    sink: &mut impl Sink,
    at: &Place,
) -> Result<(), Error> {
    let manifest = &mut unpacked.manifest;
    let metadata = member.metadata;
    if let Some(there) = manifest.get(&path)
        && !(there.is_directory() && member.kind == MemberKind::Directory)
    {
        if !options.last_wins || there.kind.word() != member.kind.word() {
            let there = there.kind.word();
            return Err(at.refused(format!("the archive brought a {there} of that name before")));
        }
        // The earlier file would live on under its other names, which manifests cannot say.
        let other = manifest
            .iter()
            .find(|(_, entry)| matches!(&entry.kind, Kind::Hardlink { target } if *target == path));
        if let Some((other, _)) = other {
            return Err(at.refused(format!(
                "the archive brought a file of that name before, and {other} as a further name of \
                 that"
            )));
        }
    }
    if member.sparse && !options.special_files {
        return Err(at.refused("it is a sparse file"));
    }
    if let Some(name) =
        member.extended_attributes.iter().find(|name| options.extended_attributes.refuse(name))
    {
        let what = match name.as_str() {
            "ACL" => "an access control list".to_owned(),
            name => format!("the extended attribute `{name}`"),
        };
        return Err(at.refused(format!(
            "it has {what}, which would be lost; pack without it, or ask for extended attributes \
             to be dropped"
        )));
    }
    check_parents(&path, manifest, options, sink, at)?;
    let kind = match &member.kind {
        MemberKind::Directory => {
            let entry = Entry::directory(metadata);
            sink.directory(at, &path, &entry)?;
            entry.kind
        }
        MemberKind::File => {
            let entry =
                Entry::new(Kind::File(FileContent { size: member.size, digest: None }), metadata);
            Kind::File(sink.file(at, &path, &entry, reader)?)
        }
        MemberKind::Symlink { target } => {
            if target.is_empty() || target.len() > 1023 || target.contains(&0) {
                return Err(at.refused("the text of the link is empty, over-long or has a NUL"));
            }
            let entry = Entry::symlink(target, metadata);
            sink.symlink(at, &path, &entry)?;
            entry.kind
        }
        MemberKind::Hardlink { target } => {
            let shown = printable(target);
            let to = Place { archive: at.archive, member: at.member.clone() };
            let target = checked_name(target, &member.kind, options, &to).map_err(|_| {
                at.refused(format!("a hard link to {shown:?}, which is no safe name"))
            })?;
            let target = below(&target, &options.prefix).ok_or_else(|| {
                at.refused(format!("a hard link to {shown}, which is not below {}", options.prefix))
            })?;
            let file = match manifest.resolve_hardlink(&target) {
                Some((file, entry)) if matches!(entry.kind, Kind::File(_)) => file.clone(),
                Some((_, entry)) => {
                    let word = entry.kind.word();
                    return Err(at.refused(format!("a hard link to {shown}, which is a {word}")));
                }
                None => {
                    return Err(at.refused(format!(
                        "a hard link to {shown}, which the archive did not bring before"
                    )));
                }
            };
            let entry = Entry::hardlink(file.clone(), metadata);
            sink.hardlink(at, &path, &entry, &file)?;
            entry.kind
        }
        MemberKind::CharacterDevice(device) => {
            special(Kind::CharacterDevice(*device), &path, metadata, options, sink, at)?
        }
        MemberKind::BlockDevice(device) => {
            special(Kind::BlockDevice(*device), &path, metadata, options, sink, at)?
        }
        MemberKind::Fifo => special(Kind::Fifo, &path, metadata, options, sink, at)?,
    };
    manifest.replace(path, Entry::new(kind, metadata));
    Ok(())
}

fn special(
    kind: Kind,
    path: &ProtoPath,
    metadata: Metadata,
    options: &Options,
    sink: &mut impl Sink,
    at: &Place,
) -> Result<Kind, Error> {
    let entry = Entry::new(kind, metadata);
    match options.special_files {
        true => sink.special(at, path, &entry)?,
        false => Nowhere.special(at, path, &entry)?,
    }
    Ok(entry.kind)
}

/// A parent that the archive itself brought must be a directory. One that it did not bring must be
/// there (the sink sees to that) or is made when the options say so.
fn check_parents(
    path: &ProtoPath,
    manifest: &mut Manifest,
    options: &Options,
    sink: &mut impl Sink,
    at: &Place,
) -> Result<(), Error> {
    let mut missing = Vec::new();
    let mut parent = path.parent();
    while let Some(directory) = parent {
        match manifest.get(&directory) {
            Some(entry) if entry.is_directory() => break,
            Some(entry) => {
                let word = entry.kind.word();
                return Err(at.refused(format!("its parent {directory} is a {word}")));
            }
            None => {}
        }
        parent = directory.parent();
        if !directory.is_root() {
            missing.push(directory);
        }
    }
    if let Some(metadata) = options.make_parents {
        for directory in missing.into_iter().rev() {
            let entry = Entry::directory(metadata);
            if sink.make_parent(at, &directory, &entry)? {
                manifest.replace(directory, entry);
            }
        }
    }
    Ok(())
}

/// A sink that only lets everything be checked.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn directory(&mut self, _: &Place, _: &ProtoPath, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn make_parent(&mut self, _: &Place, _: &ProtoPath, _: &Entry) -> Result<bool, Error> {
        Ok(true)
    }

    fn file<R: Read>(
        &mut self,
        _: &Place,
        _: &ProtoPath,
        entry: &Entry,
        _: &mut TarReader<R>,
    ) -> Result<FileContent, Error> {
        let size = entry.content().map_or(0, |content| content.size);
        Ok(FileContent { size, digest: None })
    }

    fn symlink(&mut self, _: &Place, _: &ProtoPath, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn hardlink(
        &mut self,
        _: &Place,
        _: &ProtoPath,
        _: &Entry,
        _: &ProtoPath,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn finish(&mut self, _: &Unpacked) -> Result<(), Error> {
        Ok(())
    }
}
