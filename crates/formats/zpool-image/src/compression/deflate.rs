//! Deflate in a zlib stream.

use std::cell::RefCell;

use libdeflater::{CompressionLvl, Compressor};

use crate::Effort;

/// libdeflate's level for `gzip-9`: the densest that pays. Level 11 takes half as much time again
/// for a thousandth of the bytes.
pub const DENSEST: i32 = 10;

thread_local! {
    /// A compressor and its level. It carries nothing from one block to the next but its memory.
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// A zlib stream of at most `limit` bytes.
pub(super) fn compress(bytes: &[u8], level: u8, effort: Effort, limit: usize) -> Option<Vec<u8>> {
    let level = match (effort, level) {
        (Effort::Fast, _) => 1,
        (Effort::Dense, 9..) => DENSEST,
        (Effort::Dense, level) => level.into(),
    };
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some((kept_level, compressor)) if *kept_level == level => compressor,
            _ => {
                let compressor = Compressor::new(CompressionLvl::new(level).ok()?);
                &mut kept.insert((level, compressor)).1
            }
        };
        let mut out = vec![0; limit];
        let length = compressor.zlib_compress(bytes, &mut out).ok()?;
        out.truncate(length);
        Some(out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_stored_the_same_whatever_came_before() {
        let text: Vec<u8> = (0..30_000u32).flat_map(|i| (i * i).to_string().into_bytes()).collect();
        let (one, other) = (&text[..100_000], &text[30_000..90_000]);
        for level in [1, 6, 9] {
            let first = compress(one, level, Effort::Dense, one.len()).unwrap();
            compress(other, level, Effort::Dense, other.len()).unwrap();
            assert_eq!(compress(one, level, Effort::Dense, one.len()).unwrap(), first);
        }
    }
}
