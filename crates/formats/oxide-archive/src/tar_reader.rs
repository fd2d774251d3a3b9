//! Reads a tar from a stream, one member after another.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::header::{BLOCK, Extensions, Raw, padding};
use crate::member::{Member, MemberKind, printable};
use crate::sparse::{self, Map, OldMap, Piece, Records};

/// Longer extension headers are refused: no name or record is that long.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// A tar (already decompressed; see [`crate::open`]) that is read once from front to back.
///
/// After [`TarReader::next_member`] gave a file, reading from this gives its data; what is not
/// read is skipped. The end is the end: after the archive's zero blocks nothing but zeros may
/// follow, and the stream is read out, so that a compressed archive is checked whole.
pub struct TarReader<R> {
    input: R,
    path: PathBuf,
    position: u64,
    /// Data of the current member that nobody has read yet, and the padding after them.
    remaining: u64,
    padding: u64,
    /// Of a sparse file, which parts of it the data are.
    sparse: Option<Map>,
    member: Option<String>,
    finished: bool,
}

impl<R: Read> TarReader<R> {
    /// A reader. `path` is what errors call the archive.
    pub fn new(input: R, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Self {
            input,
            path,
            position: 0,
            remaining: 0,
            padding: 0,
            sparse: None,
            member: None,
            finished: false,
        }
    }

    /// What errors call the archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The offset in the tar.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next member, or `None` at the archive's end.
    pub fn next_member(&mut self) -> Result<Option<Member>, Error> {
        if self.finished {
            return Ok(None);
        }
        self.skip_data()?;
        self.member = None;
        let offset = self.position;
        let mut extensions = Extensions::default();
        let mut extended = false;
        loop {
            let Some(block) = self.header_block()? else {
                if self.position == 0 {
                    return Err(self.damaged(0, "it is empty"));
                }
                return Err(self.damaged(
                    self.position,
                    "it ends without the two zero blocks, so it is probably cut short",
                ));
            };
            if block.iter().all(|&b| b == 0) {
                if extended {
                    return Err(self.damaged(offset, "an extension header without its member"));
                }
                self.read_to_end()?;
                self.finished = true;
                return Ok(None);
            }
            let start = self.position - BLOCK as u64;
            let raw = Raw::parse(&block).map_err(|problem| self.damaged(start, problem))?;
            self.member = Some(printable(&raw.name));
            match raw.type_flag {
                b'x' => {
                    let data = self.extension(raw.size)?;
                    extensions.read_pax(&data).map_err(|problem| self.damaged(start, problem))?;
                }
                // Defaults for all members: no tool in use here writes anything but comments.
                b'g' => {
                    let data = self.extension(raw.size)?;
                    let mut global = Extensions::default();
                    global.read_pax(&data).map_err(|problem| self.damaged(start, problem))?;
                    if !global.is_empty() {
                        return Err(self.damaged(
                            start,
                            "a global pax header that changes all members is not supported",
                        ));
                    }
                    continue;
                }
                b'L' => extensions.name = Some(self.long_name(raw.size)?),
                b'K' => extensions.link = Some(self.long_name(raw.size)?),
                _ => {
                    let name = extensions.name.as_ref().unwrap_or(&raw.name);
                    self.member = Some(printable(name));
                    let old = raw.type_flag == b'S';
                    let records = extensions.sparse.take();
                    let mut member = raw
                        .into_member(extensions, offset)
                        .map_err(|problem| self.damaged(start, problem))?;
                    let map = match (old, records) {
                        (true, _) => Some(self.old_map(&block)?),
                        (false, Some(records)) => {
                            self.hold(member.size);
                            Some(self.pax_map(records, &mut member)?)
                        }
                        (false, None) => None,
                    };
                    if let Some((parts, size)) = map {
                        if old {
                            self.hold(member.size);
                        }
                        let map = Map::new(parts, size, self.remaining)
                            .map_err(|problem| self.damaged(start, problem))?;
                        (member.size, member.sparse) = (size, true);
                        self.sparse = Some(map);
                    } else {
                        self.hold(member.size);
                    }
                    return Ok(Some(member));
                }
            }
            extended = true;
        }
    }

    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.pull(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(self.damaged(self.position, "it ends inside a header")),
                count => filled += count,
            }
        }
        Ok(Some(block))
    }

    /// So many bytes of data follow.
    fn hold(&mut self, size: u64) {
        self.remaining = size;
        self.padding = padding(size);
    }

    /// The map and size of a sparse file in GNU's old form; the data follow.
    fn old_map(&mut self, header: &[u8; BLOCK]) -> Result<(Vec<(u64, u64)>, u64), Error> {
        let start = self.position;
        let mut map = OldMap::parse(header).map_err(|problem| self.damaged(start, problem))?;
        while map.continues {
            let start = self.position;
            let block = self.header_block()?.ok_or_else(|| {
                self.damaged(start, "it ends in the map of a sparse file".to_owned())
            })?;
            map.extend(&block).map_err(|problem| self.damaged(start, problem))?;
        }
        Ok((map.parts, map.size))
    }

    /// The same of the pax forms, whose map may be the first part of the data.
    fn pax_map(
        &mut self,
        records: Records,
        member: &mut Member,
    ) -> Result<(Vec<(u64, u64)>, u64), Error> {
        let start = self.position;
        if member.kind != MemberKind::File {
            return Err(self.damaged(start, format!("a sparse {}", member.kind.word())));
        }
        if let Some(name) = &records.name {
            // The header's own name is one for readers that do not know the form.
            member.name.clone_from(name);
            self.member = Some(printable(name));
        }
        let size = records
            .size
            .ok_or_else(|| self.damaged(start, "the size of the sparse file is missing"))?;
        let parts = match records.in_data {
            true => self.map_in_data()?,
            false => records.parts().map_err(|problem| self.damaged(start, problem))?,
        };
        Ok((parts, size))
    }

    /// Decimal lines, in whole blocks: how many parts, then the offset and length of each.
    fn map_in_data(&mut self) -> Result<Vec<(u64, u64)>, Error> {
        let start = self.position;
        let wrong = |this: &Self| this.damaged(start, "the map of the sparse file is damaged");
        let (mut numbers, mut digits) = (Vec::new(), Vec::new());
        let mut wanted = 1;
        while numbers.len() < wanted {
            let mut block = [0; BLOCK];
            let mut filled = 0;
            while filled < BLOCK {
                match self.read_stored(&mut block[filled..])? {
                    0 => return Err(wrong(self)),
                    count => filled += count,
                }
            }
            for byte in block {
                if numbers.len() == wanted {
                    break;
                }
                if byte != b'\n' {
                    digits.push(byte);
                    continue;
                }
                let number = sparse::decimal(&digits).ok_or_else(|| wrong(self))?;
                digits.clear();
                if numbers.is_empty() {
                    wanted = usize::try_from(number)
                        .ok()
                        .filter(|count| *count <= sparse::MOST_PARTS)
                        .ok_or_else(|| wrong(self))?
                        * 2
                        + 1;
                }
                numbers.push(number);
            }
        }
        let pairs = numbers[1..].as_chunks::<2>().0;
        Ok(pairs.iter().map(|&[offset, length]| (offset, length)).collect())
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        if size > LONGEST_EXTENSION {
            return Err(self.damaged(
                self.position - BLOCK as u64,
                format!("an extension header of {size} bytes"),
            ));
        }
        self.hold(size);
        let mut data = Vec::with_capacity(size as usize);
        self.read_all(&mut data)?;
        self.skip_data()?;
        Ok(data)
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let mut name = self.extension(size)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    /// The rest of the current member's data.
    pub fn read_all(&mut self, data: &mut Vec<u8>) -> Result<(), Error> {
        let mut buffer = [0; 8192];
        loop {
            match self.read_data(&mut buffer)? {
                0 => return Ok(()),
                count => data.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Some of the current member's data; 0 at their end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some(map) = &self.sparse else { return self.read_stored(buffer) };
        let count = match map.piece(buffer.len()) {
            Piece::End => 0,
            Piece::Hole(count) => {
                buffer[..count].fill(0);
                count
            }
            Piece::Data(count) => self.read_stored(&mut buffer[..count])?,
        };
        if let Some(map) = &mut self.sparse {
            map.advance(count);
        }
        Ok(count)
    }

    /// Some of the bytes that the archive has for the current member; 0 at their end.
    fn read_stored(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let wanted = buffer.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.pull(&mut buffer[..wanted])?;
        if count == 0 {
            let missing = self.remaining;
            return Err(self.damaged(
                self.position,
                format!("it ends where {missing} more bytes of data should be"),
            ));
        }
        self.remaining -= count as u64;
        Ok(count)
    }

    fn skip_data(&mut self) -> Result<(), Error> {
        // Of a sparse file the zeros are not in the archive.
        self.sparse = None;
        if self.remaining > 0 {
            let mut buffer = [0; 32 << 10];
            while self.read_stored(&mut buffer)? > 0 {}
        }
        let mut block = [0; BLOCK];
        while self.padding > 0 {
            let wanted = self.padding as usize;
            match self.pull(&mut block[..wanted])? {
                0 => return Err(self.damaged(self.position, "it ends in the padding after data")),
                count => self.padding -= count as u64,
            }
        }
        Ok(())
    }

    fn read_to_end(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 32 << 10];
        loop {
            let start = self.position;
            let count = self.pull(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            if let Some(index) = buffer[..count].iter().position(|&b| b != 0) {
                return Err(self.damaged(start + index as u64, "data after the end of the archive"));
            }
        }
    }

    fn pull(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(match gzip::Error::of(&error) {
                        Some(damage) => Error::Compressed {
                            path: self.path.clone(),
                            member: self.member.clone(),
                            damage: damage.clone(),
                        },
                        None => Error::io("read", &self.path)(error),
                    });
                }
            }
        }
    }

    fn damaged(&self, offset: u64, problem: impl Into<String>) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            offset,
            member: self.member.clone(),
            problem: problem.into(),
        }
    }
}
