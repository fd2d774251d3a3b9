//! Zero-length encoding: runs of zeros are counted, everything else is literal.

/// A control byte below this is followed by one more literal byte than it says; one from here on
/// stands for zeros, one for the first.
const LITERALS: usize = 64;
/// The longest run of zeros of one control byte.
const MOST_ZEROS: usize = 256 - LITERALS;

/// At most `limit` bytes.
pub(super) fn compress(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit);
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let is_zeros = *first == 0;
        let most = if is_zeros { MOST_ZEROS } else { LITERALS };
        let run = rest.iter().take(most).take_while(|byte| (**byte == 0) == is_zeros).count();
        if is_zeros {
            out.push((LITERALS + run - 1) as u8);
        } else {
            out.push((run - 1) as u8);
            out.extend_from_slice(&rest[..run]);
        }
        if out.len() > limit {
            return None;
        }
        rest = &rest[run..];
    }
    Some(out)
}
