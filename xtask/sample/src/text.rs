//! Invented words and random bytes, the same each time.

/// A generator of numbers (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    /// The sequence number `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.number() >> 33) as usize % limit
    }

    /// Bytes that do not compress.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..count.div_ceil(8)).flat_map(|_| self.number().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }
}

/// A word of two to four syllables.
pub(crate) fn word(dice: &mut Dice) -> String {
    const STARTS: [&str; 14] =
        ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v"];
    const ENDS: [&str; 10] = ["a", "e", "i", "o", "u", "an", "el", "ir", "om", "us"];
    (0..2 + dice.below(3))
        .flat_map(|_| [STARTS[dice.below(STARTS.len())], ENDS[dice.below(ENDS.len())]])
        .collect()
}
