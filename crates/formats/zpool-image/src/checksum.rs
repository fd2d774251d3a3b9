//! The two checksums: Fletcher-4 in block pointers, SHA-256 in label trailers.

use sha2::Digest as _;

use crate::bytes::put_words;

/// Four 64-bit words, as a block pointer or a trailer holds them.
pub(crate) type Checksum = [u64; 4];

/// The code of Fletcher-4 in a block pointer.
pub(crate) const FLETCHER_4: u64 = 7;

/// The magic number that begins a trailer.
const TRAILER_MAGIC: u64 = 0x0210_da7a_b10c_7a11;
/// Bytes in a trailer: magic and checksum.
const TRAILER_SIZE: usize = 40;

/// Fletcher-4 over 32-bit little-endian words; the length is a multiple of 4.
pub(crate) fn fletcher_4(bytes: &[u8]) -> Checksum {
    let (mut a, mut b, mut c, mut d) = (0u64, 0u64, 0u64, 0u64);
    let (words, _) = bytes.as_chunks::<4>();
    for word in words {
        a = a.wrapping_add(u32::from_le_bytes(*word).into());
        b = b.wrapping_add(a);
        c = c.wrapping_add(b);
        d = d.wrapping_add(c);
    }
    [a, b, c, d]
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
    fn a_trailer_depends_on_the_place() {
        let (mut here, mut there) = (vec![0; 1024], vec![0; 1024]);
        seal(&mut here, 0);
        seal(&mut there, 262_144);
        assert_eq!(here[984..992], TRAILER_MAGIC.to_le_bytes());
        assert_ne!(here[992..], there[992..]);
    }
}
