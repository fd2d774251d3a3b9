//! The first bytes of a file.

use std::io::{self, Read};

/// Reads up to `most` bytes, fewer only at the end.
pub(crate) fn head(reader: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    reader.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
