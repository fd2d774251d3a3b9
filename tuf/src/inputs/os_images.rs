//! The output folder of an OS image build.

use std::io::Read as _;
use std::path::Path;

use boot_image::phase2::{HEADER_SIZE, Header};
use oxide_archive::MemberKind;

use super::{PinnedFile, Planned, Source, artifact};
use crate::Error;
use crate::artifact::{Kind, Variant};

/// Text files are notes on the build; anything larger was put there by mistake.
const TEXT_LIMIT: u64 = 16 << 20;

/// The boards that have a phase 1; `<board>.rom` is its file.
pub const BOARDS: [&str; 2] = ["gimlet", "cosmo"];

pub(super) fn plan(
    directory: &Path,
    variant: Variant,
    version: &str,
) -> Result<Vec<Planned>, Error> {
    let metadata = std::fs::metadata(directory).map_err(Error::io("read", directory))?;
    if !metadata.is_dir() {
        return Err(Error::input(
            directory,
            "is no folder; OS images are given as the folder of a build",
        ));
    }
    let folder = format!("os-{variant}");
    let mut planned = Vec::new();

    for board in BOARDS {
        let rom = required(directory, &format!("{board}.rom"))?;
        let kind = Kind::OsPhase1 { board: board.to_owned(), variant };
        planned.push(artifact(format!("{folder}/{board}.rom"), rom, kind, version.to_owned())?);
    }
    let image = required(directory, "zfs.img")?;
    let mut first = [0; HEADER_SIZE];
    image.open()?.read_exact(&mut first).map_err(|_| {
        Error::input(&image.path, "is shorter than the header of a phase-2 image, 4096 bytes")
    })?;
    let header = Header::decode(&first)
        .map_err(|problem| Error::input(&image.path, format!("as a phase-2 image: {problem}")))?;
    let data = image.length() - HEADER_SIZE as u64;
    if header.data_size != data {
        let problem =
            format!("its header announces {} bytes of data, there are {data}", header.data_size);
        return Err(Error::input(&image.path, problem));
    }
    let kind = Kind::OsPhase2 { variant };
    planned.push(artifact(format!("{folder}/zfs.img"), image, kind, version.to_owned())?);

    for name in ["unix.z", "cpio.z"] {
        let path = directory.join(name);
        if path.try_exists().map_err(Error::io("read", &path))? {
            let source = Source::File(PinnedFile::new(&path)?);
            planned.push(Planned {
                target_name: format!("{folder}/{name}"),
                source,
                artifact: None,
            });
        }
    }
    for (name, source) in texts(directory)? {
        let target_name = format!("{folder}/{name}");
        crate::names::check_name(&target_name).map_err(|problem| {
            Error::input(source.path(), format!("cannot become a target: {problem}"))
        })?;
        planned.push(Planned { target_name, source, artifact: None });
    }
    Ok(planned)
}

fn required(directory: &Path, name: &str) -> Result<PinnedFile, Error> {
    let path = directory.join(name);
    match PinnedFile::new(&path) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::input(directory, format!("has no {name}, which an OS image build makes")))
        }
        other => other,
    }
}

/// The notes of the build: from the front of `os.tar.gz` if that is there, else the folder's.
fn texts(directory: &Path) -> Result<Vec<(String, Source)>, Error> {
    let archive = directory.join("os.tar.gz");
    if archive.try_exists().map_err(Error::io("read", &archive))? {
        return texts_in_archive(&archive);
    }
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let path = entry.map_err(Error::io("list", directory))?.path();
        let is_text = path.extension().is_some_and(|extension| extension == "txt");
        if is_text && path.is_file() {
            texts.push((super::base_name(&path)?, Source::File(PinnedFile::new(&path)?)));
        }
    }
    texts.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(texts)
}

/// The text members come first in `image/`; the search ends at the first other file there, so only
/// the front of the archive is read.
fn texts_in_archive(path: &Path) -> Result<Vec<(String, Source)>, Error> {
    let unreadable = |error: oxide_archive::Error| {
        Error::input(path, format!("is no OS archive: {}", super::chain(&error)))
    };
    let mut texts = Vec::new();
    let mut archive = oxide_archive::open(path).map_err(unreadable)?;
    while let Some(member) = archive.next_member().map_err(unreadable)? {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        let Some(name) = name.strip_prefix("image/").filter(|_| member.kind == MemberKind::File)
        else {
            continue;
        };
        if !name.ends_with(".txt") {
            break;
        }
        if member.size > TEXT_LIMIT {
            return Err(Error::input(path, format!("image/{name} is larger than 16 MiB")));
        }
        let mut text = Vec::new();
        archive.read_all(&mut text).map_err(unreadable)?;
        texts.push((name.to_owned(), Source::Memory(text, path.to_owned())));
    }
    Ok(texts)
}
