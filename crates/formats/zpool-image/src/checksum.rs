//! The two checksums: Fletcher-4 in block pointers, SHA-256 in label trailers.

use sha2::Digest as _;

use crate::bytes::put_words;

/// Four 64-bit words, as a block pointer or a trailer holds them.
pub type Checksum = [u64; 4];

/// The code of Fletcher-4 in a block pointer.
pub(crate) const FLETCHER_4: u64 = 7;

/// The magic number that begins a trailer.
pub(crate) const TRAILER_MAGIC: u64 = 0x0210_da7a_b10c_7a11;
/// Bytes in a trailer: magic and checksum.
pub(crate) const TRAILER_SIZE: usize = 40;

/// Words summed side by side: as many as fill the vector registers every machine has.
const LANES: usize = 4;

/// Fletcher-4 over 32-bit little-endian words, as block pointers hold it. The length is a multiple
/// of 4: bytes beyond the last whole word are left out.
pub fn fletcher_4(bytes: &[u8]) -> Checksum {
    let (words, _) = bytes.as_chunks::<4>();
    let (groups, rest) = words.as_chunks::<LANES>();
    let mut sum = combine(&lanes(groups));
    for word in rest {
        sum[0] = add(sum[0], u32::from_le_bytes(*word).into());
        sum[1] = add(sum[1], sum[0]);
        sum[2] = add(sum[2], sum[1]);
        sum[3] = add(sum[3], sum[2]);
    }
    sum
}

/// The four sums of each lane. On its own, so that they stay in vector registers: seen together
/// with what is done with them, they would be taken for sixteen numbers.
#[inline(never)]
fn lanes(groups: &[[[u8; 4]; LANES]]) -> [[u64; LANES]; 4] {
    let (mut a, mut b, mut c, mut d) = ([0; LANES], [0; LANES], [0; LANES], [0; LANES]);
    for group in groups {
        for lane in 0..LANES {
            a[lane] = add(a[lane], u32::from_le_bytes(group[lane]).into());
        }
        for lane in 0..LANES {
            b[lane] = add(b[lane], a[lane]);
        }
        for lane in 0..LANES {
            c[lane] = add(c[lane], b[lane]);
        }
        for lane in 0..LANES {
            d[lane] = add(d[lane], c[lane]);
        }
    }
    [a, b, c, d]
}

fn add(one: u64, other: u64) -> u64 {
    one.wrapping_add(other)
}

/// The sums over all words from the sums over each fourth word.
///
/// A word that has `n` words from itself to the end counts `n` times in `b`, `n (n + 1) / 2` times
/// in `c` and `n (n + 1) (n + 2) / 6` times in `d`. In lane `i` the `m`th group from the end has
/// `n = 4 m - i`; put in, each of these is a sum of the same three for `m`, with these factors.
fn combine([a, b, c, d]: &[[u64; LANES]; 4]) -> Checksum {
    const C_OF_A: [u64; LANES] = [0, 0, 1, 3];
    const C_OF_B: [u64; LANES] = [6, 10, 14, 18];
    const D_OF_A: [u64; LANES] = [0, 0, 0, 1];
    const D_OF_B: [u64; LANES] = [4, 10, 20, 34];
    const D_OF_C: [u64; LANES] = [48, 64, 80, 96];
    let mut sum = [0u64; 4];
    for lane in 0..LANES {
        let times = |sum: &[u64; LANES], factor: u64| sum[lane].wrapping_mul(factor);
        sum[0] = add(sum[0], a[lane]);
        sum[1] = add(sum[1], times(b, 4).wrapping_sub(times(a, lane as u64)));
        let plus = add(times(c, 16), times(a, C_OF_A[lane]));
        sum[2] = add(sum[2], plus.wrapping_sub(times(b, C_OF_B[lane])));
        let plus = add(times(d, 64), times(b, D_OF_B[lane]));
        let minus = add(times(c, D_OF_C[lane]), times(a, D_OF_A[lane]));
        sum[3] = add(sum[3], plus.wrapping_sub(minus));
    }
    sum
}

/// Fills in the trailer at the end of a label region that will stand at `offset` on the device.
///
/// The sum covers the offset, so that a region copied to another place is not valid there.
pub(crate) fn seal(region: &mut [u8], offset: u64) {
    let trailer = region.len() - TRAILER_SIZE;
    put_words(region, trailer, &[TRAILER_MAGIC, offset, 0, 0, 0]);
    let digest: [u8; 32] = sha2::Sha256::digest(&*region).into();
    let (groups, _) = digest.as_chunks::<8>();
    for (index, group) in groups.iter().enumerate() {
        put_words(region, trailer + 8 + 8 * index, &[u64::from_be_bytes(*group)]);
    }
}

/// Whether a label region that stood at `offset` on a device has its right trailer.
pub(crate) fn is_sealed(region: &[u8], offset: u64) -> bool {
    let mut sealed = region.to_vec();
    region.len() > TRAILER_SIZE && {
        seal(&mut sealed, offset);
        sealed == region
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fletcher_sums_words_in_order() {
        assert_eq!(fletcher_4(&[1, 0, 0, 0, 2, 0, 0, 0]), [3, 4, 5, 6]);
        assert_ne!(fletcher_4(&[1, 0, 0, 0, 2, 0, 0, 0]), fletcher_4(&[2, 0, 0, 0, 1, 0, 0, 0]));
    }

    #[test]
    fn lanes_give_what_one_sum_after_the_other_gives() {
        let mut bytes = Vec::new();
        let mut state = 1u64;
        for count in 0..300 {
            let (mut a, mut b, mut c, mut d) = (0u64, 0u64, 0u64, 0u64);
            for word in bytes.as_chunks::<4>().0 {
                a = a.wrapping_add(u32::from_le_bytes(*word).into());
                b = b.wrapping_add(a);
                c = c.wrapping_add(b);
                d = d.wrapping_add(c);
            }
            assert_eq!(fletcher_4(&bytes), [a, b, c, d], "{count} words");
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.extend_from_slice(&(state >> 32).to_le_bytes()[..4]);
        }
        // Sums that overflow.
        let ones = vec![0xff; 1 << 20];
        let n = (ones.len() / 4) as u128;
        let word = u128::from(u32::MAX);
        let expected = [n, n * (n + 1) / 2, n * (n + 1) * (n + 2) / 6];
        let sum = fletcher_4(&ones);
        for (index, times) in expected.into_iter().enumerate() {
            assert_eq!(sum[index], (times * word) as u64);
        }
    }

    #[test]
    fn a_trailer_depends_on_the_place() {
        let (mut here, mut there) = (vec![0; 1024], vec![0; 1024]);
        seal(&mut here, 0);
        seal(&mut there, 262_144);
        assert_eq!(here[984..992], TRAILER_MAGIC.to_le_bytes());
        assert_ne!(here[992..], there[992..]);
    }
}
