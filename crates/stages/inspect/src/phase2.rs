//! Phase-2 images: the header, the digest in it, and the pool behind it.

use std::fs::File;
use std::io::{self, Read};

use boot_image::phase2::{self, HEADER_SIZE, Header};

use crate::damage::IntoDamage;
use crate::inspection::{Inspection, printable};
use crate::{Damage, pool};

pub(crate) fn look(inspection: &mut Inspection, mut file: File) -> io::Result<()> {
    let mut block = [0; HEADER_SIZE];
    let header = match file.read_exact(&mut block) {
        Ok(()) => Header::decode(&block),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(format!("the header is cut short: {HEADER_SIZE} bytes are needed"))
        }
        Err(error) => return Err(error),
    };
    let header = match header {
        Ok(header) => header,
        Err(problem) => {
            inspection.damage.push(Damage::new(problem).inside("header"));
            return Ok(());
        }
    };
    for (name, value) in facts(&header) {
        inspection.fact(name, value);
    }
    if let Err(problem) = header.check_length(inspection.size) {
        inspection.damage.push(Damage::new(problem).at(inspection.size));
        return Ok(());
    }
    if header.compressed {
        let directory = tempfile::tempdir()?;
        let pool = directory.path().join("zfs.img");
        match phase2::extract(&inspection.path, &pool) {
            Ok(_) => pool::look(inspection, File::open(&pool)?, 0, header.image_size)?,
            Err(error) => inspection.damage.push(error.damage()?.inside("data")),
        }
    } else if let Err(error) = header.verify(file.try_clone()?, &inspection.path) {
        inspection.damage.push(error.damage()?.inside("data"));
    } else {
        pool::look(inspection, file, HEADER_SIZE as u64, header.image_size)?;
    }
    Ok(())
}

/// What a header says.
pub(crate) fn facts(header: &Header) -> Vec<(&'static str, String)> {
    vec![
        ("name", printable(&header.name)),
        ("dataset", printable(&header.dataset)),
        ("stored", if header.compressed { "compressed (zlib)" } else { "raw" }.to_owned()),
        ("image size", header.image_size.to_string()),
        ("ramdisk size", header.target_size.to_string()),
        ("sha256 of the image", header.sha256.to_string()),
    ]
}
