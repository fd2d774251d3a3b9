//! What an input is by its contents; names never matter.

use std::io::Read as _;
use std::path::Path;

use super::{Input, firmware::Firmware};
use crate::Error;
use crate::artifact::Variant;

impl Input {
    /// Recognises an input: a folder of OS images, a CoRIM, a Hubris archive or a zone image, tried
    /// in this order.
    ///
    /// # Errors
    ///
    /// When the path cannot be read or is none of these.
    pub fn guess(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if metadata.is_dir() {
            let image = path.join("zfs.img");
            let header = boot_image::phase2::read_header(&image).map_err(|error| {
                Error::input(path, format!("is no folder of OS images: {}", super::chain(&error)))
            })?;
            let variant =
                if header.name.starts_with("recovery") { Variant::Recovery } else { Variant::Host };
            return Ok(Self::OsImages { directory: path.to_owned(), variant });
        }
        let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
        let mut first = Vec::new();
        file.take(4).read_to_end(&mut first).map_err(Error::io("read", path))?;
        let path = path.to_owned();
        match first[..] {
            [first, ..] if hubris::Corim::may_be(first) => Ok(Self::MeasurementCorpus(path)),
            [b'P', b'K', 3, 4] => {
                let file = std::fs::File::open(&path).map_err(Error::io("read", &path))?;
                let archive = hubris::Archive::read(file)
                    .map_err(|error| Error::input(&path, error.to_string()))?;
                let firmware = Firmware::guess(&archive.image_name)
                    .map_err(|problem| Error::input(&path, problem))?;
                Ok(Self::Firmware { path, firmware: Some(firmware) })
            }
            [0x1f, 0x8b, ..] => Ok(Self::zone(path)),
            _ => Err(Error::input(
                path,
                "is none of the known artifacts: a folder of OS images, a CoRIM, a Hubris archive, \
                 a zone image",
            )),
        }
    }
}
