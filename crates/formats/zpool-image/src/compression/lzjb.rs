//! LZJB: a byte of eight flags, then for each flag a literal byte or a match in two bytes, 6 bits
//! of length and 10 bits of distance.

/// Bits of a match's length, and the shortest one.
const LENGTH_BITS: u32 = 6;
const SHORTEST: usize = 3;
const LONGEST: usize = SHORTEST + (1 << LENGTH_BITS) - 1;
/// The farthest distance of a match.
const FARTHEST: usize = (1 << (16 - LENGTH_BITS)) - 1;
/// Places remembered, by a hash of three bytes.
const TABLE_BITS: u32 = 12;

/// At most `limit` bytes.
pub(super) fn compress(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit + 2 * 8 + 1);
    // Places count from 1; 0 is none.
    let mut table = [0u32; 1 << TABLE_BITS];
    let mut at = 0;
    while at < bytes.len() {
        let flags = out.len();
        out.push(0);
        for bit in 0..8 {
            if at == bytes.len() {
                break;
            }
            match longest_match(bytes, at, &mut table) {
                Some((length, distance)) => {
                    out[flags] |= 1 << bit;
                    let code = (length - SHORTEST) << 10 | distance;
                    out.extend_from_slice(&(code as u16).to_be_bytes());
                    at += length;
                }
                None => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

/// The length and distance of the match with the last place of the same hash.
fn longest_match(bytes: &[u8], at: usize, table: &mut [u32]) -> Option<(usize, usize)> {
    let rest = &bytes[at..];
    let [a, b, c] = *rest.first_chunk()?;
    let key = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS);
    let before = std::mem::replace(&mut table[key as usize], at as u32 + 1);
    let before = (before as usize).checked_sub(1)?;
    let distance = at - before;
    if distance > FARTHEST {
        return None;
    }
    let equal = rest.iter().zip(&bytes[before..]).take(LONGEST).take_while(|(a, b)| a == b).count();
    (equal >= SHORTEST).then_some((equal, distance))
}
