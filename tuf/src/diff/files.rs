//! What is in a target, file by file: members of archives, files of pools, and those of archives
//! and images within archives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;

use boot_image::phase2::{self, HEADER_SIZE, Header};
use oxide_archive::{MemberKind, TarReader};
use proto::{Digest, Kind};
use sha2::Digest as _;
use zpool_image::reader::Image;

use crate::Error;
use crate::repository::Repository;

/// What a gzip member begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First bytes that say what something is.
const MAGIC: usize = 4;
/// The largest pool that is looked into; it takes as much room for temporary files.
const LARGEST: u64 = 16 << 30;

/// What is compared of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The word for its type.
    pub(super) kind: &'static str,
    /// The text of a link, the numbers of a device.
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Of what is no regular file that of nothing.
    pub(super) contents: Digest,
}

/// Files by their paths.
pub(super) type Files = BTreeMap<String, Found>;

/// The files of a target; none when it is neither an archive nor the image of a pool.
pub(super) fn files(repository: &Repository, name: &str) -> Result<Option<Files>, Error> {
    // The whole target is compared with what was signed before any of it is believed.
    let wanted = |first: &[u8]| first.starts_with(&GZIP) || first == phase2::MAGIC.to_le_bytes();
    let Some(reader) = repository.checked_reader(name, MAGIC, wanted)? else { return Ok(None) };
    let refuse = |problem: Problem| match problem {
        Problem::System(source) => Error::io("read", repository.path())(source),
        Problem::Archive(error) => {
            repository.target_error(name, format!("is no good archive: {error}"))
        }
    };
    look(reader, name, Within::Target).map_err(refuse)
}

/// Where something is looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// It is a target: what begins like an archive must be one.
    Target,
    /// It is a member of one.
    Archive,
}

enum Problem {
    /// What the system said.
    System(io::Error),
    /// A damaged archive.
    Archive(oxide_archive::Error),
}

/// Looks into something by its first bytes.
fn look(mut reader: impl Read + Send, name: &str, at: Within) -> Result<Option<Files>, Problem> {
    let mut first = Vec::new();
    let read = reader.by_ref().take(MAGIC as u64).read_to_end(&mut first);
    if let Err(error) = read {
        // Whoever reads the member to its end meets the same again.
        return if at == Within::Archive { Ok(None) } else { Err(Problem::System(error)) };
    }
    let is_gzip = first.starts_with(&GZIP);
    let is_image = first == phase2::MAGIC.to_le_bytes();
    let whole = io::Cursor::new(first).chain(reader);
    match (is_gzip, is_image, at) {
        (true, _, Within::Target) => members(whole, name, at).map(Some),
        (true, _, Within::Archive) => Ok(members(whole, name, at).ok()),
        (_, true, _) => pool(whole).map_err(Problem::System),
        _ => Ok(None),
    }
}

/// The members of a tar archive, and what is in those of a target's.
fn members(reader: impl Read + Send, name: &str, at: Within) -> Result<Files, Problem> {
    let mut archive = oxide_archive::open_stream(reader, name).map_err(Problem::Archive)?;
    let mut files = Files::new();
    while let Some(member) = archive.next_member().map_err(Problem::Archive)? {
        let path = printable(&member.name);
        let mut data = Data { archive: &mut archive, sha256: sha2::Sha256::new(), failed: None };
        if at == Within::Target && member.kind == MemberKind::File {
            let inner = look(&mut data, &path, Within::Archive)?.unwrap_or_default();
            files.extend(
                inner.into_iter().map(|(below, found)| (format!("{path}: {below}"), found)),
            );
        }
        let drained = io::copy(&mut data, &mut io::sink());
        let Data { sha256, failed, .. } = data;
        if let Some(error) = failed {
            return Err(Problem::Archive(error));
        }
        drained.map_err(Problem::System)?;
        let link = match &member.kind {
            MemberKind::Symlink { target } | MemberKind::Hardlink { target } => target.clone(),
            MemberKind::CharacterDevice(device) | MemberKind::BlockDevice(device) => {
                format!("{}, {}", device.major, device.minor).into_bytes()
            }
            _ => Vec::new(),
        };
        let found = Found {
            kind: member.kind.word(),
            link,
            mode: member.metadata.mode,
            owner: (member.metadata.uid, member.metadata.gid),
            contents: Digest(sha256.finalize().into()),
        };
        files.insert(path, found);
    }
    Ok(files)
}

/// The data of the member that was just met, hashed as they are read.
struct Data<'a, R> {
    archive: &'a mut TarReader<R>,
    sha256: sha2::Sha256,
    failed: Option<oxide_archive::Error>,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.archive.read_data(buffer) {
            Ok(count) => {
                self.sha256.update(&buffer[..count]);
                Ok(count)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }
}

/// The files of a phase-2 image's pool; none when it has none that can be read.
fn pool(mut reader: impl Read) -> io::Result<Option<Files>> {
    let mut block = [0; HEADER_SIZE];
    let Ok(header) = reader
        .read_exact(&mut block)
        .map_err(|error| error.to_string())
        .and_then(|()| Header::decode(&block))
    else {
        return Ok(None);
    };
    if header.image_size > LARGEST {
        return Ok(None);
    }
    let mut file = tempfile::tempfile()?;
    let data = BufReader::with_capacity(256 << 10, reader.take(header.data_size));
    let spooled = match header.compressed {
        true => spool(gzip::ZlibReader::new(data).take(header.image_size), &mut file)?,
        false => spool(data, &mut file)?,
    };
    if !spooled {
        return Ok(None);
    }
    let mut files = Files::new();
    match datasets(file, header.image_size, &mut files) {
        Ok(()) => Ok(Some(files)),
        // What is no pool, or a damaged one: its contents differ, more cannot be said.
        Err(zpool_image::Error::Io { source, .. }) if source.kind() != io::ErrorKind::Other => {
            Err(source)
        }
        Err(_) => Ok(None),
    }
}

/// Copies to a file; false when the data are damaged.
fn spool(mut data: impl Read, file: &mut File) -> io::Result<bool> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => file.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(false),
        }
    }
}

fn datasets(file: File, size: u64, files: &mut Files) -> Result<(), zpool_image::Error> {
    let image = Image::open_part(file, Path::new("the image"), 0, size)?;
    let names: Vec<String> = image.datasets().map(str::to_owned).collect();
    // A snapshot repeats what a dataset has.
    for name in names.iter().filter(|name| !name.contains('@')) {
        let mut dataset = image.dataset(name)?;
        for (path, entry) in dataset.manifest()?.iter() {
            let mut sha256 = sha2::Sha256::new();
            let link = match &entry.kind {
                Kind::File(_) => {
                    let mut contents = dataset.file(path)?;
                    let mut buffer = vec![0; 128 << 10];
                    loop {
                        match contents.read(&mut buffer) {
                            Ok(0) => break,
                            Ok(count) => sha256.update(&buffer[..count]),
                            Err(source) => {
                                return Err(zpool_image::Error::Io {
                                    doing: "read",
                                    path: path.to_string().into(),
                                    source,
                                });
                            }
                        }
                    }
                    Vec::new()
                }
                Kind::Symlink { target } => target.to_vec(),
                Kind::Hardlink { target } => target.to_string().into_bytes(),
                Kind::CharacterDevice(device) | Kind::BlockDevice(device) => {
                    format!("{}, {}", device.major, device.minor).into_bytes()
                }
                _ => Vec::new(),
            };
            let found = Found {
                kind: entry.kind.word(),
                link,
                mode: entry.metadata.mode,
                owner: (entry.metadata.uid, entry.metadata.gid),
                contents: Digest(sha256.finalize().into()),
            };
            files.insert(format!("{name}: {}", printable(path.to_string().as_bytes())), found);
        }
    }
    Ok(())
}

/// A path as text for a terminal.
fn printable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.escape_debug().to_string(),
        Err(_) => name.escape_ascii().to_string(),
    }
}
