//! The bytes that actions deliver, as they are stored and described.
//!
//! A payload is stored as one gzip member under the SHA-1 of its uncompressed bytes; the action
//! carries sizes and hashes of both forms.

use std::cell::RefCell;
use std::io::{self, Chain, Cursor, Read, Write};
use std::mem;

use gzip::{GzipReader, GzipWriter, Level};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512_256};

use crate::{Action, Attributes};

/// Sizes (in bytes) and hashes (in hex) of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The size, uncompressed.
    pub size: u64,
    /// SHA-1 of the uncompressed bytes: the name under which it is stored.
    pub sha1: String,
    /// SHA-512/256 of the uncompressed bytes.
    pub sha512t_256: String,
    /// The size as stored.
    pub stored_size: u64,
    /// SHA-1 of the stored bytes.
    pub stored_sha1: String,
    /// SHA-512/256 of the stored bytes.
    pub stored_sha512t_256: String,
}

/// Attributes that describe a payload. They are replaced when a package is published.
const DESCRIPTION: [&str; 11] = [
    "chash",
    "pkg.content-hash",
    "pkg.csize",
    "pkg.size",
    "elfarch",
    "elfbits",
    "elfhash",
    "pkg.hash.sha256",
    "pkg.chash.sha256",
    "pkg.hash.sha512t_256",
    "pkg.chash.sha512t_256",
];

impl Payload {
    /// Compresses `content` into `stored` and describes it. The bytes depend on nothing but the
    /// content.
    pub fn store(mut content: impl Read, stored: impl Write) -> io::Result<Self> {
        let mut plain = Hasher::new(io::sink());
        let mut gzip = GzipWriter::new(Hasher::new(stored), Level::Best);
        copy(&mut content, |chunk| {
            plain.write_all(chunk)?;
            gzip.write_all(chunk)
        })?;
        Ok(Self::of(plain, gzip.finish()?))
    }

    /// Describes a payload that is already stored, after checking that it is a whole gzip member.
    pub fn of_stored(stored: impl Read) -> io::Result<Self> {
        let mut plain = Hasher::new(io::sink());
        let mut compressed = Hasher::new(io::sink());
        let mut tee = Tee { inner: stored, seen: &mut compressed };
        copy(&mut GzipReader::new(&mut tee), |chunk| plain.write_all(chunk))?;
        Ok(Self::of(plain, compressed))
    }

    fn of<A, B>(plain: Hasher<A>, stored: Hasher<B>) -> Self {
        let (size, sha1, sha512t_256) = plain.finish();
        let (stored_size, stored_sha1, stored_sha512t_256) = stored.finish();
        Self { size, sha1, sha512t_256, stored_size, stored_sha1, stored_sha512t_256 }
    }

    /// Makes an action deliver this payload: its name, sizes and hashes.
    pub fn describe(&self, action: &mut Action) {
        action.payload = Some(self.sha1.clone());
        let attributes = &mut action.attributes;
        forget(attributes);
        attributes.set("chash", &self.stored_sha1);
        attributes.set("pkg.csize", self.stored_size.to_string());
        attributes.set("pkg.size", self.size.to_string());
        attributes.push("pkg.content-hash", format!("file:sha512t_256:{}", self.sha512t_256));
        attributes
            .push("pkg.content-hash", format!("gzip:sha512t_256:{}", self.stored_sha512t_256));
    }
}

/// Reads a stored payload, checking it against what its action says: a wrong hash, a wrong size
/// or damage is an error of kind `InvalidData`.
///
/// The end is only reported when everything was right: read to the end before trusting anything.
/// No more bytes are given out than the action's `pkg.size`.
///
/// Where the action names a digest of the stored bytes and they have it, they are those that were
/// published, and so is what they inflate to: it is not hashed again. A payload of which that does
/// not hold (it was compressed by another program, or its action knows no such digest but a SHA-1)
/// is checked by the strongest hash of its contents.
pub struct PayloadReader<R>(Form<R>);

enum Form<R> {
    /// Everything, checked.
    Whole(Cursor<Buffer>),
    /// Checked while it is read.
    Stream(Box<Stream<R>>),
}

/// Payloads of at most so many bytes, stored and inflated, are unpacked in memory.
const WHOLE: u64 = 2 << 20;

impl<R: Read> PayloadReader<R> {
    /// Reads what `action` delivers from its stored form, all of it if it is small. An action that
    /// names neither size nor hash, or has a size that is no number, is an error.
    pub fn new(mut stored: R, action: &Action) -> io::Result<Self> {
        let size = match action.get("pkg.size") {
            Some(size) => Some(
                size.parse().map_err(|_| invalid(format!("pkg.size={size} is not a number")))?,
            ),
            None => None,
        };
        let hash = Expected::of(action, &CONTENTS)
            .or_else(|| Some(Expected::Sha1(action.payload.clone()?, Sha1::new())))
            .ok_or_else(|| invalid("its action names no payload".to_owned()))?;
        let mut start = Buffer::default();
        if let Some(size) = size.filter(|size| *size <= WHOLE)
            && let Some(mut vouched) = Expected::of(action, &STORED)
        {
            start = Buffer::filled(&mut (&mut stored).take(WHOLE + 1))?;
            vouched.update(start.as_ref());
            if start.size as u64 <= WHOLE && vouched.check().is_ok() {
                let mut contents = Buffer::of_size(size as usize);
                if gzip::inflate_whole(start.as_ref(), contents.as_mut()) {
                    return Ok(Self(Form::Whole(Cursor::new(contents))));
                }
            }
        }
        let gzip = GzipReader::new(Cursor::new(start).chain(stored));
        Ok(Self(Form::Stream(Box::new(Stream { gzip, hash: Some(hash), size, read: 0 }))))
    }
}

impl<R: Read> Read for PayloadReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Whole(contents) => contents.read(buffer),
            Form::Stream(stream) => stream.read(buffer),
        }
    }
}

thread_local! {
    /// Memory that buffers used and the next ones take.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of one payload, in memory that is used again: there are tens of thousands of payloads, and
/// the kernel clears all memory that it gives.
#[derive(Default)]
struct Buffer {
    /// Longer than what is in it.
    memory: Vec<u8>,
    size: usize,
}

impl Buffer {
    /// With so many bytes, whatever they are.
    fn of_size(size: usize) -> Self {
        let mut memory = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        if memory.len() < size {
            memory.resize(size, 0);
        }
        Self { memory, size }
    }

    /// With everything that a reader gives.
    fn filled(reader: &mut impl Read) -> io::Result<Self> {
        let mut buffer = Self::of_size(16 << 10);
        buffer.size = 0;
        loop {
            if buffer.size == buffer.memory.len() {
                buffer.memory.resize(2 * buffer.size, 0);
            }
            match reader.read(&mut buffer.memory[buffer.size..]) {
                Ok(0) => return Ok(buffer),
                Ok(count) => buffer.size += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.size]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.size]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.memory.is_empty() {
            // Gone with the thread, if that is ending.
            let _ = SPARE.try_with(|spare| spare.borrow_mut().push(mem::take(&mut self.memory)));
        }
    }
}

/// A hash that an action names, and the bytes seen so far.
enum Expected {
    Sha512t256(String, Sha512_256),
    Sha256(String, Sha256),
    Sha1(String, Sha1),
}

/// How actions name a hash: the beginning of a value of `pkg.content-hash` and the key of older
/// packages, for SHA-512/256 and for SHA-256.
type Names = [(&'static str, &'static str); 2];

/// Of the contents.
const CONTENTS: Names =
    [("file:sha512t_256:", "pkg.hash.sha512t_256"), ("file:sha256:", "pkg.hash.sha256")];

/// Of the stored bytes. `chash` is left out: it is a SHA-1.
const STORED: Names =
    [("gzip:sha512t_256:", "pkg.chash.sha512t_256"), ("gzip:sha256:", "pkg.chash.sha256")];

impl Expected {
    /// The strongest hash that is named, SHA-1 aside.
    fn of(action: &Action, [sha512t_256, sha256]: &Names) -> Option<Self> {
        let named = |(prefix, key): &(&str, &str)| {
            let values = action.attributes.list("pkg.content-hash");
            let new = values.iter().find_map(|value| value.strip_prefix(prefix));
            new.or_else(|| action.get(key)).map(str::to_owned)
        };
        let longer = named(sha512t_256).map(|hash| Self::Sha512t256(hash, Sha512_256::new()));
        longer.or_else(|| named(sha256).map(|hash| Self::Sha256(hash, Sha256::new())))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha512t256(_, hash) => hash.update(bytes),
            Self::Sha256(_, hash) => hash.update(bytes),
            Self::Sha1(_, hash) => hash.update(bytes),
        }
    }

    fn check(self) -> io::Result<()> {
        let (name, expected, actual) = match self {
            Self::Sha512t256(expected, hash) => {
                ("sha512t_256", expected, hex::encode(hash.finalize()))
            }
            Self::Sha256(expected, hash) => ("sha256", expected, hex::encode(hash.finalize())),
            Self::Sha1(expected, hash) => ("sha-1", expected, hex::encode(hash.finalize())),
        };
        if expected == actual {
            Ok(())
        } else {
            Err(invalid(format!("its {name} is {actual}; its manifest says {expected}")))
        }
    }
}

/// A payload that is inflated and hashed bit by bit.
struct Stream<R> {
    gzip: GzipReader<Chain<Cursor<Buffer>, R>>,
    hash: Option<Expected>,
    size: Option<u64>,
    read: u64,
}

impl<R: Read> Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.gzip.read(buffer)?;
        self.read += count as u64;
        if count > 0 {
            if let Some(size) = self.size
                && self.read > size
            {
                return Err(invalid(format!("it is longer than the {size} bytes of its manifest")));
            }
            if let Some(hash) = &mut self.hash {
                hash.update(&buffer[..count]);
            }
        } else if !buffer.is_empty()
            && let Some(hash) = self.hash.take()
        {
            if let Some(size) = self.size
                && self.read < size
            {
                return Err(invalid(format!(
                    "it has {} bytes; its manifest says {size}",
                    self.read
                )));
            }
            hash.check()?;
        }
        Ok(count)
    }
}

/// Whether a text is a payload name: the 40 lower-case hex digits of a SHA-1.
pub(crate) fn is_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Forgets what `attributes` say about a payload.
pub(crate) fn forget(attributes: &mut Attributes) {
    for key in DESCRIPTION {
        attributes.remove(key);
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to(&buffer[..count])?,
        }
    }
}

/// Hashes and counts what is written through it.
struct Hasher<W> {
    inner: W,
    size: u64,
    sha1: Sha1,
    sha512t_256: Sha512_256,
}

impl<W> Hasher<W> {
    fn new(inner: W) -> Self {
        Self { inner, size: 0, sha1: Sha1::new(), sha512t_256: Sha512_256::new() }
    }

    fn finish(self) -> (u64, String, String) {
        (self.size, hex::encode(self.sha1.finalize()), hex::encode(self.sha512t_256.finalize()))
    }
}

impl<W: Write> Write for Hasher<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.size += count as u64;
        self.sha1.update(&bytes[..count]);
        self.sha512t_256.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Shows what is read to a writer.
pub(crate) struct Tee<'a, R, W> {
    pub(crate) inner: R,
    pub(crate) seen: &'a mut W,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.seen.write_all(&buffer[..count])?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(content: &[u8]) -> (Vec<u8>, Action) {
        let mut stored = Vec::new();
        let payload = Payload::store(content, &mut stored).unwrap();
        assert_eq!(Payload::of_stored(&stored[..]).unwrap(), payload);
        let mut action = Action::parse("file path=x owner=root group=sys mode=0644").unwrap();
        payload.describe(&mut action);
        (stored, action)
    }

    fn read(stored: &[u8], action: &Action) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        PayloadReader::new(stored, action)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn described_as_the_real_one() {
        // What pkg(7) says of an empty file.
        let (bytes, action) = stored(b"");
        assert_eq!(bytes.len(), 20);
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff]);
        assert_eq!(
            action.to_string(),
            "file da39a3ee5e6b4b0d3255bfef95601890afd80709 \
             chash=89892054d65b8b0dd6a081b33a97b6f2bd1fa267 group=sys mode=0644 owner=root path=x \
             pkg.content-hash=file:sha512t_256:c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a \
             pkg.content-hash=gzip:sha512t_256:1b57e79330d686247085553792cd8e2fcf61b03edc7da56d03efdb1e1458644a \
             pkg.csize=20 pkg.size=0"
        );
        assert_eq!(read(&bytes, &action).unwrap(), b"");
    }

    #[test]
    fn damage_is_found() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
        let (bytes, action) = stored(&content);
        assert_eq!(read(&bytes, &action).unwrap(), content);
        let (others, _) = stored(b"others");
        assert!(read(&others, &action).unwrap_err().to_string().contains("has 6 bytes"));
        assert!(read(&bytes[..bytes.len() - 9], &action).is_err());
        let mut changed = bytes.clone();
        changed[5000] ^= 1;
        assert!(read(&changed, &action).is_err());
    }

    #[test]
    fn every_hash_is_honoured() {
        let (bytes, mut action) = stored(b"hello");
        let sha256 = hex::encode(Sha256::digest(b"hello"));
        action.attributes.remove("pkg.content-hash");
        assert!(read(&bytes, &action).is_ok());
        action.payload = Some("0".repeat(40));
        assert!(read(&bytes, &action).unwrap_err().to_string().contains("sha-1"));
        action.attributes.set("pkg.hash.sha256", sha256);
        assert!(read(&bytes, &action).is_ok());
        action.attributes.push("pkg.content-hash", "file:sha512t_256:00");
        assert!(read(&bytes, &action).unwrap_err().to_string().contains("sha512t_256"));
    }

    #[test]
    fn a_bomb_stops_at_its_claimed_size() {
        let mut bomb = Vec::new();
        Payload::store(io::repeat(0).take(50 << 20), &mut bomb).unwrap();
        let (_, action) = stored(b"small");
        let mut content = Vec::new();
        let error =
            PayloadReader::new(&bomb[..], &action).unwrap().read_to_end(&mut content).unwrap_err();
        assert!(error.to_string().contains("longer than the 5 bytes"), "{error}");
        assert!(content.len() < 1 << 20);
    }

    fn is_whole(stored: &[u8], action: &Action) -> bool {
        matches!(PayloadReader::new(stored, action).unwrap().0, Form::Whole(_))
    }

    #[test]
    fn what_was_published_is_not_hashed_twice() {
        let content: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        let (bytes, action) = stored(&content);
        assert!(is_whole(&bytes, &action));
        assert_eq!(read(&bytes, &action).unwrap(), content);

        // Compressed by another program: the contents decide.
        let mut others = GzipWriter::new(Vec::new(), Level::Fast);
        others.write_all(&content).unwrap();
        let others = others.finish().unwrap();
        assert!(others != bytes && !is_whole(&others, &action));
        assert_eq!(read(&others, &action).unwrap(), content);

        // Without the hash of the stored bytes, too.
        let hashes = action.attributes.list("pkg.content-hash").to_vec();
        let mut contents_only = action.clone();
        contents_only.attributes.set_list("pkg.content-hash", hashes[..1].to_vec());
        assert!(!is_whole(&bytes, &contents_only));
        assert_eq!(read(&bytes, &contents_only).unwrap(), content);

        // A manifest that contradicts itself: see ARCHITECTURE.md.
        let mut contradiction = action.clone();
        let hashes = vec!["file:sha512t_256:00".to_owned(), hashes[1].clone()];
        contradiction.attributes.set_list("pkg.content-hash", hashes);
        assert_eq!(read(&bytes, &contradiction).unwrap(), content);
        assert!(read(&others, &contradiction).unwrap_err().to_string().contains("says 00"));
    }

    #[test]
    fn large_ones_are_not_unpacked_in_memory() {
        let content: Vec<u8> = (0..600_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        assert!(content.len() as u64 > WHOLE);
        let (bytes, action) = stored(&content);
        assert!(!is_whole(&bytes, &action));
        assert_eq!(read(&bytes, &action).unwrap(), content);
        let mut changed = bytes.clone();
        changed[5000] ^= 1;
        assert!(read(&changed, &action).is_err());
    }

    #[test]
    fn a_published_bomb_stops_at_its_claimed_size() {
        let mut bomb = Vec::new();
        let payload = Payload::store(io::repeat(0).take(50 << 20), &mut bomb).unwrap();
        let mut action = Action::parse("file path=x owner=root group=sys mode=0644").unwrap();
        payload.describe(&mut action);
        for size in ["5", "2000000"] {
            action.attributes.set("pkg.size", size);
            let error = read(&bomb, &action).unwrap_err().to_string();
            assert!(error.contains(&format!("longer than the {size} bytes")), "{error}");
        }
    }

    #[test]
    fn names() {
        assert!(is_hash("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
        for bad in ["", "../x", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "NOHASH"] {
            assert!(!is_hash(bad), "{bad}");
        }
    }
}
