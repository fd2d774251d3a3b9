//! The contents of a stored payload, checked.

use std::io::{self, Chain, Cursor, Read};

use gzip::GzipReader;
use sha1::Sha1;
use sha2::Digest;

use super::buffer::Buffer;
use super::expected::{CONTENTS, Expected, STORED};
use super::invalid;
use crate::Action;

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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use gzip::{GzipWriter, Level};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::Payload;

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
}
