//! The headers of a zip, and everything about them that is not plain.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::read::Entry;
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

pub(super) fn directory(
    file: &File,
    length: u64,
    findings: &mut Findings,
) -> io::Result<Option<Listing>> {
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
pub(super) fn local_header(
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
pub(super) fn check_extents(
    mut extents: Vec<(u64, u64, String)>,
    directory: u64,
    findings: &mut Findings,
) {
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
