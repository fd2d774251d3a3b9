//! The stored forms of blocks, back to what they were.

use std::io::Read as _;

/// The decompressed block, of exactly `size` bytes; `Err` names a compression that is not known.
pub(super) fn decompress(code: u64, stored: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
    let out = match code {
        2 => Some(stored.to_vec()),
        3 => lzjb(stored, size),
        5..=13 => inflate(stored, size),
        14 => zero_runs(stored, size),
        15 => lz4(stored, size),
        _ => return Err(format!("compression {code}")),
    };
    Ok(out.filter(|out| out.len() == size))
}

/// A zlib stream; what follows it pads the sector.
fn inflate(stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(size);
    let mut decoder = flate2::read::ZlibDecoder::new(stored).take(size as u64 + 1);
    decoder.read_to_end(&mut out).ok()?;
    Some(out)
}

/// LZJB: a byte of flags before each eight items, an item a byte or a copy of 3 to 66 bytes from
/// at most 1023 bytes back.
fn lzjb(stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(size);
    let mut input = stored.iter().copied();
    while out.len() < size {
        let flags = input.next()?;
        for bit in 0..8 {
            if out.len() >= size {
                break;
            }
            let first = input.next()?;
            if flags >> bit & 1 == 0 {
                out.push(first);
                continue;
            }
            let second = input.next()?;
            let length = usize::from(first >> 2) + 3;
            let back = usize::from(first & 3) << 8 | usize::from(second);
            copy_back(&mut out, back, length, size)?;
        }
    }
    Some(out)
}

/// ZLE: a byte up to 63 says how many bytes follow, a larger one how many zeros are meant.
fn zero_runs(stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(size);
    let mut rest = stored;
    while out.len() < size {
        let (first, after) = rest.split_first()?;
        let length = 1 + usize::from(*first);
        if length <= 64 {
            out.extend_from_slice(after.get(..length)?);
            rest = &after[length..];
        } else {
            out.resize(out.len() + length - 64, 0);
            rest = after;
        }
    }
    Some(out)
}

/// LZ4: the length of the block, big-endian, then the block.
fn lz4(stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let (length, rest) = stored.split_first_chunk::<4>()?;
    let mut input = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let mut out = Vec::with_capacity(size);
    loop {
        let token = *input.split_off_first()?;
        let literals = lz4_length(token >> 4, &mut input)?;
        out.extend_from_slice(input.split_off(..literals)?);
        if input.is_empty() {
            return Some(out);
        }
        let back = u16::from_le_bytes(*input.split_off(..2)?.first_chunk()?);
        let length = lz4_length(token & 15, &mut input)?.checked_add(4)?;
        copy_back(&mut out, back.into(), length, size)?;
        if out.len() >= size {
            return Some(out);
        }
    }
}

fn lz4_length(nibble: u8, input: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(nibble);
    if nibble == 15 {
        loop {
            let more = *input.split_off_first()?;
            length += usize::from(more);
            if more != 255 {
                break;
            }
        }
    }
    Some(length)
}

/// Appends bytes that are `back` before the end, never beyond `size`.
fn copy_back(out: &mut Vec<u8>, back: usize, length: usize, size: usize) -> Option<()> {
    let start = out.len().checked_sub(back).filter(|_| back > 0)?;
    for index in start..start + length.min(size - out.len()) {
        out.push(out[index]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_understood() {
        let lzjb = [0b0000_0010, b'a', (3 << 2), 1];
        assert_eq!(decompress(3, &lzjb, 7).unwrap().unwrap(), b"aaaaaaa");
        let zle = [1, b'a', b'b', 64 + 2];
        assert_eq!(decompress(14, &zle, 5).unwrap().unwrap(), b"ab\0\0\0");
        let lz4 = [0, 0, 0, 6, 0x12, b'a', 1, 0, 0x10, b'b'];
        assert_eq!(decompress(15, &lz4, 8).unwrap().unwrap(), b"aaaaaaab");
        assert!(decompress(16, &lz4, 8).is_err());
        assert_eq!(decompress(15, &lz4, 9).unwrap(), None);
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
                let _ = decompress(code, &noise, 512);
            }
        }
    }
}
