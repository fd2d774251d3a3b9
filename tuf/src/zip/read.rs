//! Reads a zip by its central directory, and says everything about it that is not plain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::headers::{check_extents, check_names, directory, local_header};
use crate::problem::Findings;
use flate2::bufread::DeflateDecoder;

/// An open zip, or a directory that stands for one, with its sound entries.
#[derive(Debug)]
pub(crate) struct Archive {
    place: Place,
    entries: BTreeMap<String, Entry>,
    /// Every entry's record of the central directory, in its order.
    records: Vec<(String, Vec<u8>)>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Place {
    Zip(File),
    /// Files below a directory, by their names without a prefix.
    Directory(PathBuf, &'static str),
}

/// One file in a zip.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Bytes of its contents.
    pub(crate) size: u64,
    /// 0 for stored, 8 for deflated.
    pub(crate) method: u16,
    pub(super) flags: u16,
    pub(crate) crc32: u32,
    /// Bytes that it takes in the zip.
    pub(crate) stored: u64,
    /// Where its local header is.
    pub(crate) header: u64,
    /// Where its data are.
    pub(super) data: u64,
    pub(super) version: u16,
    pub(super) time: u32,
    pub(super) unix_time: Option<(u8, u32)>,
}

impl Entry {
    /// A file of a directory.
    pub(super) fn of_file(name: String, size: u64) -> Self {
        Self {
            name,
            size,
            method: 0,
            flags: 0,
            crc32: 0,
            stored: size,
            header: 0,
            data: 0,
            version: 0,
            time: 0,
            unix_time: None,
        }
    }

    /// The pieces in which its stored form is copied, as ranges of the zip. They end where blocks
    /// do, which file systems that share blocks between files ask for.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let end = self.data + self.stored;
        let next = move |piece: &Range<u64>| {
            (piece.end < end).then(|| piece.end..end.min(piece.end + PIECE))
        };
        let first = self.data..end.min(self.data.next_multiple_of(PIECE));
        std::iter::successors(Some(first), next).filter(|piece| !piece.is_empty())
    }
}

/// Bytes that one thread copies at a time.
const PIECE: u64 = 16 << 20;

impl Archive {
    /// Opens a zip, or a directory that stands for one. `None` when a zip's directory cannot be
    /// read.
    pub(crate) fn open(path: &Path, findings: &mut Findings) -> io::Result<Option<Self>> {
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            Self::open_directory(path, findings).map(Some)
        } else if kind.is_file() {
            Self::open_zip(File::open(path)?, findings)
        } else {
            Err(io::Error::other("it is neither a regular file nor a directory"))
        }
    }

    /// Reads the directory and all local headers. Entries about which something is wrong are
    /// reported and left out. `None` when the directory itself cannot be read.
    pub(crate) fn open_zip(file: File, findings: &mut Findings) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let Some((start, listed)) = directory(&file, length, findings)? else { return Ok(None) };
        let mut records = Vec::new();
        let mut extents = Vec::new();
        let mut sound = Vec::new();
        for (mut entry, mut plain, record) in listed {
            records.push((entry.name.clone(), record));
            plain &= local_header(&file, &mut entry, start, &mut extents, findings)?;
            if plain {
                sound.push(entry);
            }
        }
        check_extents(extents, start, findings);
        check_names(&sound, findings);
        let mut entries = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for entry in sound {
            if let Some(other) = entries.insert(entry.name.clone(), entry) {
                twice.insert(other.name);
            }
        }
        // Which of two is meant is unknowable: neither is read.
        entries.retain(|name, _| !twice.contains(name));
        Ok(Some(Self { place: Place::Zip(file), entries, records }))
    }

    /// Files below a directory, which have the names of entries without `prefix`.
    pub(super) fn of_directory(
        directory: PathBuf,
        prefix: &'static str,
        entries: BTreeMap<String, Entry>,
    ) -> Self {
        Self { place: Place::Directory(directory, prefix), entries, records: Vec::new() }
    }

    /// Where the last entries begin, if all that `is_last` names are behind all others; with the
    /// directory's records of the others. Only good for an archive without problems.
    pub(crate) fn split(&self, is_last: impl Fn(&str) -> bool) -> Option<(u64, Vec<Vec<u8>>)> {
        let (last, others): (Vec<&Entry>, Vec<&Entry>) =
            self.entries.values().partition(|entry| is_last(&entry.name));
        let at = last.iter().map(|entry| entry.header).min()?;
        let is_zip = matches!(self.place, Place::Zip(_));
        if !is_zip || others.iter().any(|entry| entry.header > at) {
            return None;
        }
        let kept = self.records.iter().filter(|(name, _)| !is_last(name));
        Some((at, kept.map(|(_, record)| record.clone()).collect()))
    }

    /// The sound entries by name.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// Reads an entry, handing its bytes to `sink`, and checks length and CRC-32.
    ///
    /// The inner error is what is wrong with the entry, the outer what the system said.
    pub(crate) fn stream(
        &self,
        entry: &Entry,
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<Result<(), String>> {
        let mut crc32 = crc32fast::Hasher::new();
        let mut length = 0;
        let mut reader = self.reader(entry);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if is_data_error(&error) => {
                    return Ok(Err(format!(
                        "the compressed data is damaged after {length} bytes: {error}"
                    )));
                }
                Err(error) => return Err(error),
            };
            length += read as u64;
            if length > entry.size {
                return Ok(Err(format!(
                    "the data is longer than the {} bytes it should be",
                    entry.size
                )));
            }
            crc32.update(&buffer[..read]);
            sink(&buffer[..read]);
        }
        if length != entry.size {
            return Ok(Err(format!(
                "the data is {length} bytes long and should be {}",
                entry.size
            )));
        }
        let unused = reader.unused()?;
        if unused > 0 {
            return Ok(Err(format!("{unused} bytes follow the end of the compressed data")));
        }
        let crc32 = crc32.finalize();
        if crc32 != entry.crc32 && matches!(self.place, Place::Zip(_)) {
            return Ok(Err(format!("the CRC-32 is {crc32:08x} and should be {:08x}", entry.crc32)));
        }
        Ok(Ok(()))
    }

    /// Copies a piece of an entry's stored form to a place in a file, without looking at it. The
    /// system copies, where it can do more than that: share blocks, or have a server copy.
    ///
    /// # Errors
    ///
    /// The system's, and an unexpected end when the zip became shorter meanwhile.
    pub(super) fn copy_piece(&self, piece: Range<u64>, out: &File, mut to: u64) -> io::Result<()> {
        let Place::Zip(file) = &self.place else {
            return Err(io::Error::other("only entries of a zip have a stored form"));
        };
        let done = match is_plain(file) {
            true => 0,
            false => copy_by_system(file, &piece, out, to)?,
        };
        to += done;
        copy_by_hand(file, piece.start + done..piece.end, out, to)
    }

    /// A reader of an entry's contents that checks nothing; for looking at the first bytes. What
    /// cannot be opened is an error of the first read.
    pub(crate) fn reader(&self, entry: &Entry) -> EntryReader<'_> {
        let from = match &self.place {
            Place::Zip(file) => Held::Zip(file),
            Place::Directory(directory, prefix) => {
                let path = entry.name.strip_prefix(prefix).unwrap_or(&entry.name);
                Held::File(open_file(&directory.join(path)))
            }
        };
        let section = BufReader::with_capacity(
            256 << 10,
            Section { from, at: entry.data, left: entry.stored },
        );
        match entry.method {
            0 => EntryReader::Stored(section),
            _ => EntryReader::Deflated(DeflateDecoder::new(section)),
        }
    }
}

/// Opens a file of a directory that was a plain file a moment ago.
fn open_file(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    // What took its place meanwhile is not followed, and not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no plain file any more")),
    }
}

/// Has the system copy a part of a file, and says how many bytes it did.
#[cfg(target_os = "linux")]
fn copy_by_system(file: &File, piece: &Range<u64>, out: &File, mut to: u64) -> io::Result<u64> {
    let mut at = piece.start;
    while at < piece.end {
        let most = usize::try_from(piece.end - at).unwrap_or(usize::MAX);
        use rustix::io::Errno;
        match rustix::fs::copy_file_range(file, Some(&mut at), out, Some(&mut to), most) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            // Not on this system, or not between these two file systems.
            Err(Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at - piece.start)
}

/// illumos has no such call.
#[cfg(not(target_os = "linux"))]
fn copy_by_system(_: &File, _: &Range<u64>, _: &File, _: u64) -> io::Result<u64> {
    Ok(0)
}

/// Whether a file is in memory or on ext4, where the system can only copy, which it does with the
/// written file locked. By hand reading is done outside of that lock, so that two threads are faster.
#[cfg(target_os = "linux")]
fn is_plain(file: &File) -> bool {
    const MEMORY: i64 = 0x0102_1994;
    const EXT: i64 = 0xef53;
    rustix::fs::fstatfs(file).is_ok_and(|system| [MEMORY, EXT].contains(&system.f_type))
}

#[cfg(not(target_os = "linux"))]
fn is_plain(_: &File) -> bool {
    true
}

fn copy_by_hand(file: &File, piece: Range<u64>, out: &File, mut to: u64) -> io::Result<()> {
    let Range { start: at, end } = piece;
    let mut section = Section { from: Held::Zip(file), at, left: end - at };
    let mut buffer = vec![0; 256 << 10];
    while section.left > 0 {
        match section.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                out.write_all_at(&buffer[..read], to)?;
                to += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_data_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// The contents of an entry.
pub(crate) enum EntryReader<'a> {
    Stored(BufReader<Section<'a>>),
    Deflated(DeflateDecoder<BufReader<Section<'a>>>),
}

impl EntryReader<'_> {
    /// Bytes of the stored form that were not needed.
    fn unused(&mut self) -> io::Result<u64> {
        let section = match self {
            Self::Stored(reader) => reader,
            Self::Deflated(decoder) => decoder.get_mut(),
        };
        let buffered = section.fill_buf()?.len() as u64;
        Ok(buffered + section.get_ref().left)
    }
}

impl Read for EntryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(reader) => reader.read(buffer),
            Self::Deflated(decoder) => decoder.read(buffer),
        }
    }
}

/// A part of a file, read by position so that several can be read at once.
pub(crate) struct Section<'a> {
    from: Held<'a>,
    at: u64,
    left: u64,
}

/// The zip, or the file that stands for an entry.
enum Held<'a> {
    Zip(&'a File),
    File(io::Result<File>),
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.from {
            Held::Zip(file) => *file,
            Held::File(Ok(file)) => file,
            Held::File(failed) => {
                let gone = Err(io::ErrorKind::NotFound.into());
                return std::mem::replace(failed, gone).map(|_| 0);
            }
        };
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_of_an_entry_and_end_where_blocks_do() {
        for (data, stored) in [
            (0, 0),
            (7, 0),
            (0, PIECE),
            (PIECE, PIECE),
            (PIECE - 1, 1),
            (PIECE - 1, 2),
            (99, 3 * PIECE),
        ] {
            let entry = Entry { data, stored, ..Entry::of_file("an entry".to_owned(), stored) };
            let pieces: Vec<_> = entry.pieces().collect();
            let mut at = data;
            for piece in &pieces {
                assert_eq!(piece.start, at);
                assert!(piece.end > at && piece.end - at <= PIECE, "{piece:?}");
                at = piece.end;
                assert!(at % PIECE == 0 || at == data + stored, "{piece:?}");
            }
            assert_eq!(at, data + stored);
        }
    }

    #[test]
    fn both_ways_of_copying_give_the_same_or_say_that_the_file_is_short() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let copied = |by_system: bool, piece: Range<u64>| -> io::Result<Vec<u8>> {
            let out = tempfile::tempfile()?;
            let done = match by_system {
                true => copy_by_system(&file, &piece, &out, 3)?,
                false => 0,
            };
            copy_by_hand(&file, piece.start + done..piece.end, &out, 3 + done)?;
            let mut back = vec![0; (piece.end - piece.start) as usize];
            out.read_exact_at(&mut back, 3)?;
            assert_eq!(out.metadata()?.len(), 3 + piece.end - piece.start);
            Ok(back)
        };
        for by_system in [true, false] {
            assert!(copied(by_system, 5..650_001).unwrap() == bytes[5..650_001]);
            let error = copied(by_system, 699_999..700_001).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
