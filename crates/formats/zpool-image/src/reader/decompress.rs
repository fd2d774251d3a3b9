//! The stored forms of blocks, back to what they were.

use std::cell::RefCell;

use libdeflater::Decompressor;

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Fills `out` with the decompressed block; `false` when that is not exactly as long. `Err` names
/// a compression that is not known.
pub(super) fn decompress(code: u64, stored: &[u8], out: &mut [u8]) -> Result<bool, String> {
    Ok(match code {
        2 if stored.len() == out.len() => {
            out.copy_from_slice(stored);
            true
        }
        2 => false,
        3 => lzjb(stored, out).is_some(),
        5..=13 => inflate(stored, out),
        14 => zero_runs(stored, out).is_some(),
        15 => lz4(stored, out).is_some(),
        _ => return Err(format!("compression {code}")),
    })
}

/// A zlib stream; what follows it pads the sector.
fn inflate(stored: &[u8], out: &mut [u8]) -> bool {
    let size = out.len();
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.zlib_decompress(stored, out).is_ok_and(|written| written == size)
    })
}

/// LZJB: a byte of flags before each eight items, an item a byte or a copy of 3 to 66 bytes from
/// at most 1023 bytes back.
fn lzjb(stored: &[u8], out: &mut [u8]) -> Option<()> {
    let (mut rest, mut at) = (stored, 0);
    while at < out.len() {
        let flags = *rest.split_off_first()?;
        if flags == 0
            && let (Some(items), Some(place)) = (rest.get(..8), out.get_mut(at..at + 8))
        {
            place.copy_from_slice(items);
            (rest, at) = (&rest[8..], at + 8);
            continue;
        }
        for bit in 0..8 {
            if at >= out.len() {
                break;
            }
            let first = *rest.split_off_first()?;
            if flags >> bit & 1 == 0 {
                out[at] = first;
                at += 1;
                continue;
            }
            let second = *rest.split_off_first()?;
            let back = usize::from(first & 3) << 8 | usize::from(second);
            let length = (usize::from(first >> 2) + 3).min(out.len() - at);
            let from = at.checked_sub(back).filter(|_| back > 0)?;
            // Where the bytes overlap, what was copied is copied on, twice as much each time.
            let mut done = 0;
            while done < length {
                let count = (length - done).min(back + done);
                out.copy_within(from..from + count, at + done);
                done += count;
            }
            at += length;
        }
    }
    Some(())
}

/// ZLE: a byte up to 63 says how many bytes follow, a larger one how many zeros are meant.
fn zero_runs(stored: &[u8], out: &mut [u8]) -> Option<()> {
    let (mut rest, mut left) = (stored, out);
    while !left.is_empty() {
        let (first, after) = rest.split_first()?;
        let length = 1 + usize::from(*first);
        if length <= 64 {
            left.split_off_mut(..length)?.copy_from_slice(after.get(..length)?);
            rest = &after[length..];
        } else {
            left.split_off_mut(..length - 64)?.fill(0);
            rest = after;
        }
    }
    Some(())
}

/// LZ4: the length of the block, big-endian, then the block.
fn lz4(stored: &[u8], out: &mut [u8]) -> Option<()> {
    let (length, rest) = stored.split_first_chunk::<4>()?;
    let block = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let written = lz4_flex::block::decompress_into(block, out).ok()?;
    (written == out.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(code: u64, stored: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut out = vec![0xee; size];
        decompress(code, stored, &mut out).unwrap().then_some(out)
    }

    #[test]
    fn each_form_is_understood() {
        let lzjb = [0b0000_0010, b'a', (3 << 2), 1];
        assert_eq!(whole(3, &lzjb, 7).unwrap(), b"aaaaaaa");
        let zle = [1, b'a', b'b', 64 + 2];
        assert_eq!(whole(14, &zle, 5).unwrap(), b"ab\0\0\0");
        // What a block ends with is literals, five of them after a copy.
        let lz4 = [0, 0, 0, 10, 0x12, b'a', 1, 0, 0x50, b'b', b'b', b'b', b'b', b'b'];
        assert_eq!(whole(15, &lz4, 12).unwrap(), b"aaaaaaabbbbb");
        assert!(decompress(16, &lz4, &mut [0; 8]).is_err());
        assert_eq!(whole(15, &lz4, 13), None);
        assert_eq!(whole(15, &lz4, 11), None);
        assert_eq!(whole(2, b"abc", 3).unwrap(), b"abc");
        assert_eq!(whole(2, b"abc", 4), None);
    }

    #[test]
    fn a_zlib_stream_is_read_to_its_end_whatever_pads_it() {
        let text = b"some text, some text, some text".repeat(20);
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut stored = vec![0; compressor.zlib_compress_bound(text.len())];
        let length = compressor.zlib_compress(&text, &mut stored).unwrap();
        stored.truncate(length);
        stored.resize(512, 0);
        assert_eq!(whole(9, &stored, text.len()).as_ref(), Some(&text));
        assert_eq!(whole(9, &stored, text.len() - 1), None);
        assert_eq!(whole(9, &stored, text.len() + 1), None);
        stored[20] ^= 1;
        assert_eq!(whole(9, &stored, text.len()), None);
    }

    #[test]
    fn noise_is_refused_or_read_but_never_panics() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8 & if state >> 40 & 1 == 0 { 0x0f } else { 0xff }
                })
                .collect();
            for code in [3, 9, 14, 15] {
                let _ = whole(code, &noise, 512);
            }
        }
    }
}
