//! Reads a zip by its central directory, and says everything about it that is not plain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use rustix::io::Errno;

use super::{
    CENTRAL, CENTRAL_LENGTH, DESCRIPTOR, END, END_LENGTH, EXTRA_TIME, LOCAL, LOCAL_LENGTH,
};
use crate::names::check_name;
use crate::problem::{Findings, ProblemId};

/// Deflate cannot do better than about 1032 to 1.
const RATIO: u64 = 1100;
/// The largest central directory that is read: 65,535 entries with long names.
const DIRECTORY_LIMIT: u64 = 64 << 20;
/// Flags that may be set: compression level hints, data descriptor, UTF-8 name.
const FLAGS: u16 = 0b1000_0000_1110;
const FLAG_DESCRIPTOR: u16 = 1 << 3;

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
    flags: u16,
    pub(crate) crc32: u32,
    /// Bytes that it takes in the zip.
    pub(crate) stored: u64,
    /// Where its local header is.
    pub(crate) header: u64,
    data: u64,
    version: u16,
    time: u32,
    unix_time: Option<(u8, u32)>,
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
}

impl Archive {
    /// Reads the directory and all local headers. Entries about which something is wrong are
    /// reported and left out. `None` when the directory itself cannot be read.
    pub(crate) fn open(file: File, findings: &mut Findings) -> io::Result<Option<Self>> {
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

    /// Appends an entry's data in its stored form to a file, without looking at it. The system
    /// copies, where it can.
    ///
    /// # Errors
    ///
    /// The system's, and an unexpected end when the zip became shorter meanwhile.
    pub(crate) fn copy_stored(&self, entry: &Entry, out: &mut File) -> io::Result<()> {
        let Place::Zip(file) = &self.place else {
            return Err(io::Error::other("only entries of a zip have a stored form"));
        };
        let (mut at, end) = (entry.data, entry.data + entry.stored);
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
            match rustix::fs::copy_file_range(file, Some(&mut at), &*out, None, most) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                // Not on this system, or not between these two file systems.
                Err(Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => {
                    return copy_by_hand(file, at, end, out);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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

fn copy_by_hand(file: &File, at: u64, end: u64, out: &mut File) -> io::Result<()> {
    let mut section = Section { from: Held::Zip(file), at, left: end - at };
    let copied = io::copy(&mut section, out)?;
    if copied == end - at { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
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

/// Little-endian fields of a header that is known to be long enough.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// Where the central directory starts, and the entries it lists with whether they are plain so far
/// and their records.
type Listing = (u64, Vec<(Entry, bool, Vec<u8>)>);

fn directory(file: &File, length: u64, findings: &mut Findings) -> io::Result<Option<Listing>> {
    const ARCHIVE: &str = "the archive";
    let mut refuse = |id, reason: String| {
        findings.problem(id, ARCHIVE, reason);
        Ok(None)
    };
    let Some(end_at) = length.checked_sub(END_LENGTH as u64) else {
        return refuse(ProblemId::ZipEnd, format!("a file of {length} bytes is no zip"));
    };
    let mut end = [0; END_LENGTH];
    file.read_exact_at(&mut end, end_at)?;
    let end = Fields(&end);
    if end.u32(0) != END {
        return refuse(
            ProblemId::ZipEnd,
            "its last 22 bytes are no end record: it is no zip, is cut off, or has a comment or \
             other bytes behind it"
                .to_owned(),
        );
    }
    if end.u16(20) != 0 {
        return refuse(ProblemId::ZipEnd, "its end record announces a comment".to_owned());
    }
    let (count, size, start) = (end.u16(10), u64::from(end.u32(12)), u64::from(end.u32(16)));
    if end.u16(4) != 0 || end.u16(6) != 0 || end.u16(8) != count {
        return refuse(ProblemId::ZipUnsupported, "it spans several disks".to_owned());
    }
    if count == u16::MAX || size == u64::from(u32::MAX) || start == u64::from(u32::MAX) {
        return refuse(ProblemId::ZipUnsupported, "it is a zip64 archive".to_owned());
    }
    if start + size != end_at || size > DIRECTORY_LIMIT {
        return refuse(
            ProblemId::ZipDirectory,
            format!(
                "its central directory should be bytes {start} to {} and the end record follows at \
                 {end_at}: bytes are missing or were put in",
                start + size
            ),
        );
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, start)?;
    let mut rest = &bytes[..];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        if rest.len() < CENTRAL_LENGTH || Fields(rest).u32(0) != CENTRAL {
            return refuse(
                ProblemId::ZipDirectory,
                format!("its central directory is damaged after {} entries", entries.len()),
            );
        }
        let fields = Fields(rest);
        let lengths = [fields.u16(28), fields.u16(30), fields.u16(32)].map(usize::from);
        let whole = CENTRAL_LENGTH + lengths.iter().sum::<usize>();
        if rest.len() < whole {
            return refuse(
                ProblemId::ZipDirectory,
                format!("its central directory is cut off in entry {}", entries.len() + 1),
            );
        }
        let (name, after) = rest[CENTRAL_LENGTH..whole].split_at(lengths[0]);
        let fields = Fields(&rest[..CENTRAL_LENGTH]);
        entries.push((name, fields, &after[..lengths[1]], &rest[..whole]));
        rest = &rest[whole..];
    }
    if entries.len() != usize::from(count) {
        return refuse(
            ProblemId::ZipDirectory,
            format!("its end record counts {count} entries, its directory has {}", entries.len()),
        );
    }
    let listed = entries
        .into_iter()
        .map(|(name, fields, extra, record)| {
            let (entry, plain) = central_header(name, &fields, extra, findings);
            (entry, plain, record.to_vec())
        })
        .collect();
    Ok(Some((start, listed)))
}

fn central_header(
    name: &[u8],
    fields: &Fields<'_>,
    extra: &[u8],
    findings: &mut Findings,
) -> (Entry, bool) {
    let name = String::from_utf8(name.to_vec()).unwrap_or_else(|_| name.escape_ascii().to_string());
    let before = findings.problems.len();
    let mut refuse = |id, reason: String| findings.problem(id, name.clone(), reason);

    if let Err(reason) = check_name(&name) {
        // A folder entry is better called a folder than a bad name.
        match name.strip_suffix('/') {
            Some(_) => refuse(ProblemId::ZipType, "a folder entry; only files belong here".into()),
            None => refuse(ProblemId::ZipName, reason),
        }
    } else if !["repo/metadata/", "repo/targets/"].iter().any(|place| name.starts_with(place)) {
        refuse(ProblemId::ZipName, "lies outside repo/metadata/ and repo/targets/".into());
    }
    let flags = fields.u16(8);
    if flags & 1 != 0 {
        refuse(ProblemId::ZipHeader, "is encrypted".into());
    } else if flags & !FLAGS != 0 {
        refuse(ProblemId::ZipHeader, format!("has the unknown flags {:#06x}", flags & !FLAGS));
    }
    if fields.u16(6) & 0xff > 20 {
        refuse(ProblemId::ZipHeader, format!("needs zip version {}", fields.u16(6) & 0xff));
    }
    if fields.u16(32) != 0 {
        refuse(ProblemId::ZipHeader, "has a comment".into());
    }
    if fields.u16(34) != 0 {
        refuse(ProblemId::ZipUnsupported, "lies on another disk".into());
    }
    // Of the DOS attributes, read-only and archive say nothing; the folder bit is looked at below.
    let odd = fields.u16(36) > 1 || fields.u16(38) & !0x31 != 0;
    if odd || ![0, 3].contains(&(fields.u16(4) >> 8)) {
        refuse(ProblemId::ZipHeader, "has attributes of an unknown kind".into());
    }
    let unix_time = check_extra(extra).unwrap_or_else(|reason| {
        refuse(ProblemId::ZipHeader, reason);
        None
    });
    let attributes = fields.u32(38);
    let kind = (attributes >> 16) & 0o170_000;
    if attributes & 0x10 != 0 || kind == 0o040_000 {
        refuse(ProblemId::ZipType, "a folder entry; only files belong here".into());
    } else if kind == 0o120_000 {
        refuse(ProblemId::ZipType, "a symlink; only files belong here".into());
    } else if kind != 0 && kind != 0o100_000 {
        refuse(ProblemId::ZipType, format!("of file type {kind:#o}; only files belong here"));
    } else if (attributes >> 16) & 0o7000 != 0 {
        refuse(ProblemId::ZipType, "a setuid, setgid or sticky file".into());
    }
    let method = fields.u16(10);
    let (stored, size) = (u64::from(fields.u32(20)), u64::from(fields.u32(24)));
    match method {
        0 if stored != size => refuse(
            ProblemId::ZipSize,
            format!("is stored and yet has two sizes, {stored} and {size} bytes"),
        ),
        8 if size > stored.saturating_mul(RATIO) + RATIO => refuse(
            ProblemId::ZipSize,
            format!("claims {size} bytes from {stored}, more than deflate can do"),
        ),
        0 | 8 => {}
        other => refuse(ProblemId::ZipMethod, format!("is compressed by method {other}")),
    }
    let header = u64::from(fields.u32(42));
    let entry = Entry {
        name,
        size,
        method,
        flags,
        crc32: fields.u32(16),
        stored,
        header,
        data: 0,
        version: fields.u16(6),
        time: fields.u32(12),
        unix_time,
    };
    (entry, findings.problems.len() == before)
}

/// Which times there are and the modification time in an extra field, which may hold nothing else.
fn check_extra(mut extra: &[u8]) -> Result<Option<(u8, u32)>, String> {
    let mut time = None;
    while !extra.is_empty() {
        if extra.len() < 4 {
            return Err("has a broken extra field".to_owned());
        }
        let (id, length) = (Fields(extra).u16(0), usize::from(Fields(extra).u16(2)));
        if extra.len() < 4 + length {
            return Err("has a broken extra field".to_owned());
        }
        match id {
            EXTRA_TIME
                if time.is_none()
                    && [5, 9, 13].contains(&length)
                    && [1, 3, 5, 7].contains(&extra[4]) =>
            {
                time = Some((extra[4], Fields(extra).u32(5)));
            }
            1 => return Err("has zip64 sizes".to_owned()),
            other => {
                return Err(format!("has an extra field {other:#06x} that nothing here needs"));
            }
        }
        extra = &extra[4 + length..];
    }
    Ok(time)
}

/// Compares the local header, finds the data, and notes which bytes the entry takes.
fn local_header(
    file: &File,
    entry: &mut Entry,
    directory: u64,
    extents: &mut Vec<(u64, u64, String)>,
    findings: &mut Findings,
) -> io::Result<bool> {
    let name = entry.name.clone();
    let mut refuse = |id, reason: String| {
        findings.problem(id, name.clone(), reason);
        Ok(false)
    };
    if entry.header + LOCAL_LENGTH as u64 > directory {
        return refuse(ProblemId::ZipOverlap, "lies in the central directory or behind it".into());
    }
    let mut local = [0; LOCAL_LENGTH];
    file.read_exact_at(&mut local, entry.header)?;
    let local = Fields(&local);
    if local.u32(0) != LOCAL {
        return refuse(
            ProblemId::ZipLocal,
            format!("has no local header at byte {}", entry.header),
        );
    }
    let (name_length, extra_length) = (local.u16(26), local.u16(28));
    let head = LOCAL_LENGTH as u64 + u64::from(name_length) + u64::from(extra_length);
    entry.data = entry.header + head;
    if entry.data + entry.stored > directory {
        return refuse(ProblemId::ZipOverlap, "reaches into the central directory".into());
    }
    let mut tail = vec![0; usize::from(name_length) + usize::from(extra_length)];
    file.read_exact_at(&mut tail, entry.header + LOCAL_LENGTH as u64)?;
    let (local_name, extra) = tail.split_at(usize::from(name_length));
    let mut end = entry.data + entry.stored;
    let mut wrong = Vec::new();
    if local_name != entry.name.as_bytes() {
        wrong.push(format!("the name {:?}", local_name.escape_ascii().to_string()));
    }
    if local.u16(6) != entry.flags {
        wrong.push(format!("other flags ({:#06x})", local.u16(6)));
    }
    if local.u16(8) != entry.method {
        wrong.push(format!("method {}", local.u16(8)));
    }
    match check_extra(extra) {
        Err(reason) => wrong.push(format!("an extra field that {reason}")),
        Ok(time) if time.is_some() && entry.unix_time.is_some() && time != entry.unix_time => {
            wrong.push("another time".to_owned());
        }
        Ok(_) => {}
    }
    if local.u32(10) != entry.time {
        wrong.push("another time".to_owned());
    }
    if local.u16(4) != entry.version {
        wrong.push("another version".to_owned());
    }
    let sizes = (local.u32(14), u64::from(local.u32(18)), u64::from(local.u32(22)));
    let expected = (entry.crc32, entry.stored, entry.size);
    if entry.flags & FLAG_DESCRIPTOR == 0 {
        if sizes != expected {
            wrong.push("another CRC-32 or size".to_owned());
        }
    } else {
        if sizes != expected && sizes != (0, 0, 0) {
            wrong.push("another CRC-32 or size".to_owned());
        }
        match descriptor(file, end, directory, expected)? {
            Some(length) => end += length,
            None => wrong.push("a data descriptor that says otherwise".to_owned()),
        }
    }
    extents.push((entry.header, end, entry.name.clone()));
    if wrong.is_empty() {
        return Ok(true);
    }
    refuse(ProblemId::ZipLocal, format!("its local header has {}", wrong.join(" and ")))
}

/// The length of the data descriptor at `at`, if it says what is expected.
fn descriptor(
    file: &File,
    at: u64,
    limit: u64,
    expected: (u32, u64, u64),
) -> io::Result<Option<u64>> {
    let (crc32, stored, size) = expected;
    let mut wanted = Vec::with_capacity(16);
    wanted.extend(DESCRIPTOR.to_le_bytes());
    wanted.extend(crc32.to_le_bytes());
    wanted.extend((stored as u32).to_le_bytes());
    wanted.extend((size as u32).to_le_bytes());
    for form in [&wanted[..], &wanted[4..]] {
        let length = form.len() as u64;
        if at + length <= limit {
            let mut there = vec![0; form.len()];
            file.read_exact_at(&mut there, at)?;
            if there == form {
                return Ok(Some(length));
            }
        }
    }
    Ok(None)
}

/// The entries must cover the file from its first byte to the directory, each byte once.
fn check_extents(mut extents: Vec<(u64, u64, String)>, directory: u64, findings: &mut Findings) {
    extents.sort();
    let mut at = 0;
    let mut before = "the start of the archive".to_owned();
    for (from, to, name) in extents {
        if from < at {
            findings.problem(
                ProblemId::ZipOverlap,
                name.clone(),
                format!("shares bytes with {before}"),
            );
        } else if from > at {
            let reason =
                format!("{} bytes between {before} and this entry belong to nothing", from - at);
            findings.problem(ProblemId::ZipGap, name.clone(), reason);
        }
        if to > at {
            at = to;
            before = name;
        }
    }
    if at < directory {
        let reason =
            format!("{} bytes before the central directory belong to nothing", directory - at);
        findings.problem(ProblemId::ZipGap, before, reason);
    }
}

pub(super) fn check_names(entries: &[Entry], findings: &mut Findings) {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries {
        if let Some(other) = folded.insert(entry.name.to_ascii_lowercase(), &entry.name) {
            let reason = if other == entry.name {
                "is there twice".to_owned()
            } else {
                format!("differs from {other} in case only")
            };
            findings.problem(ProblemId::ZipDuplicate, entry.name.clone(), reason);
        }
    }
    for entry in entries {
        for (at, _) in entry.name.match_indices('/') {
            if let Some(file) = folded.get(&entry.name[..at].to_ascii_lowercase()) {
                let reason = format!("{file} is a file and cannot also be a folder");
                findings.problem(ProblemId::ZipDuplicate, entry.name.clone(), reason);
            }
        }
    }
}
