//! Strict readers of one gzip member or one zlib stream.

use std::io::{self, Read};

use zlib_rs::{Inflate, InflateFlush, Status};

use crate::Error;

/// Reads the one member of a gzip file.
///
/// The end of the data is only reported after checksum and length were right and the input ended:
/// read to the end before trusting anything. The input should be a file or another source that
/// ends with the member.
pub struct GzipReader<R>(Strict<R>);

/// Reads one zlib stream (RFC 1950) that fills its input; the checks are those of [`GzipReader`].
pub struct ZlibReader<R>(Strict<R>);

impl<R: Read> GzipReader<R> {
    /// Reads a gzip file.
    pub fn new(inner: R) -> Self {
        Self(Strict::new(inner, Format::Gzip))
    }

    /// The number of bytes decompressed so far.
    pub fn position(&self) -> u64 {
        self.0.length
    }
}

impl<R: Read> ZlibReader<R> {
    /// Reads a zlib stream.
    pub fn new(inner: R) -> Self {
        Self(Strict::new(inner, Format::Zlib))
    }

    /// The number of bytes decompressed so far.
    pub fn position(&self) -> u64 {
        self.0.length
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.0.read(output)
    }
}

impl<R: Read> Read for ZlibReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.0.read(output)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Zlib,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
        }
    }
}

enum State {
    Start,
    Data,
    Trailer,
    End,
    /// Said again at every further read.
    Broken(Error),
}

struct Strict<R> {
    input: Buffered<R>,
    format: Format,
    state: State,
    inflate: Inflate,
    crc: crc32fast::Hasher,
    adler: u32,
    length: u64,
}

impl<R: Read> Strict<R> {
    fn new(inner: R, format: Format) -> Self {
        Self {
            input: Buffered { inner, buffer: vec![0; 64 << 10], start: 0, end: 0, offset: 0 },
            format,
            state: State::Start,
            inflate: Inflate::new(false, 15),
            crc: crc32fast::Hasher::new(),
            adler: 1,
            length: 0,
        }
    }

    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        let result = self.step(output);
        if let Err(error) = &result
            && let Some(damage) = Error::of(error)
        {
            self.state = State::Broken(damage.clone());
        }
        result
    }

    fn step(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            match &self.state {
                State::Start => {
                    match self.format {
                        Format::Gzip => self.gzip_header()?,
                        Format::Zlib => self.zlib_header()?,
                    }
                    self.state = State::Data;
                }
                State::Data => {
                    let count = self.inflate(output)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
                State::Trailer => {
                    self.trailer()?;
                    self.state = State::End;
                }
                State::End => return Ok(0),
                State::Broken(error) => return Err(error.clone().into()),
            }
        }
    }

    fn inflate(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let at_end = self.input.fill()? == 0;
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(self.input.available(), output, InflateFlush::NoFlush)
                .map_err(|error| Error::Deflate {
                    offset: self.input.offset + self.inflate.total_in() - taken,
                    problem: self.inflate.error_message().unwrap_or(error.as_str()),
                })?;
            self.input.consume((self.inflate.total_in() - taken) as usize);
            let count = (self.inflate.total_out() - given) as usize;
            let data = &output[..count];
            match self.format {
                Format::Gzip => self.crc.update(data),
                Format::Zlib => self.adler = zlib_rs::adler32::adler32(self.adler, data),
            }
            self.length += count as u64;
            if status == Status::StreamEnd {
                self.state = State::Trailer;
                return Ok(count);
            }
            if count > 0 {
                return Ok(count);
            }
            if at_end {
                return Err(self.truncated("the compressed data").into());
            }
        }
    }

    fn gzip_header(&mut self) -> io::Result<()> {
        let header: [u8; 10] = self.take("the header")?;
        if header[..2] != [0x1f, 0x8b] {
            return Err(self.not_this_format(&header[..2]).into());
        }
        let wrong = |problem| Error::Header { format: "gzip", problem };
        if header[2] != 8 {
            return Err(wrong("names a compression method other than deflate").into());
        }
        let flags = header[3];
        if flags & 0xe0 != 0 {
            return Err(wrong("has reserved flags set").into());
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(&header);
        if flags & 4 != 0 {
            let length: [u8; 2] = self.take("the header")?;
            sum.update(&length);
            for _ in 0..u16::from_le_bytes(length) {
                sum.update(&self.take::<1>("the header")?);
            }
        }
        // The file name, then the comment, each ended by a NUL.
        for flag in [8, 16] {
            if flags & flag == 0 {
                continue;
            }
            loop {
                let byte: [u8; 1] = self.take("the header")?;
                sum.update(&byte);
                if byte == [0] {
                    break;
                }
            }
        }
        if flags & 2 != 0 {
            let stated: [u8; 2] = self.take("the header")?;
            if u16::from_le_bytes(stated) != sum.finalize() as u16 {
                return Err(wrong("has a wrong checksum").into());
            }
        }
        Ok(())
    }

    fn zlib_header(&mut self) -> io::Result<()> {
        let header: [u8; 2] = self.take("the header")?;
        if header[0] & 0x0f != 8 || !u16::from_be_bytes(header).is_multiple_of(31) {
            return Err(self.not_this_format(&header).into());
        }
        let wrong = |problem| Error::Header { format: "zlib", problem };
        if header[0] >> 4 > 7 {
            return Err(wrong("asks for a window over 32 KiB").into());
        }
        if header[1] & 0x20 != 0 {
            return Err(wrong("asks for a preset dictionary").into());
        }
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let stated: [u8; 4] = self.take("the checksum")?;
        let (name, stated, computed) = match self.format {
            Format::Gzip => ("CRC-32", u32::from_le_bytes(stated), self.crc.clone().finalize()),
            Format::Zlib => ("Adler-32", u32::from_be_bytes(stated), self.adler),
        };
        if stated != computed {
            return Err(Error::Checksum { name, stated, computed }.into());
        }
        if self.format == Format::Gzip {
            let stated = u32::from_le_bytes(self.take("the length field")?);
            if stated != self.length as u32 {
                return Err(Error::Length { stated, actual: self.length }.into());
            }
        }
        let offset = self.input.offset;
        if self.input.fill()? == 0 {
            return Ok(());
        }
        let next = [self.input.byte()?, self.input.byte()?];
        Err(match (self.format, next) {
            (Format::Gzip, [Some(0x1f), Some(0x8b)]) => Error::SecondMember { offset },
            _ => Error::TrailingGarbage { format: self.format.name(), offset },
        }
        .into())
    }

    fn take<const N: usize>(&mut self, inside: &'static str) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            match self.input.byte()? {
                Some(found) => *byte = found,
                // Too short for a header and not beginning like one: another format.
                None if matches!(self.state, State::Start)
                    && self.input.offset == index as u64
                    && !self.begins_right(&bytes[..index]) =>
                {
                    return Err(self.not_this_format(&bytes[..index]).into());
                }
                None => return Err(self.truncated(inside).into()),
            }
        }
        Ok(bytes)
    }

    fn begins_right(&self, start: &[u8]) -> bool {
        match self.format {
            Format::Gzip => {
                !start.is_empty() && [0x1f, 0x8b].iter().zip(start).all(|(a, b)| a == b)
            }
            Format::Zlib => start.first().is_some_and(|first| first & 0x0f == 8),
        }
    }

    fn truncated(&self, inside: &'static str) -> Error {
        Error::Truncated { format: self.format.name(), offset: self.input.offset, inside }
    }

    fn not_this_format(&self, start: &[u8]) -> Error {
        let found = match start {
            [] => "nothing: it is empty".to_owned(),
            bytes => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
        };
        Error::NotThisFormat { format: self.format.name(), found }
    }
}

/// A buffer that counts what was consumed.
struct Buffered<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Buffered<R> {
    /// Reads more if there is nothing; the number of bytes that are there.
    fn fill(&mut self) -> io::Result<usize> {
        while self.start == self.end {
            match self.inner.read(&mut self.buffer) {
                Ok(count) => {
                    (self.start, self.end) = (0, count);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start)
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.fill()? == 0 {
            return Ok(None);
        }
        let byte = self.buffer[self.start];
        self.consume(1);
        Ok(Some(byte))
    }
}
