//! Build archives.

use std::io::{Read, Seek, SeekFrom};

use zip::ZipArchive;

use crate::{Caboose, Error, image};

/// The comment of an archive, before its version number.
const COMMENT: &[u8] = b"hubris build archive v";
/// The firmware file is a few megabytes with debug sections.
const ELF_LIMIT: u64 = 64 << 20;
const NAME_LIMIT: u64 = 256;

/// A build archive that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The version in the zip's comment.
    pub format: u32,
    /// What the archive is by its member `image-name`.
    pub image_name: ImageName,
    /// The caboose of its firmware.
    pub caboose: Caboose,
}

/// The member `image-name` of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// There is none, as in bootloaders.
    Absent,
    /// `a`: a root of trust image for slot a.
    A,
    /// `b`: the same for slot b.
    B,
    /// `default`: a service processor image.
    Default,
    /// Something else.
    Other(String),
}

impl Archive {
    /// Reads an archive. Memory: the size of the firmware file, at most 64 MiB.
    ///
    /// # Errors
    ///
    /// When it is no zip with the right comment, has no readable firmware, or that has no sound
    /// caboose.
    pub fn read(mut reader: impl Read + Seek) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Archive(problem);
        let mut zip = ZipArchive::new(&mut reader).map_err(|error| wrong(error.to_string()))?;
        let format = zip
            .comment()
            .strip_prefix(COMMENT)
            .and_then(|version| std::str::from_utf8(version).ok()?.parse().ok())
            .ok_or_else(|| wrong("its comment does not say so".to_owned()))?;
        let elf = member(&mut zip, "img/final.elf", ELF_LIMIT)?
            .ok_or_else(|| wrong("it has no img/final.elf".to_owned()))?;
        let image = image::from_elf(&elf)?;
        drop(elf);
        let caboose = Caboose::parse(&image[image::caboose(&image)?])?;
        let image_name = match member(&mut zip, "image-name", NAME_LIMIT)?.as_deref() {
            None => ImageName::Absent,
            Some(b"a") => ImageName::A,
            Some(b"b") => ImageName::B,
            Some(b"default") => ImageName::Default,
            Some(other) => ImageName::Other(other.escape_ascii().to_string()),
        };
        let (named, comment) = (zip.len(), zip.comment().len());
        drop(zip);
        let listed = listed(&mut reader, comment).map_err(|error| wrong(error.to_string()))?;
        if listed != named {
            return Err(wrong(format!("it lists {listed} members under {named} names")));
        }
        Ok(Self { format, image_name, caboose })
    }
}

/// How many members the end record counts, the last of which of one name is all that a reader by
/// name sees.
fn listed(reader: &mut (impl Read + Seek), comment: usize) -> std::io::Result<usize> {
    /// From the count of members to the comment.
    const BEHIND: i64 = 12;
    let mut count = [0; 2];
    reader.seek(SeekFrom::End(-BEHIND - comment as i64))?;
    reader.read_exact(&mut count)?;
    Ok(usize::from(u16::from_le_bytes(count)))
}

/// Reads a member, if it is there, without trusting its size.
fn member<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, Error> {
    let wrong = |problem: String| Error::Archive(format!("{name}: {problem}"));
    let Some(index) = zip.index_for_name(name) else { return Ok(None) };
    let entry = zip.by_index(index).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    entry.take(limit + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(wrong(format!("is larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::Fake;

    fn read(bytes: &[u8]) -> Result<Archive, Error> {
        Archive::read(Cursor::new(bytes))
    }

    #[test]
    fn fakes_read_back() {
        let fake = Fake::new("SimRot", "1.2.3-0.ci");
        let archive = read(&fake.archive()).unwrap();
        assert_eq!((archive.format, archive.image_name), (0, ImageName::Absent));
        assert_eq!(archive.caboose.name().unwrap(), "SimRot");
        assert_eq!(archive.caboose.signer().unwrap(), None);

        let rkth = "0".repeat(64);
        let fake = Fake { image_name: Some("b"), signer: Some(&rkth), name: "lab", ..fake };
        let archive = read(&fake.archive()).unwrap();
        assert_eq!(archive.image_name, ImageName::B);
        assert_eq!(archive.caboose.name().unwrap(), "lab");
        assert_eq!(archive.caboose.signer().unwrap(), Some(&rkth[..]));
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let good = Fake { image_name: Some("a"), ..Fake::new("SimRot", "1.0.0") }.archive();
        let mut writer = zip::ZipWriter::new_append(Cursor::new(good)).unwrap();
        writer.start_file("image-nam2", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, b"b").unwrap();
        let mut bytes = writer.finish().unwrap().into_inner();
        assert_eq!(read(&bytes).unwrap().image_name, ImageName::A);
        while let Some(at) = bytes.windows(10).position(|name| name == b"image-nam2") {
            bytes[at + 9] = b'e';
        }
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains("members under"), "{error}");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(read(b"").is_err());
        assert!(read(b"PK\x05\x06").is_err());
        let good = Fake::new("SimRot", "1.0.0").archive();
        assert!(read(&good[..good.len() - 1]).is_err());
        let mut other = good.clone();
        let at = other.len() - 2;
        other[at] = b'x';
        assert!(read(&other).unwrap_err().to_string().contains("comment"));
    }
}
