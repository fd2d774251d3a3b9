//! Finds out what a file is from its first bytes, and has it read accordingly.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::damage::IntoDamage;
use crate::inspection::{Inspection, Kind};
use crate::{Error, phase2, pool, stream, tar, text, zip_file};

/// Enough to see the beginning of every format but a pool.
const START: usize = 512;

/// Says what a file is, what is in it, and what is broken in it.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection, Error> {
    let path = path.as_ref();
    let examine = || Error::io("examine", path);
    let metadata = std::fs::metadata(path).map_err(examine())?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "directory" } else { "special file" };
        return Err(Error::NoFile { path: path.to_owned(), found });
    }
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut inspection = Inspection::new(path.to_owned(), metadata.len());
    let start = beginning(&mut file).map_err(Error::io("read", path))?;
    look(&mut inspection, file, &start)
        .map_err(Error::io("read", path))?
        .then_some(inspection)
        .ok_or(Error::Unknown { path: path.to_owned(), found: describe(&start) })
}

/// Reads the first bytes and goes back to the start.
fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    file.by_ref().take(START as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// Fills in everything; `false` if the format is not known.
fn look(inspection: &mut Inspection, mut file: File, start: &[u8]) -> io::Result<bool> {
    if start.starts_with(&boot_image::phase2::MAGIC.to_le_bytes()) {
        inspection.kind = Kind::Phase2;
        phase2::look(inspection, file)?;
    } else if start.starts_with(b"070707") {
        inspection.kind = Kind::BootArchive;
        stream::boot_archive(inspection, file)?;
    } else if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        inspection.kind = Kind::Zip;
        zip_file::look(inspection, file)?;
    } else if start.starts_with(&[0x1f, 0x8b]) {
        inspection.fact("compression", "gzip");
        let inner = peek(gzip::GzipReader::new(&mut file));
        file.rewind()?;
        match inner {
            Ok(inner) if tar::is_tar(&inner) => tar::look(inspection, file)?,
            Ok(_) => {
                inspection.kind = Kind::Gzip;
                stream::gzip(inspection, file)?;
            }
            Err(error) => {
                inspection.kind = Kind::Gzip;
                inspection.damage.push(error.damage()?);
            }
        }
    } else if tar::is_tar(start) {
        tar::look(inspection, file)?;
    } else if is_zlib(start) {
        inspection.fact("compression", "zlib");
        let inner = peek(gzip::ZlibReader::new(&mut file));
        file.rewind()?;
        match inner {
            Ok(inner) if inner.starts_with(b"070707") => {
                inspection.kind = Kind::CompressedBootArchive;
                stream::boot_archive(inspection, gzip::ZlibReader::new(file))?;
            }
            Ok(inner) => {
                inspection.kind = Kind::Zlib;
                inspection.fact("content", stream::word_for(&inner));
                stream::zlib(inspection, file)?;
            }
            Err(error) => {
                inspection.kind = Kind::Zlib;
                inspection.damage.push(error.damage()?);
            }
        }
    } else if pool::is_pool(&mut file)? {
        inspection.kind = Kind::Pool;
        let size = inspection.size;
        pool::look(inspection, file, 0, size)?;
    } else if text::is_manifest(start) {
        inspection.kind = Kind::PackageManifest;
        text::look(inspection, file)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// The first bytes of a stream.
fn peek(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    stream.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// A zlib header is only two bytes; the window of 32 KiB is what everybody writes.
fn is_zlib(start: &[u8]) -> bool {
    matches!(start, [0x78, flags, ..] if flags & 0x20 == 0
        && (0x7800 + u16::from(*flags)).is_multiple_of(31))
}

fn describe(start: &[u8]) -> String {
    match start {
        [] => "it is empty".to_owned(),
        bytes => {
            let shown: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            format!("it begins with {}", shown.join(" "))
        }
    }
}
