//! The firmware image inside an ELF file, and where its caboose lies.

use std::ops::Range;

use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::read::{Object as _, ObjectSection as _, SectionFlags};

use crate::Error;

/// Flash is small; an image that spans more is damaged.
const LIMIT: u64 = 16 << 20;
/// Where the header may lie, depending on the chip's vector table.
const HEADER_OFFSETS: [usize; 4] = [0xbc, 0xc0, 0x130, 0x298];
const HEADER_MAGICS: [u32; 2] = [0x1535_6637, 0x64CE_D6CA];
const CABOOSE_MAGIC: u32 = 0xCAB0_005E;

/// Builds the image from an ELF file: the sections that are loaded and writable and nothing else,
/// by address.
pub(crate) fn from_elf(elf: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = |problem: String| Error::Image(problem);
    let file = object::File::parse(elf).map_err(|error| wrong(error.to_string()))?;
    let mut sections = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            return Err(wrong("is no ELF file".to_owned()));
        };
        if sh_flags != (SHF_WRITE | SHF_ALLOC) || section.size() == 0 {
            continue;
        }
        let data = section.data().map_err(|error| wrong(error.to_string()))?;
        sections.push((section.address(), data));
    }
    sections.sort_by_key(|(address, _)| *address);
    let Some(&(start, _)) = sections.first() else {
        return Err(wrong("has no section of an image".to_owned()));
    };
    let mut image = Vec::new();
    for (address, data) in sections {
        let at = address - start;
        if at + data.len() as u64 > LIMIT {
            return Err(wrong(format!("its sections span more than {LIMIT} bytes")));
        }
        if image.len() as u64 > at {
            return Err(wrong(format!("two sections overlap at address {address:#x}")));
        }
        image.resize(at as usize, 0xff);
        image.extend(data);
    }
    Ok(image)
}

/// The bytes of the caboose in an image.
pub(crate) fn caboose(image: &[u8]) -> Result<Range<usize>, Error> {
    let wrong = |problem: String| Error::Caboose(problem);
    let word = |at: usize| {
        let bytes = image.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let header =
        HEADER_OFFSETS.iter().find(|&&at| word(at).is_some_and(|w| HEADER_MAGICS.contains(&w)));
    let Some(size) = header.and_then(|at| word(at + 4)) else {
        return Err(wrong("the image has no header".to_owned()));
    };
    let end = (size as usize).checked_sub(4).filter(|end| *end < image.len());
    let Some((end, length)) = end.and_then(|end| Some((end, word(end)?))) else {
        return Err(wrong(format!("the header gives {size} bytes, the image has {}", image.len())));
    };
    let start = (size as usize).checked_sub(length as usize);
    let Some(start) = start.filter(|start| start + 4 <= end) else {
        return Err(wrong(format!("its length of {length} bytes does not fit the image")));
    };
    if word(start) != Some(CABOOSE_MAGIC) {
        return Err(wrong("the image has none".to_owned()));
    }
    Ok(start + 4..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panics(mut image in proptest::collection::vec(any::<u8>(), 0x300..0x400), size in any::<u16>(), length in any::<u16>()) {
            image[0x298..0x29c].copy_from_slice(&0x64CE_D6CA_u32.to_le_bytes());
            image[0x29c..0x2a0].copy_from_slice(&u32::from(size).to_le_bytes());
            if let Some(end) = usize::from(size).checked_sub(4).and_then(|end| image.get_mut(end..end + 4)) {
                end.copy_from_slice(&u32::from(length).to_le_bytes());
            }
            if let Ok(range) = caboose(&image) {
                prop_assert!(range.start <= range.end && range.end < image.len());
            }
            let _ = from_elf(&image);
        }
    }
}
