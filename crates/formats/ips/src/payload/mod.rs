//! The bytes that actions deliver, as they are stored and described.
//!
//! A payload is stored as one gzip member under the SHA-1 of its uncompressed bytes; the action
//! carries sizes and hashes of both forms.

mod buffer;
mod expected;
mod reader;

use std::io::{self, Read, Write};

use gzip::{GzipReader, GzipWriter, Level};
use sha1::Sha1;
use sha2::{Digest, Sha512_256};

pub use self::reader::PayloadReader;
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

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_hash("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
        for bad in ["", "../x", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "NOHASH"] {
            assert!(!is_hash(bad), "{bad}");
        }
    }
}
