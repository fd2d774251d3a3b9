//! `os.tar.gz`: a host or trampoline image with everything that belongs to it.
//!
//! An Oxide archive of type `os`. Its information map has the `name` of the image and, as
//! `checksum`, the SHA-256 that its phase-2 image must have; both are read from that image's
//! header, so they cannot disagree with it. The members stand below `image/`, mode 0444, owner
//! root.

//!
//! The digest stands twice near the beginning, in `oxide.json` and in the header of the image, and
//! is known when all of the image was read. So that one reading is enough, what comes before the
//! image's own data is stored uncompressed, and is put in its place last
//! ([`gzip::LateGzipWriter`]).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use gzip::{LateGzipWriter, Level};
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Mtime;

use crate::Error;
use crate::pending::Pending;
use crate::phase2::{self, HEADER_SIZE, Header};

/// What is written down about an image.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The arguments the image was made with (`image-args.txt`).
    pub image_args: Option<String>,
    /// State of each source project: its name and the text of `git-status-NAME.txt`, in order.
    pub git_status: Vec<(String, String)>,
    /// The publishers of the image (`pkg-publishers.txt`).
    pub publishers: Option<String>,
    /// The packages of the image (`pkg-list.txt`).
    pub packages: Option<String>,
    /// What the image was made from (`record.json`). It comes after the texts that other readers
    /// look for.
    pub record: Option<String>,
}

/// The files that go with a phase-2 image.
#[derive(Debug, Clone, Default)]
pub struct Parts {
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
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// What `oxide.json` says.
    pub metadata: Metadata,
    /// The members below `image/`, in order.
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
}

/// Packs an OS archive around a phase-2 image that is there. All members get the time `mtime`, in
/// seconds since the epoch.
pub fn write(
    phase2: &Path,
    notes: Notes,
    parts: &Parts,
    mtime: i64,
    output: &Path,
) -> Result<OsArchive, Error> {
    let header = phase2::read_header(phase2)?;
    check_names(parts, output)?;
    let mut draft = Draft::new(output, notes, mtime)?;
    draft.begin_image(&header)?;
    let mut image = File::open(phase2).map_err(Error::io("open", phase2))?;
    image.seek(SeekFrom::Start(HEADER_SIZE as u64)).map_err(Error::io("read", phase2))?;
    let mut data = image.take(header.data_size);
    io::copy(&mut data, &mut draft).map_err(Error::io("pack", phase2))?;
    draft.end_image(&header)?;
    draft.finish(parts)
}

/// An OS archive that is being written. Dropped before [`Draft::finish`], it is gone.
///
/// It takes its image from [`phase2::seal`]; the boot archive, which has the digest of the image in
/// it, can then be made and is given last.
pub struct Draft {
    path: PathBuf,
    notes: Notes,
    mtime: Mtime,
    packing: Option<Packing>,
}

/// The state of a draft from the beginning of its image on.
struct Packing {
    output: LateGzipWriter<BufWriter<Pending>>,
    /// Bytes before the data of the image.
    room: u64,
    /// Bytes of data so far.
    data: u64,
    /// The header of the image, when it is complete.
    header: Option<Header>,
}

impl Draft {
    /// Begins an archive with what is known of it. All members will have the time `mtime`, in
    /// seconds since the epoch. Nothing is written yet.
    pub fn new(output: &Path, notes: Notes, mtime: i64) -> Result<Self, Error> {
        for (name, _) in &notes.git_status {
            check_name(name, output)?;
        }
        let mtime = Mtime::from_seconds(mtime);
        Ok(Self { path: output.to_owned(), notes, mtime, packing: None })
    }

    /// The final name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves room for everything before the data of an image. Digest and data size of a compressed
    /// image may still be missing in its header.
    pub(crate) fn begin_image(&mut self, header: &Header) -> Result<(), Error> {
        let room = self.beginning(header)?.len();
        let smallest = Header { data_size: 1, ..header.clone() };
        if header.compressed && self.beginning(&smallest)?.len() != room {
            let problem = "it is too large to be compressed and packed in one reading";
            return Err(Error::Image { path: self.path.clone(), problem: problem.to_owned() });
        }
        let file = BufWriter::with_capacity(256 << 10, Pending::create(&self.path)?);
        let output =
            LateGzipWriter::new(file, Level::Best, room).map_err(Error::io("write", &self.path))?;
        self.packing = Some(Packing { output, room: room as u64, data: 0, header: None });
        Ok(())
    }

    /// Ends the data of the image, whose header is complete now.
    pub(crate) fn end_image(&mut self, header: &Header) -> Result<(), Error> {
        let path = &self.path;
        let packing = self.packing.as_mut().ok_or_else(|| no_image(path))?;
        if packing.data != header.data_size {
            let (got, wanted) = (packing.data, header.data_size);
            let problem = format!("it gave {got} bytes of data instead of {wanted}");
            return Err(Error::Image { path: path.clone(), problem });
        }
        let padding = (packing.room + packing.data).wrapping_neg() % 512;
        let zeros = [0; 512];
        packing.output.write_all(&zeros[..padding as usize]).map_err(Error::io("write", path))?;
        packing.data += padding;
        packing.header = Some(header.clone());
        Ok(())
    }

    /// Adds the other parts and gives the archive its name.
    pub fn finish(mut self, parts: &Parts) -> Result<OsArchive, Error> {
        check_names(parts, &self.path)?;
        let packing = self.packing.take().ok_or_else(|| no_image(&self.path))?;
        let header = packing.header.ok_or_else(|| no_image(&self.path))?;
        let mut members = self.note_members();
        members
            .push(OsMember { name: IMAGE.to_owned(), size: header.data_size + HEADER_SIZE as u64 });
        let writer = Writer::resume(packing.output, &self.path, packing.room + packing.data);
        let mut packer = Packer { writer, metadata: self.member_metadata(), members };
        packer.file("unix.z", &parts.unix)?;
        packer.file("cpio.z", &parts.boot_archive)?;
        for (name, path) in &parts.roms {
            packer.file(&format!("{name}.rom"), path)?;
        }
        if let Some(path) = &parts.default_rom {
            packer.file("rom", path)?;
        }
        let Packer { writer, members, .. } = packer;
        let failed = || Error::io("write", &self.path);
        let mut file = writer.finish()?.finish(&self.beginning(&header)?).map_err(failed())?;
        let size = file.stream_position().map_err(failed())?;
        file.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed())?.commit()?;

        let mut absent = Vec::new();
        if parts.roms.is_empty() {
            absent.push("a ROM for any board".to_owned());
        }
        if parts.default_rom.is_none() {
            absent.push("rom".to_owned());
        }
        Ok(OsArchive { path: self.path, size, metadata: metadata(&header)?, members, absent })
    }

    /// Everything before the data of the image: `oxide.json`, the notes, and both headers of the
    /// image, the tar's and its own. Its length does not depend on the digest.
    fn beginning(&self, header: &Header) -> Result<Vec<u8>, Error> {
        let bad = |problem| Error::Image { path: self.path.clone(), problem };
        let mut tar = Writer::new(Vec::new(), &self.path, &metadata(header)?, self.mtime.seconds)?;
        tar.directory("image", proto::Metadata::root(0o755).at(self.mtime))?;
        for (name, text) in self.note_texts() {
            tar.file_bytes(format!("image/{name}"), self.member_metadata(), text.as_bytes())?;
        }
        let size = header.data_size + HEADER_SIZE as u64;
        let mut bytes = tar.begin_file(format!("image/{IMAGE}"), self.member_metadata(), size)?;
        bytes.extend_from_slice(&header.encode().map_err(bad)?);
        Ok(bytes)
    }

    /// The members before the image.
    fn note_texts(&self) -> Vec<(String, &str)> {
        let Notes { image_args, git_status, publishers, packages, record } = &self.notes;
        let mut texts = Vec::new();
        texts.extend(image_args.iter().map(|text| ("image-args.txt".to_owned(), &**text)));
        for (project, status) in git_status {
            texts.push((format!("git-status-{project}.txt"), &**status));
        }
        texts.extend(publishers.iter().map(|text| ("pkg-publishers.txt".to_owned(), &**text)));
        texts.extend(packages.iter().map(|text| ("pkg-list.txt".to_owned(), &**text)));
        texts.extend(record.iter().map(|text| ("record.json".to_owned(), &**text)));
        texts
    }

    fn note_members(&self) -> Vec<OsMember> {
        let texts = self.note_texts().into_iter();
        texts.map(|(name, text)| OsMember { name, size: text.len() as u64 }).collect()
    }

    fn member_metadata(&self) -> proto::Metadata {
        proto::Metadata::root(0o444).at(self.mtime)
    }
}

/// The data of the image.
impl Write for Draft {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let packing = self.packing.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let count = packing.output.write(data)?;
        packing.data += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The member that is the phase-2 image.
const IMAGE: &str = "zfs.img";

fn metadata(header: &Header) -> Result<Metadata, Error> {
    Ok(Metadata::new(ArchiveType::Os)
        .with_info("name", header.name.clone())
        .and_then(|m| m.with_info("checksum", header.sha256.to_string()))
        .map_err(oxide_archive::Error::from)?)
}

fn no_image(path: &Path) -> Error {
    let problem = "no image was given to the OS archive".to_owned();
    Error::Image { path: path.to_owned(), problem }
}

fn check_names(parts: &Parts, output: &Path) -> Result<(), Error> {
    parts.roms.iter().try_for_each(|(name, _)| check_name(name, output))
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

/// Adds files behind the image.
struct Packer {
    writer: Writer<LateGzipWriter<BufWriter<Pending>>>,
    metadata: proto::Metadata,
    members: Vec<OsMember>,
}

impl Packer {
    fn file(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("examine", path))?.len();
        self.writer.file(format!("image/{name}"), self.metadata, size, file)?;
        self.members.push(OsMember { name: name.to_owned(), size });
        Ok(())
    }
}
