//! The caboose: TLV-C chunks of text.

use std::collections::BTreeMap;

use crate::Error;

/// Each chunk is: tag, body length, header checksum, body padded to 4 bytes, body checksum.
const HEADER: usize = 12;

/// The texts of a caboose by tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caboose {
    chunks: BTreeMap<[u8; 4], Vec<u8>>,
}

/// The checksum in a chunk's header, which tells a chunk from the fill behind the last one.
fn header_checksum(tag: [u8; 4], length: u32) -> u32 {
    let tag = u32::from_le_bytes(tag);
    !(tag.wrapping_mul(0x6B32_9F69)).wrapping_add(length)
}

impl Caboose {
    /// Reads the chunks of a caboose. Reading stops at the first bytes that are no chunk's header,
    /// which is the fill at the end.
    ///
    /// # Errors
    ///
    /// When a chunk is cut off, its body does not match its checksum, or a tag occurs twice.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, Error> {
        let mut chunks = BTreeMap::new();
        while let Some(header) = bytes.get(..HEADER) {
            let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
            let (tag, length) = (word(0), u32::from_le_bytes(word(4)));
            if u32::from_le_bytes(word(8)) != header_checksum(tag, length) {
                break;
            }
            let name = tag.escape_ascii();
            let length = length as usize;
            let padded = length.checked_next_multiple_of(4);
            let end = padded.and_then(|padded| padded.checked_add(HEADER + 4));
            let Some((chunk, end)) = end.and_then(|end| Some((bytes.get(..end)?, end))) else {
                return Err(Error::Caboose(format!("the text {name} is cut off")));
            };
            let (chunk, checksum) = chunk.split_at(chunk.len() - 4);
            let (body, padding) = chunk[HEADER..].split_at(length);
            let wanted = u32::from_le_bytes([checksum[0], checksum[1], checksum[2], checksum[3]]);
            if crc32c::crc32c(body) != wanted || padding.iter().any(|&byte| byte != 0) {
                return Err(Error::Caboose(format!("the text {name} does not match its checksum")));
            }
            if chunks.insert(tag, body.to_vec()).is_some() {
                return Err(Error::Caboose(format!("the text {name} is there twice")));
            }
            bytes = &bytes[end..];
        }
        Ok(Self { chunks })
    }

    /// The chunks as bytes, sorted by tag.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, body) in &self.chunks {
            let length = body.len() as u32;
            bytes.extend(tag);
            bytes.extend(length.to_le_bytes());
            bytes.extend(header_checksum(*tag, length).to_le_bytes());
            bytes.extend(body);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(crc32c::crc32c(body).to_le_bytes());
        }
        bytes
    }

    /// The same caboose with one text set.
    #[must_use]
    pub fn with(mut self, tag: [u8; 4], text: impl Into<Vec<u8>>) -> Self {
        self.chunks.insert(tag, text.into());
        self
    }

    /// `BORD`: the board the firmware is for.
    ///
    /// # Errors
    ///
    /// When it is missing, empty or not UTF-8; likewise below.
    pub fn board(&self) -> Result<&str, Error> {
        self.required("BORD")
    }

    /// `VERS`: the version.
    ///
    /// # Errors
    ///
    /// As for [`Self::board`].
    pub fn version(&self) -> Result<&str, Error> {
        self.required("VERS")
    }

    /// `NAME`: the name of the image; for service processors it differs from the board in images
    /// for the lab.
    ///
    /// # Errors
    ///
    /// As for [`Self::board`].
    pub fn name(&self) -> Result<&str, Error> {
        self.required("NAME")
    }

    /// `SIGN`: the hash of the root of trust's key table as text, in signed images.
    ///
    /// # Errors
    ///
    /// When it is there, but empty or not UTF-8.
    pub fn signer(&self) -> Result<Option<&str>, Error> {
        self.text("SIGN")
    }

    /// `GITC`: the commit it was built from.
    ///
    /// # Errors
    ///
    /// When it is there, but empty or not UTF-8.
    pub fn commit(&self) -> Result<Option<&str>, Error> {
        self.text("GITC")
    }

    fn required(&self, tag: &'static str) -> Result<&str, Error> {
        self.text(tag)?.ok_or(Error::Tag { tag, problem: "no" })
    }

    fn text(&self, tag: &'static str) -> Result<Option<&str>, Error> {
        let chunk = self.chunks.iter().find(|(key, _)| key.as_slice() == tag.as_bytes());
        let Some((_, body)) = chunk else { return Ok(None) };
        match std::str::from_utf8(body) {
            Ok("") => Err(Error::Tag { tag, problem: "an empty" }),
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::Tag { tag, problem: "other bytes than UTF-8 in" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_as_it_is_in_the_field() {
        // The header of a BORD chunk of 11 bytes.
        assert_eq!(header_checksum(*b"BORD", 11), 0xca1f_7fe2);
        assert_eq!(header_checksum(*b"VERS", 20), 0x3d65_25a5);
    }

    #[test]
    fn damage_is_seen() {
        let caboose = Caboose::default().with(*b"BORD", "gimlet").with(*b"VERS", "1.0.0");
        let good = caboose.to_bytes();
        assert_eq!(Caboose::parse(&good).unwrap(), caboose);
        let mut filled = good.clone();
        filled.extend([0; 100]);
        assert_eq!(Caboose::parse(&filled).unwrap(), caboose);
        let mut flipped = good.clone();
        flipped[13] ^= 1;
        assert!(Caboose::parse(&flipped).unwrap_err().to_string().contains("BORD"));
        assert!(
            Caboose::parse(&good[..good.len() - 1]).unwrap_err().to_string().contains("cut off")
        );
        let twice = [&good[..], &good[..]].concat();
        assert!(Caboose::parse(&twice).unwrap_err().to_string().contains("twice"));
        let error = caboose.name().unwrap_err().to_string();
        assert_eq!(error, "its caboose has no NAME");
        assert!(Caboose::default().with(*b"BORD", [0xff]).board().is_err());
        assert!(Caboose::default().with(*b"SIGN", "").signer().is_err());
    }

    proptest! {
        #[test]
        fn round_trip(texts in proptest::collection::btree_map(any::<[u8; 4]>(), ".{0,20}", 0..6)) {
            let caboose = texts.into_iter().fold(Caboose::default(), |c, (tag, text)| c.with(tag, text));
            prop_assert_eq!(Caboose::parse(&caboose.to_bytes()).unwrap(), caboose);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Caboose::parse(&bytes);
        }

        #[test]
        fn never_panics_on_damage(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = Caboose::default().with(*b"BORD", "gimlet").to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = Caboose::parse(&bytes);
        }
    }
}
