//! Checks a phase-2 image as it streams past: its header, and the hash in it over the image.

mod both;

use boot_image::phase2::{HEADER_SIZE, Header};
use proto::Digest;
use sha2::Digest as _;

use crate::artifact::Variant;
use crate::problem::{Findings, ProblemId};

use both::Both;

/// What is known of an image of which not all was seen yet.
pub(crate) struct Stream {
    stage: Stage,
}

enum Stage {
    /// Less than the header was seen.
    Header(Vec<u8>),
    /// What follows the header is the image.
    Plain(Header, Box<Both>),
    /// What follows the header is the image, compressed.
    Compressed(Box<Compressed>),
    /// It is no image, or none that can be read.
    Refused(String, sha2::Sha256),
}

struct Compressed {
    header: Header,
    whole: sha2::Sha256,
    /// Compressed bytes behind the header.
    stored: u64,
    inflate: flate2::Decompress,
    hash: sha2::Sha256,
    length: u64,
    ended: bool,
    failed: Option<String>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { stage: Stage::Header(Vec::new()) }
    }
}

impl Stream {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        if let Stage::Header(first) = &mut self.stage {
            let wanted = HEADER_SIZE - first.len();
            let (head, rest) = bytes.split_at(wanted.min(bytes.len()));
            first.extend_from_slice(head);
            bytes = rest;
            if first.len() < HEADER_SIZE {
                return;
            }
            self.stage = Stage::behind(first);
        }
        match &mut self.stage {
            Stage::Header(_) => {}
            Stage::Plain(_, both) => both.update(bytes),
            Stage::Refused(_, whole) => whole.update(bytes),
            Stage::Compressed(image) => {
                image.whole.update(bytes);
                image.stored += bytes.len() as u64;
                if image.failed.is_none() {
                    image.failed = image.inflate(bytes).err();
                }
            }
        }
    }

    /// The digest of all of it, and the header if the image is what that says.
    pub(crate) fn finish(self) -> (Digest, Result<Header, String>) {
        match self.stage {
            Stage::Header(first) => (Digest::of(&first), decode(&first)),
            Stage::Refused(reason, whole) => (Digest(whole.finalize().into()), Err(reason)),
            Stage::Plain(header, both) => {
                let length = both.length();
                let (whole, hash) = both.finish();
                (whole, judge(header, length, length, hash))
            }
            Stage::Compressed(image) => {
                let Compressed { header, whole, stored, hash, length, ended, failed, .. } = *image;
                let judged = match failed {
                    Some(problem) => Err(problem),
                    None if !ended => Err("its compressed data ends early".to_owned()),
                    None => judge(header, stored, length, Digest(hash.finalize().into())),
                };
                (Digest(whole.finalize().into()), judged)
            }
        }
    }
}

impl Stage {
    /// What follows a whole header.
    fn behind(first: &[u8]) -> Self {
        let whole = || sha2::Sha256::new_with_prefix(first);
        match decode(first) {
            Err(reason) => Self::Refused(reason, whole()),
            Ok(header) if header.compressed => Self::Compressed(Box::new(Compressed {
                header,
                whole: whole(),
                stored: 0,
                inflate: flate2::Decompress::new(true),
                hash: sha2::Sha256::new(),
                length: 0,
                ended: false,
                failed: None,
            })),
            Ok(header) => Self::Plain(header, Box::new(Both::behind(first.as_chunks().0))),
        }
    }
}

/// Compares a header with what follows it: bytes as they are stored, bytes of the image, its hash.
fn judge(header: Header, stored: u64, length: u64, hash: Digest) -> Result<Header, String> {
    // A stand-in's sizes are what they are; of what is there the hash holds all the same.
    if header.data_size != stored && !is_stand_in(&header) {
        return Err(format!(
            "its header announces {} bytes of data, there are {stored}",
            header.data_size
        ));
    }
    if header.image_size != length && !is_stand_in(&header) {
        return Err(format!(
            "its header announces an image of {} bytes, the data gives {length}",
            header.image_size
        ));
    }
    if header.sha256 != hash {
        return Err(format!(
            "its header gives the image's sha256 as {}, it is {hash}",
            header.sha256
        ));
    }
    Ok(header)
}

/// Says whether an image is for what it is used as.
pub(crate) fn check_use(header: &Header, variant: Variant, name: &str, findings: &mut Findings) {
    let named_recovery = header.name.starts_with("recovery");
    if named_recovery != (variant == Variant::Recovery) {
        let reason = format!(
            "is the {variant} image by its tags and names itself {:?} in its header",
            header.name
        );
        // A recovery image installed as the host is a rack that does not come up.
        match named_recovery {
            true => findings.problem(ProblemId::ArtifactContents, name, reason),
            false => findings.warning(ProblemId::ArtifactContents, name, reason),
        }
    }
    if is_stand_in(header) {
        warn_of_stand_in(name, findings);
    }
}

/// Says that an image is none.
pub(crate) fn warn_of_stand_in(name: &str, findings: &mut Findings) {
    let reason = "is the published tool's stand-in for an image; no rack boots from it";
    findings.warning(ProblemId::ArtifactStandIn, name, reason);
}

/// Whether a header is that of the published tool's stand-in for an image, which announces more
/// than there is.
fn is_stand_in(header: &Header) -> bool {
    const SIZE: u64 = 4 << 20;
    !header.compressed
        && (header.data_size, header.image_size) == (SIZE, SIZE)
        && header.name.ends_with(" fake123/789fake 1986-12-28 01:23")
}

fn decode(first: &[u8]) -> Result<Header, String> {
    let block: &[u8; HEADER_SIZE] =
        first.try_into().map_err(|_| "is shorter than the header of a phase-2 image".to_owned())?;
    let refuse = |problem: String| format!("as a phase-2 image: {problem}");
    let header = Header::decode(block).map_err(refuse)?;
    let odd = block[8] & !1 != 0 || block[9..16].iter().any(|byte| *byte != 0);
    if odd {
        return Err(refuse("the header has flags that are not known".to_owned()));
    }
    if header.dataset.is_empty() {
        return Err(refuse("the header names no dataset to boot from".to_owned()));
    }
    Ok(header)
}

impl Compressed {
    /// Inflates and hashes a piece of the zlib stream.
    fn inflate(&mut self, mut chunk: &[u8]) -> Result<(), String> {
        let mut out = vec![0; 256 << 10];
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(chunk, &mut out, flate2::FlushDecompress::None)
                .map_err(|error| format!("its compressed data is damaged: {error}"))?;
            let read = (self.inflate.total_in() - read) as usize;
            let written = (self.inflate.total_out() - written) as usize;
            self.hash.update(&out[..written]);
            self.length += written as u64;
            if self.length > self.header.image_size {
                return Err(format!(
                    "its header announces an image of {} bytes, the data gives more",
                    self.header.image_size
                ));
            }
            chunk = &chunk[read..];
            match status {
                flate2::Status::StreamEnd if chunk.is_empty() => {
                    self.ended = true;
                    return Ok(());
                }
                flate2::Status::StreamEnd => {
                    return Err("bytes follow its compressed data".to_owned());
                }
                _ if read == 0 && written == 0 => return Ok(()),
                _ if chunk.is_empty() && written < out.len() => return Ok(()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// An image whose data are compressed, with its header.
    fn compressed(data: &[u8], image_size: u64) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(data).unwrap();
        let stored = zlib.finish().unwrap();
        let header = Header {
            compressed: true,
            data_size: stored.len() as u64,
            image_size,
            target_size: boot_image::phase2::DEFAULT_TARGET_SIZE,
            sha256: Digest::of(data),
            dataset: boot_image::phase2::DATASET.to_owned(),
            name: "recovery test".to_owned(),
        };
        [&header.encode().unwrap()[..], &stored].concat()
    }

    fn judged(image: &[u8], piece: usize) -> Result<Header, String> {
        let mut stream = Stream::default();
        image.chunks(piece).for_each(|chunk| stream.update(chunk));
        let (whole, judged) = stream.finish();
        assert_eq!(whole, Digest::of(image));
        judged
    }

    #[test]
    fn compressed_images_are_judged_to_their_end() {
        let data: Vec<u8> = (0..900_000_u32).map(|number| (number / 999) as u8).collect();
        let good = compressed(&data, 900_000);
        let fail = |image: &[u8]| judged(image, 1000).unwrap_err();
        for piece in [1, 4096, 5000, 1 << 20] {
            assert_eq!(judged(&good, piece).unwrap().image_size, 900_000, "{piece}");
        }
        assert!(fail(&good[..good.len() - 2]).contains("ends early"));
        assert!(fail(&[&good[..], b"more"].concat()).contains("bytes follow"));
        assert!(fail(&compressed(&data, 899_999)).contains("gives more"));
        assert!(fail(&compressed(&data, 900_001)).contains("image of 900001"));
        let mut damaged = good.clone();
        damaged[40] ^= 1;
        assert!(fail(&damaged).contains("sha256"));
        assert!(fail(&good[..4095]).contains("shorter"));
    }
}
