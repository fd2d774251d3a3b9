//! `os.tar.gz`: a host or trampoline image with everything that belongs to it.
//!
//! An Oxide archive of type `os`. Its information map has the `name` of the image and, as
//! `checksum`, the SHA-256 that its phase-2 image must have; both are read from that image's header,
//! so they cannot disagree with it. The members stand below `image/`, mode 0444, owner root.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oxide_archive::{ArchiveType, Metadata, Writer, Written};
use proto::{Digest, Mtime};
use sha2::Digest as _;

use crate::{Error, phase2};

/// The parts of an OS archive.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The arguments the image was made with (`image-args.txt`).
    pub image_args: Option<String>,
    /// State of each source project: its name and the text of `git-status-NAME.txt`, in order.
    pub git_status: Vec<(String, String)>,
    /// The publishers of the image (`pkg-publishers.txt`).
    pub publishers: Option<String>,
    /// The packages of the image (`pkg-list.txt`).
    pub packages: Option<String>,
    /// The phase-2 image (`zfs.img`).
    pub phase2: PathBuf,
    /// The compressed kernel (`unix.z`).
    pub unix: PathBuf,
    /// The compressed boot archive (`cpio.z`).
    pub boot_archive: PathBuf,
    /// ROMs by member name without `.rom`, in order: `gimlet`, `gimlet.ddr4800`, `cosmo` and so on.
    pub roms: Vec<(String, PathBuf)>,
    /// The ROM that older readers take (`rom`), the same bytes as that of one board.
    pub default_rom: Option<PathBuf>,
}

/// An OS archive that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsArchive {
    /// The file.
    pub file: Written,
    /// What `oxide.json` says.
    pub metadata: Metadata,
    /// The members below `image/`, in order, with the digests of their bytes.
    pub members: Vec<OsMember>,
    /// What readers in the field look for and was not given: ROMs cannot be made without the
    /// vendor's firmware.
    pub absent: Vec<String>,
}

/// A member below `image/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsMember {
    /// The name, without `image/`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

/// Packs an OS archive. All members get the time `mtime`, in seconds since the epoch.
pub fn write(parts: &Parts, mtime: i64, output: &Path) -> Result<OsArchive, Error> {
    let header = phase2::read_header(&parts.phase2)?;
    let metadata = Metadata::new(ArchiveType::Os)
        .with_info("name", header.name)
        .and_then(|m| m.with_info("checksum", header.sha256.to_string()))
        .map_err(oxide_archive::Error::from)?;
    for name in parts.git_status.iter().map(|(n, _)| n).chain(parts.roms.iter().map(|(n, _)| n)) {
        check_name(name, output)?;
    }
    let mut packer = Packer {
        writer: Writer::create(output, &metadata, mtime)?,
        mtime: Mtime::from_seconds(mtime),
        members: Vec::new(),
    };
    packer.writer.directory("image", proto::Metadata::root(0o755).at(packer.mtime))?;
    packer.text("image-args.txt", parts.image_args.as_deref())?;
    for (project, status) in &parts.git_status {
        packer.text(&format!("git-status-{project}.txt"), Some(status))?;
    }
    packer.text("pkg-publishers.txt", parts.publishers.as_deref())?;
    packer.text("pkg-list.txt", parts.packages.as_deref())?;
    packer.file("zfs.img", &parts.phase2)?;
    packer.file("unix.z", &parts.unix)?;
    packer.file("cpio.z", &parts.boot_archive)?;
    for (name, path) in &parts.roms {
        packer.file(&format!("{name}.rom"), path)?;
    }
    if let Some(path) = &parts.default_rom {
        packer.file("rom", path)?;
    }
    let mut absent = Vec::new();
    if parts.roms.is_empty() {
        absent.push("a ROM for any board".to_owned());
    }
    if parts.default_rom.is_none() {
        absent.push("rom".to_owned());
    }
    let Packer { writer, members, .. } = packer;
    Ok(OsArchive { file: writer.commit()?, metadata, members, absent })
}

fn check_name(name: &str, output: &Path) -> Result<(), Error> {
    let bad =
        |problem| Err(Error::Name { path: output.to_owned(), name: name.to_owned(), problem });
    let good = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if name.is_empty() || name.starts_with('.') {
        return bad("it is empty or begins with a dot");
    }
    if !name.chars().all(good) {
        return bad("only letters, digits and `.`, `_`, `+`, `-` are allowed");
    }
    Ok(())
}

struct Packer {
    writer: Writer<gzip::GzipWriter<oxide_archive::OutputFile>>,
    mtime: Mtime,
    members: Vec<OsMember>,
}

impl Packer {
    fn text(&mut self, name: &str, text: Option<&str>) -> Result<(), Error> {
        match text {
            Some(text) => self.member(name, text.len() as u64, text.as_bytes()),
            None => Ok(()),
        }
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("examine", path))?.len();
        self.member(name, size, file)
    }

    fn member(&mut self, name: &str, size: u64, data: impl Read) -> Result<(), Error> {
        let metadata = proto::Metadata::root(0o444).at(self.mtime);
        let mut data = Hashing { data, hasher: sha2::Sha256::new() };
        self.writer.file(format!("image/{name}"), metadata, size, &mut data)?;
        let sha256 = Digest(data.hasher.finalize().into());
        self.members.push(OsMember { name: name.to_owned(), size, sha256 });
        Ok(())
    }
}

/// Hashes what is read.
struct Hashing<R> {
    data: R,
    hasher: sha2::Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
