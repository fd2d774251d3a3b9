//! cpio in the old portable ASCII form (`odc`, magic `070707`): octal text fields, no alignment.
//!
//! POSIX.1-1988 describes it. Only regular files are written: the kernel's reader of boot archives
//! looks files up by their full names and knows no directories.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;

const HEADER: usize = 76;
const MAGIC: &[u8] = b"070707";
const TRAILER: &[u8] = b"TRAILER!!!";
/// The archive is filled up to a multiple of this.
const BLOCK: u64 = 512;
const SMALL: u64 = 0o777_777;
const LARGE: u64 = 0o77_777_777_777;
/// Longer names are refused by the reader; no path is that long.
const LONGEST_NAME: u64 = 1024;

/// A member: everything about it but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, without NUL.
    pub name: Vec<u8>,
    /// Inode number.
    pub inode: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Number of links.
    pub links: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: u64,
    /// Bytes of data.
    pub size: u64,
    /// Where its header begins.
    pub offset: u64,
}

/// Writes a cpio. Inode numbers count from 1, device numbers are 0.
pub struct Writer<W: Write> {
    output: W,
    mtime: u64,
    inode: u32,
    position: u64,
}

impl<W: Write> Writer<W> {
    /// A writer whose members all have one time, in seconds since the epoch.
    pub fn new(output: W, mtime: u64) -> Self {
        Self { output, mtime, inode: 0, position: 0 }
    }

    /// Writes a regular file. `data` must give exactly `size` bytes.
    pub fn file(
        &mut self,
        name: &[u8],
        metadata: &proto::Metadata,
        size: u64,
        mut data: impl Read,
    ) -> io::Result<()> {
        self.inode += 1;
        let member = Member {
            name: name.to_vec(),
            inode: self.inode,
            mode: 0o100_000 | metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            links: 1,
            mtime: self.mtime,
            size,
            offset: self.position,
        };
        self.header(&member)?;
        let copied = io::copy(&mut data.by_ref().take(size), &mut self.output)?;
        if copied != size || data.read(&mut [0])? != 0 {
            let problem = format!("the data do not have the {size} bytes that were announced");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        self.position += size;
        Ok(())
    }

    /// Writes the trailer and the padding, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.header(&Member {
            name: TRAILER.to_vec(),
            inode: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            links: 1,
            mtime: 0,
            size: 0,
            offset: self.position,
        })?;
        let padding = self.position.wrapping_neg() % BLOCK;
        self.output.write_all(&[0; BLOCK as usize][..padding as usize])?;
        Ok(self.output)
    }

    fn header(&mut self, member: &Member) -> io::Result<()> {
        let length = member.name.len() as u64 + 1;
        let mut header = MAGIC.to_vec();
        for (what, value, width, most) in [
            ("device", 0, 6, SMALL),
            ("inode", member.inode.into(), 6, SMALL),
            ("mode", member.mode.into(), 6, SMALL),
            ("owner", member.uid.into(), 6, SMALL),
            ("group", member.gid.into(), 6, SMALL),
            ("links", member.links.into(), 6, SMALL),
            ("device", 0, 6, SMALL),
            ("time", member.mtime, 11, LARGE),
            ("length of the name", length, 6, LONGEST_NAME),
            ("size", member.size, 11, LARGE),
        ] {
            if value > most {
                let problem = format!("its {what} {value} is more than a cpio can say");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
            header.extend_from_slice(format!("{value:0width$o}").as_bytes());
        }
        header.extend_from_slice(&member.name);
        header.push(0);
        self.output.write_all(&header)?;
        self.position += header.len() as u64;
        Ok(())
    }
}

/// Reads a cpio from a stream, one member after another.
///
/// After [`Reader::next_member`], reading from this gives the member's data; what is not read is
/// skipped.
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    position: u64,
    remaining: u64,
    member: Option<String>,
    finished: bool,
}

impl<R: Read> Reader<R> {
    /// A reader. `path` is what errors call the archive.
    pub fn new(input: R, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Self { input, path, position: 0, remaining: 0, member: None, finished: false }
    }

    /// The next member, or `None` at the trailer, after which only zeros may follow.
    pub fn next_member(&mut self) -> Result<Option<Member>, Error> {
        if self.finished {
            return Ok(None);
        }
        let mut buffer = [0; 32 << 10];
        while self.read_data(&mut buffer)? > 0 {}
        self.member = None;
        let offset = self.position;
        let mut header = [0; HEADER];
        self.fill(&mut header, "a header")?;
        if &header[..6] != MAGIC {
            return Err(self.damaged(offset, "no header (070707) begins here"));
        }
        let mut fields = [0u64; 10];
        let mut at = 6;
        let widths = [6, 6, 6, 6, 6, 6, 6, 11, 6, 11];
        for (field, width) in fields.iter_mut().zip(widths) {
            for &digit in &header[at..at + width] {
                if !(b'0'..=b'7').contains(&digit) {
                    return Err(self.damaged(offset, "a field of the header is no octal number"));
                }
                *field = *field * 8 + u64::from(digit - b'0');
            }
            at += width;
        }
        let [_, inode, mode, uid, gid, links, _, mtime, name_size, size] = fields;
        if name_size == 0 || name_size > LONGEST_NAME {
            return Err(self.damaged(offset, format!("a name of {name_size} bytes")));
        }
        let mut name = vec![0; name_size as usize];
        self.fill(&mut name, "a name")?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(self.damaged(offset, "a name that does not end with its NUL"));
        }
        if name == TRAILER {
            self.read_padding()?;
            self.finished = true;
            return Ok(None);
        }
        self.member = Some(String::from_utf8_lossy(&name).escape_debug().to_string());
        self.remaining = size;
        Ok(Some(Member {
            name,
            inode: inode as u32,
            mode: mode as u32,
            uid: uid as u32,
            gid: gid as u32,
            links: links as u32,
            mtime,
            size,
            offset,
        }))
    }

    /// Some of the current member's data; 0 at their end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let wanted = buffer.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.pull(&mut buffer[..wanted])?;
        if count == 0 {
            let problem = format!("it ends where {} more bytes should be", self.remaining);
            return Err(self.damaged(self.position, problem));
        }
        self.remaining -= count as u64;
        Ok(count)
    }

    fn read_padding(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 1024];
        loop {
            let start = self.position;
            let count = self.pull(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            if let Some(index) = buffer[..count].iter().position(|&b| b != 0) {
                return Err(self.damaged(start + index as u64, "data after the trailer"));
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8], inside: &str) -> Result<(), Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.pull(&mut buffer[filled..])? {
                0 if filled == 0 && inside == "a header" => {
                    return Err(self.damaged(self.position, "it ends without the trailer"));
                }
                0 => return Err(self.damaged(self.position, format!("it ends inside {inside}"))),
                count => filled += count,
            }
        }
        Ok(())
    }

    fn pull(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path)(error)),
            }
        }
    }

    fn damaged(&self, offset: u64, problem: impl Into<String>) -> Error {
        Error::Cpio {
            path: self.path.clone(),
            offset,
            member: self.member.clone(),
            problem: problem.into(),
        }
    }
}
