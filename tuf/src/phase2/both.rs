//! SHA-256 of a file, and of what follows its header, in one pass.
//!
//! Each round of SHA-256 waits for the one before it, so that a processor with instructions for it
//! is idle half of the time. Two of them over the same blocks, round by round by turns, take little
//! longer than one; and what is made of a block before its rounds is made once.

use proto::Digest;
use sha2::block_api::compress256;

/// Bytes of a block.
const BLOCK: usize = 64;

/// The state before the first block (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Both digests while the file streams past.
pub(super) struct Both {
    whole: [u32; 8],
    rest: [u32; 8],
    /// Bytes of the header.
    header: u64,
    /// Bytes behind the header.
    length: u64,
    /// The begin of a block.
    block: [u8; BLOCK],
    filled: usize,
}

impl Both {
    /// Starts behind a header of whole blocks.
    pub(super) fn behind(header: &[[u8; BLOCK]]) -> Self {
        let mut whole = INITIAL;
        compress256(&mut whole, header);
        Self {
            whole,
            rest: INITIAL,
            header: header.as_flattened().len() as u64,
            length: 0,
            block: [0; BLOCK],
            filled: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.filled > 0 {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.block[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled < BLOCK {
                return;
            }
            compress(&mut self.whole, &mut self.rest, &[self.block]);
        }
        let (blocks, tail) = bytes.as_chunks();
        compress(&mut self.whole, &mut self.rest, blocks);
        self.block[..tail.len()].copy_from_slice(tail);
        self.filled = tail.len();
    }

    /// Bytes behind the header.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The digests of all bytes, and of those behind the header.
    pub(super) fn finish(self) -> (Digest, Digest) {
        let tail = &self.block[..self.filled];
        let whole = close(self.whole, tail, self.header + self.length);
        (whole, close(self.rest, tail, self.length))
    }
}

/// The digest of a stream of so many bytes, of which those in `tail` are left.
fn close(mut state: [u32; 8], tail: &[u8], length: u64) -> Digest {
    let mut blocks = [[0; BLOCK]; 2];
    let count = if tail.len() < BLOCK - 8 { 1 } else { 2 };
    let last = blocks[..count].as_flattened_mut();
    last[..tail.len()].copy_from_slice(tail);
    last[tail.len()] = 0x80;
    let (_, end) = last.split_at_mut(count * BLOCK - 8);
    end.copy_from_slice(&(length * 8).to_be_bytes());
    compress256(&mut state, &blocks[..count]);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Digest(digest)
}

/// Takes the same blocks into two states.
fn compress(one: &mut [u32; 8], other: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") {
        // SAFETY: all that the function asks for is that the processor has the instructions, which
        // was asked just before.
        #[expect(
            unsafe_code,
            reason = "only so may a function be called that uses instructions \
                                        that not every processor has"
        )]
        unsafe {
            sha_ni::compress(one, other, blocks);
        }
        return;
    }
    compress256(one, blocks);
    compress256(other, blocks);
}

/// With the instructions for SHA that processors since about 2017 have.
#[cfg(target_arch = "x86_64")]
mod sha_ni {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32,
    };

    use super::BLOCK;

    /// The constants of the rounds, four by four (FIPS 180-4, section 4.2.2).
    const ROUNDS: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// A state as the instructions have it: the words a, b, e, f and c, d, g, h.
    #[derive(Clone, Copy)]
    struct State(__m128i, __m128i);

    impl State {
        #[inline]
        #[target_feature(enable = "sse4.1")]
        fn of(words: &[u32; 8]) -> Self {
            let [a, b, c, d, e, f, g, h] = words.map(u32::cast_signed);
            Self(_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h))
        }

        #[inline]
        #[target_feature(enable = "sse4.1")]
        fn words(self) -> [u32; 8] {
            let Self(abef, cdgh) = self;
            [
                _mm_extract_epi32::<3>(abef),
                _mm_extract_epi32::<2>(abef),
                _mm_extract_epi32::<3>(cdgh),
                _mm_extract_epi32::<2>(cdgh),
                _mm_extract_epi32::<1>(abef),
                _mm_extract_epi32::<0>(abef),
                _mm_extract_epi32::<1>(cdgh),
                _mm_extract_epi32::<0>(cdgh),
            ]
            .map(i32::cast_unsigned)
        }

        /// Four rounds, whose words with their constants are `low` and, in its lower half, `high`.
        #[inline]
        #[target_feature(enable = "sha,sse4.1")]
        fn rounds(&mut self, low: __m128i, high: __m128i) {
            self.1 = _mm_sha256rnds2_epu32(self.1, self.0, low);
            self.0 = _mm_sha256rnds2_epu32(self.0, self.1, high);
        }

        #[inline]
        #[target_feature(enable = "sse4.1")]
        fn add(&mut self, other: Self) {
            self.0 = _mm_add_epi32(self.0, other.0);
            self.1 = _mm_add_epi32(self.1, other.1);
        }
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn words_of(block: &[u8; BLOCK]) -> [__m128i; 4] {
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let (quarters, _) = block.as_chunks::<16>();
        std::array::from_fn(|at| {
            let bytes = u128::from_le_bytes(quarters[at]);
            let halves = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
            _mm_shuffle_epi8(halves, big_endian)
        })
    }

    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn compress(one: &mut [u32; 8], other: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
        let (mut first, mut second) = (State::of(one), State::of(other));
        for block in blocks {
            let before = (first, second);
            let mut w = words_of(block);
            for (number, constants) in ROUNDS.iter().enumerate() {
                let [k0, k1, k2, k3] = constants.map(u32::cast_signed);
                let low = _mm_add_epi32(w[0], _mm_set_epi32(k3, k2, k1, k0));
                let high = _mm_shuffle_epi32::<0x0e>(low);
                first.rounds(low, high);
                second.rounds(low, high);
                // The words of four rounds later take the place of these.
                let next = match number {
                    0..12 => {
                        let sum = _mm_add_epi32(
                            _mm_sha256msg1_epu32(w[0], w[1]),
                            _mm_alignr_epi8::<4>(w[3], w[2]),
                        );
                        _mm_sha256msg2_epu32(sum, w[3])
                    }
                    _ => w[0],
                };
                w = [w[1], w[2], w[3], next];
            }
            first.add(before.0);
            second.add(before.1);
        }
        (*one, *other) = (first.words(), second.words());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_are_what_others_say_at_every_edge() {
        let bytes: Vec<u8> = (0..4096 + 300_u32).map(|number| (number * 7 % 251) as u8).collect();
        for header in [0, 64, 4096] {
            for length in (0..200).chain([256, 299]) {
                let (header, rest) = bytes[..header + length].split_at(header);
                let mut both = Both::behind(header.as_chunks().0);
                both.update(rest);
                assert_eq!(both.length(), length as u64);
                let wanted = (Digest::of(&bytes[..header.len() + length]), Digest::of(rest));
                assert_eq!(both.finish(), wanted, "{} {length}", header.len());
            }
        }
    }

    #[test]
    fn other_processors_get_the_same() {
        let blocks = [[3; BLOCK], [4; BLOCK], [5; BLOCK]];
        let (mut one, mut other) = (INITIAL, [9; 8]);
        compress(&mut one, &mut other, &blocks);
        let (mut alone, mut alone_other) = (INITIAL, [9; 8]);
        compress256(&mut alone, &blocks);
        compress256(&mut alone_other, &blocks);
        assert_eq!((one, other), (alone, alone_other));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            cuts in proptest::collection::vec(0_usize..150, 0..40),
            header in 0_usize..5,
        ) {
            let header = [header as u8; BLOCK].map(|byte| [byte; BLOCK])[..header].to_vec();
            let mut both = Both::behind(&header);
            let mut left = &bytes[..];
            for cut in cuts {
                let (now, later) = left.split_at(cut.min(left.len()));
                both.update(now);
                left = later;
            }
            both.update(left);
            let whole = [header.as_flattened(), &bytes].concat();
            prop_assert_eq!(both.finish(), (Digest::of(&whole), Digest::of(&bytes)));
        }
    }
}
