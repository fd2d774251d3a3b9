//! The hash of a name: CRC-64 started from the object's salt, cut to its top 28 bits.

/// The reflected polynomial.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ ((value & 1).wrapping_neg() & POLYNOMIAL);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// The hash of a name without its NUL.
pub(crate) fn hash(salt: u64, name: &[u8]) -> u64 {
    let sum = name
        .iter()
        .fold(salt, |sum, byte| (sum >> 8) ^ TABLE[((sum ^ u64::from(*byte)) & 0xff) as usize]);
    sum & !((1 << 36) - 1)
}

/// A salt that is never zero and differs from object to object.
pub(crate) fn salt(object: u64) -> u64 {
    let mut x = object.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_of_the_right_polynomial() {
        assert_eq!(TABLE[128], POLYNOMIAL);
    }

    #[test]
    fn only_the_top_bits_are_kept() {
        let h = hash(salt(1), b"etc");
        assert_ne!(h, 0);
        assert_eq!(h & 0xF_FFFF_FFFF, 0);
    }
}
