//! Writes a zip to a file, front to back, patching sizes into the local headers at the end.
//!
//! Entries of other zips, whose lengths are known, only get their place at first: their bytes are
//! copied by several threads beside what is compressed or hashed next.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::{Archive, CENTRAL, END, EXTRA_TIME, Entry, LIMIT, LOCAL, LOCAL_LENGTH, Streamed};
use crate::compression::Method;

/// A zip being written. All entries get one time and the mode 0644.
pub(crate) struct Writer {
    file: BufWriter<Place>,
    offset: u64,
    /// What has its place in the file and is not copied there yet.
    pending: Vec<Pending>,
    /// Where in the archive the file begins, and the directory's records of what is before.
    before: (u64, Vec<Vec<u8>>),
    stamp: Stamp,
    entries: Vec<Written>,
}

struct Written {
    name: String,
    method: Method,
    header: u64,
    streamed: Streamed,
    /// Whether the local header has another name yet.
    renamed: bool,
}

/// Where in a file is written next.
struct Place {
    file: File,
    at: u64,
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The stored form of another zip's entry, and where in the file it belongs.
struct Pending {
    archive: Arc<Archive>,
    entry: Entry,
    to: u64,
}

/// Copies what is pending on as many threads as there are.
fn copy(pending: &[Pending], file: &File) -> io::Result<()> {
    let pieces: Vec<_> =
        pending.iter().flat_map(|one| one.entry.pieces().map(move |piece| (one, piece))).collect();
    pieces.into_par_iter().with_max_len(1).try_for_each(|(one, piece)| {
        let to = one.to + (piece.start - one.entry.data);
        one.archive.copy_piece(piece, file, to)
    })
}

/// The one time of all entries, as the zip wants it.
#[derive(Clone, Copy)]
struct Stamp {
    dos_time: u16,
    dos_date: u16,
    unix: Option<i32>,
}

impl Stamp {
    fn new(time: Timestamp) -> Self {
        let utc = TimeZone::UTC.to_datetime(time);
        // What DOS cannot say is its first or last second; the extra field has the truth.
        let (dos_time, dos_date) = match utc.year() {
            year @ 1980..=2107 => {
                let field = |value: i8, shift: u32| (value as u16) << shift;
                let time =
                    field(utc.hour(), 11) | field(utc.minute(), 5) | field(utc.second() / 2, 0);
                let date = (year as u16 - 1980) << 9 | field(utc.month(), 5) | field(utc.day(), 0);
                (time, date)
            }
            year if year < 1980 => (0, 0x0021),
            _ => (0xbf7d, 0xff9f),
        };
        Self { dos_time, dos_date, unix: i32::try_from(time.as_second()).ok() }
    }

    fn extra(&self) -> Vec<u8> {
        let Some(unix) = self.unix else { return Vec::new() };
        let mut extra = Vec::with_capacity(9);
        extra.extend(EXTRA_TIME.to_le_bytes());
        extra.extend(5_u16.to_le_bytes());
        extra.push(1); // only the modification time
        extra.extend(unix.to_le_bytes());
        extra
    }
}

impl Writer {
    /// Starts a zip in an empty file.
    pub(crate) fn new(file: File, time: Timestamp) -> Self {
        Self::behind(file, time, (0, Vec::new()))
    }

    /// Writes only what comes behind the first entries of an archive: the file begins at an offset
    /// of it, and the directory gets their records.
    pub(crate) fn behind(file: File, time: Timestamp, before: (u64, Vec<Vec<u8>>)) -> Self {
        Self {
            file: BufWriter::with_capacity(256 << 10, Place { file, at: 0 }),
            offset: before.0,
            pending: Vec::new(),
            before,
            stamp: Stamp::new(time),
            entries: Vec::new(),
        }
    }

    /// Writes one entry; `body` writes its contents in their stored form and says what they were.
    /// What is pending is copied meanwhile.
    pub(crate) fn entry(
        &mut self,
        name: &str,
        method: Method,
        body: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<Streamed> + Send,
    ) -> io::Result<Streamed> {
        let local = self.local_header(name, method)?;
        let pending = std::mem::take(&mut self.pending);
        let streamed = if pending.is_empty() {
            body(&mut self.file)?
        } else {
            let file = self.file.get_ref().file.try_clone()?;
            let out = &mut self.file;
            let (streamed, copied) = rayon::join(|| body(out), || copy(&pending, &file));
            copied.and(streamed)?
        };
        self.note(name, method, local, streamed)?;
        Ok(streamed)
    }

    /// Gives an entry of another zip its place; its stored form is copied there by and by.
    pub(crate) fn take_over(
        &mut self,
        name: &str,
        method: Method,
        streamed: Streamed,
        archive: &Arc<Archive>,
        entry: &Entry,
    ) -> io::Result<()> {
        let local = self.local_header(name, method)?;
        self.note(name, method, local, streamed)?;
        self.file.flush()?;
        let place = self.file.get_mut();
        let (archive, entry, to) = (archive.clone(), entry.clone(), place.at);
        place.at += streamed.stored;
        self.pending.push(Pending { archive, entry, to });
        Ok(())
    }

    /// Gives the last entry another name of the same length, for names that follow from contents.
    pub(crate) fn rename_last(&mut self, name: &str) {
        if let Some(entry) = self.entries.last_mut() {
            debug_assert_eq!(entry.name.len(), name.len());
            name.clone_into(&mut entry.name);
            entry.renamed = true;
        }
    }

    /// Writes a local header whose sizes are set at the end. Returns its length.
    fn local_header(&mut self, name: &str, method: Method) -> io::Result<usize> {
        let extra = self.stamp.extra();
        let mut local = Vec::with_capacity(LOCAL_LENGTH + name.len() + extra.len());
        local.extend(LOCAL.to_le_bytes());
        local.extend(20_u16.to_le_bytes()); // version needed
        self.common(&mut local, method, &Streamed::default());
        local.extend(length(name.len())?);
        local.extend(length(extra.len())?);
        local.extend(name.as_bytes());
        local.extend(&extra);
        self.file.write_all(&local)?;
        Ok(local.len())
    }

    /// Notes an entry that was written, for the directory.
    fn note(
        &mut self,
        name: &str,
        method: Method,
        local: usize,
        streamed: Streamed,
    ) -> io::Result<()> {
        if streamed.length > LIMIT || streamed.stored > LIMIT {
            return Err(too_large(format!("{name} is larger than 4 GiB")));
        }
        let header = self.offset;
        self.offset += local as u64 + streamed.stored;
        if self.offset > LIMIT {
            return Err(too_large(
                "the archive is larger than 4 GiB, more than a rack takes".into(),
            ));
        }
        self.entries.push(Written {
            name: name.to_owned(),
            method,
            header,
            streamed,
            renamed: false,
        });
        Ok(())
    }

    /// Writes the directory, patches the local headers, and syncs. Returns the file and its size.
    pub(crate) fn finish(mut self) -> io::Result<(File, u64)> {
        let extra = self.stamp.extra();
        let (base, records) = &self.before;
        let mut directory = records.concat();
        for entry in &self.entries {
            directory.extend(CENTRAL.to_le_bytes());
            directory.extend((3_u16 << 8 | 20).to_le_bytes()); // made by: Unix, 2.0
            directory.extend(20_u16.to_le_bytes());
            self.common(&mut directory, entry.method, &entry.streamed);
            directory.extend(length(entry.name.len())?);
            directory.extend(length(extra.len())?);
            directory.extend([0; 6]); // comment, disk, internal attributes
            directory.extend((0o100644_u32 << 16).to_le_bytes());
            directory.extend((entry.header as u32).to_le_bytes());
            directory.extend(entry.name.as_bytes());
            directory.extend(&extra);
        }
        let count = u16::try_from(records.len() + self.entries.len())
            .ok()
            .filter(|count| *count < u16::MAX)
            .ok_or_else(|| too_large("more than 65,534 entries".into()))?;
        let total = self.offset + directory.len() as u64 + super::END_LENGTH as u64;
        if total > LIMIT {
            return Err(too_large(
                "the archive is larger than 4 GiB, more than a rack takes".into(),
            ));
        }
        let mut end = Vec::with_capacity(super::END_LENGTH);
        end.extend(END.to_le_bytes());
        end.extend([0; 4]);
        end.extend(count.to_le_bytes());
        end.extend(count.to_le_bytes());
        end.extend((directory.len() as u32).to_le_bytes());
        end.extend((self.offset as u32).to_le_bytes());
        end.extend([0; 2]);
        self.file.write_all(&directory)?;
        self.file.write_all(&end)?;
        let Place { file, .. } = self.file.into_inner().map_err(|error| error.into_error())?;
        copy(&self.pending, &file)?;
        for entry in &self.entries {
            let mut sizes = [0; 12];
            sizes[..4].copy_from_slice(&entry.streamed.crc32.to_le_bytes());
            sizes[4..8].copy_from_slice(&(entry.streamed.stored as u32).to_le_bytes());
            sizes[8..].copy_from_slice(&(entry.streamed.length as u32).to_le_bytes());
            let header = entry.header - base;
            file.write_all_at(&sizes, header + 14)?;
            if entry.renamed {
                file.write_all_at(entry.name.as_bytes(), header + LOCAL_LENGTH as u64)?;
            }
        }
        file.sync_all()?;
        Ok((file, total))
    }

    /// The fields from the flags to the sizes, which both headers have in one order.
    fn common(&self, to: &mut Vec<u8>, method: Method, streamed: &Streamed) {
        to.extend(0_u16.to_le_bytes());
        to.extend(method.number().to_le_bytes());
        to.extend(self.stamp.dos_time.to_le_bytes());
        to.extend(self.stamp.dos_date.to_le_bytes());
        to.extend(streamed.crc32.to_le_bytes());
        to.extend((streamed.stored as u32).to_le_bytes());
        to.extend((streamed.length as u32).to_le_bytes());
    }
}

fn length(length: usize) -> io::Result<[u8; 2]> {
    u16::try_from(length).map(u16::to_le_bytes).map_err(|_| too_large("a name is too long".into()))
}

fn too_large(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}
