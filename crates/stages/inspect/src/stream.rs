//! Things that are one stream: boot archives, gzip members, zlib streams.

use std::fs::File;
use std::io::{self, Read};

use boot_image::boot_archive::CHECKSUM_NAME;
use boot_image::cpio;
use proto::Digest;

use crate::damage::IntoDamage;
use crate::inspection::{Inspection, Item, printable};

/// Reads a boot archive, which may come out of a decompressor.
pub(crate) fn boot_archive(inspection: &mut Inspection, input: impl Read) -> io::Result<()> {
    let mut reader = cpio::Reader::new(input, &inspection.path);
    let result = members(&mut reader, |item| inspection.entries.push(item));
    match result {
        Ok(Some(digest)) => inspection.fact("belongs to the image with sha256", digest),
        Ok(None) => {
            let problem = format!("it has no {CHECKSUM_NAME}, so no phase-2 image belongs to it");
            inspection.fact("note", problem);
        }
        Err(error) => inspection.damage.push(error.damage()?),
    }
    Ok(())
}

/// Goes through all members; gives the digest of the phase-2 image that belongs to the archive.
pub(crate) fn members<R: Read>(
    reader: &mut cpio::Reader<R>,
    mut each: impl FnMut(Item),
) -> Result<Option<Digest>, boot_image::Error> {
    let mut digest = None;
    while let Some(member) = reader.next_member()? {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        if name == CHECKSUM_NAME && member.size == 32 {
            let mut bytes = [0; 32];
            let mut filled = 0;
            while filled < bytes.len() {
                filled += reader.read_data(&mut bytes[filled..])?;
            }
            digest = Some(Digest(bytes));
        }
        each(Item {
            name: printable(&name),
            item_type: match member.mode & 0o170_000 {
                0o100_000 => "file",
                0o040_000 => "directory",
                0o120_000 => "symlink",
                _ => "special file",
            }
            .to_owned(),
            size: member.size,
            mode: Some(format!("{:04o}", member.mode & 0o7777)),
            uid: Some(member.uid),
            gid: Some(member.gid),
            mtime: time(i64::try_from(member.mtime).unwrap_or(i64::MAX)),
            ..Item::default()
        });
    }
    Ok(digest)
}

/// A gzip member that holds no tar.
pub(crate) fn gzip(inspection: &mut Inspection, file: File) -> io::Result<()> {
    drain(inspection, gzip::GzipReader::new(file))
}

/// A zlib stream that holds no boot archive.
pub(crate) fn zlib(inspection: &mut Inspection, file: File) -> io::Result<()> {
    drain(inspection, gzip::ZlibReader::new(file))
}

fn drain(inspection: &mut Inspection, mut stream: impl Read) -> io::Result<()> {
    match io::copy(&mut stream, &mut io::sink()) {
        Ok(size) => inspection.fact("uncompressed size", size),
        Err(error) => inspection.damage.push(error.damage()?),
    }
    Ok(())
}

/// What some bytes begin like.
pub(crate) fn word_for(start: &[u8]) -> &'static str {
    match start {
        [] => "nothing",
        [0x7f, b'E', b'L', b'F', ..] => "ELF file",
        _ if start.iter().all(|&b| b == b'\n' || b == b'\t' || (0x20..0x7f).contains(&b)) => "text",
        _ => "other data",
    }
}

/// A time as text, if it is one that can be written.
pub(crate) fn time(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
