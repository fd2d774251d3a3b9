//! The output folder of an OS image build.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use proto::Digest;

use super::head::head;
use super::{PinnedFile, Planned, Source, artifact};
use crate::Error;
use crate::artifact::{Kind, Variant};

/// Text files are notes on the build; anything larger was put there by mistake.
const TEXT_LIMIT: u64 = 16 << 20;

/// The ROM files and the boards they are for.
pub(crate) struct BoardRoms;

impl BoardRoms {
    /// Boards that have a phase 1, as file stem.
    pub(crate) const BOARDS: [&'static str; 2] = ["cosmo", "gimlet"];
}

/// The header of a phase-2 image: 4096 bytes before the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootHeader {
    pub(crate) compressed: bool,
    pub(crate) data_size: u64,
    pub(crate) image_size: u64,
    pub(crate) sha256: Digest,
    pub(crate) image_name: String,
}

impl BootHeader {
    /// Bytes of the header.
    pub(crate) const LENGTH: usize = 4096;
    const MAGIC: u32 = 0x1DEB_0075;

    /// Reads a header and checks what it says about itself.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.get(..Self::LENGTH) else {
            return Err(format!(
                "is shorter than the header of a phase-2 image ({} bytes)",
                Self::LENGTH
            ));
        };
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(0) != Self::MAGIC {
            return Err("does not begin with the magic of a phase-2 image".to_owned());
        }
        if u32_at(4) != 2 {
            return Err(format!("has header version {}; 2 is known", u32_at(4)));
        }
        let mut sha256 = Digest([0; 32]);
        sha256.0.copy_from_slice(&bytes[40..72]);
        let name = &bytes[200..328];
        let name = &name[..name.iter().position(|b| *b == 0).unwrap_or(name.len())];
        let header = Self {
            compressed: u64_at(8) & 1 == 1,
            data_size: u64_at(16),
            image_size: u64_at(24),
            sha256,
            image_name: String::from_utf8_lossy(name).into_owned(),
        };
        let (data, image, target) = (header.data_size, header.image_size, u64_at(32));
        if data == 0 || image > target || image < data || (!header.compressed && image != data) {
            return Err(format!(
                "has impossible sizes: data {data}, image {image}, target {target}"
            ));
        }
        Ok(header)
    }
}

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

    for board in BoardRoms::BOARDS {
        let rom = required(directory, &format!("{board}.rom"))?;
        let kind = Kind::OsPhase1 { board: board.to_owned(), variant };
        planned.push(artifact(format!("{folder}/{board}.rom"), rom, kind, version.to_owned())?);
    }
    let image = required(directory, "zfs.img")?;
    let first =
        head(&mut image.open()?, BootHeader::LENGTH).map_err(Error::io("read", &image.path))?;
    let header = BootHeader::parse(&first).map_err(|problem| Error::input(&image.path, problem))?;
    if header.data_size != image.length() - BootHeader::LENGTH as u64 {
        return Err(Error::input(
            &image.path,
            format!(
                "its header announces {} bytes of data, there are {}",
                header.data_size,
                image.length() - BootHeader::LENGTH as u64
            ),
        ));
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
        let file = std::fs::File::open(&archive).map_err(Error::io("read", &archive))?;
        return texts_in_archive(file, &archive)
            .map_err(|error| Error::input(&archive, format!("is no OS archive: {error}")));
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
fn texts_in_archive(file: impl Read, path: &Path) -> std::io::Result<Vec<(String, Source)>> {
    let mut texts = Vec::new();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    for member in archive.entries()? {
        let member = member?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let Some(name) = name.strip_prefix("image/") else { continue };
        if !member.header().entry_type().is_file() {
            continue;
        }
        if !name.ends_with(".txt") {
            break;
        }
        let name = name.to_owned();
        let mut text = Vec::new();
        member.take(TEXT_LIMIT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > TEXT_LIMIT {
            return Err(std::io::Error::other(format!("image/{name} is larger than 16 MiB")));
        }
        texts.push((name, Source::Memory(text, path.to_owned())));
    }
    Ok(texts)
}
