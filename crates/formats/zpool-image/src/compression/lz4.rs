//! LZ4: the length as a big-endian number, then one block of the raw format.

use lz4_flex::block::{compress_into, get_maximum_output_size};

/// At most `limit` bytes.
pub(super) fn compress(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; 4 + get_maximum_output_size(bytes.len())];
    let length = compress_into(bytes, &mut out[4..]).ok().filter(|length| 4 + length <= limit)?;
    out[..4].copy_from_slice(&(length as u32).to_be_bytes());
    out.truncate(4 + length);
    Some(out)
}
