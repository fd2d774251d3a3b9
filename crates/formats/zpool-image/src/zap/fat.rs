//! Fat ZAPs: a header with a table of hash prefixes, and leaves of 24-byte chunks.

use super::{Differentiator, Entry, Value, Zap, hash::hash};
use crate::bytes::{put_u16, put_u32, put_u64, put_words};

const HEADER: u64 = 0x8000_0000_0000_0001;
const HEADER_MAGIC: u64 = 0x2_F52A_B2AB;
const LEAF: u64 = 0x8000_0000_0000_0000;
const LEAF_MAGIC: u32 = 0x02AB_1EAF;

const CHUNK: usize = 24;
const CHUNK_ENTRY: u8 = 252;
const CHUNK_ARRAY: u8 = 251;
const CHUNK_FREE: u8 = 253;
/// Payload bytes of an array chunk.
const ARRAY_BYTES: usize = 21;
/// Ends every list of chunks.
const END: u16 = 0xFFFF;

/// Block sizes as powers of two: what OpenZFS takes, up to the largest block. A larger block has
/// room for a larger prefix table, so that the table never needs blocks of its own.
const SHIFTS: std::ops::RangeInclusive<u32> = 14..=17;

/// An entry with what placing it needs.
struct Placed<'a> {
    hash: u64,
    differentiator: u32,
    name: &'a [u8],
    integer_size: u8,
    count: u16,
    value: Vec<u8>,
}

/// The entries of one leaf: a hash prefix of some bits.
struct Leaf<'a> {
    prefix: u64,
    prefix_bits: u32,
    entries: &'a [Placed<'a>],
}

/// The fat ZAP with these entries, if the largest block's table can address them.
pub(super) fn build(entries: &[Entry<'_>], salt: u64) -> Option<Zap> {
    let mut placed: Vec<Placed<'_>> = entries.iter().map(|e| Placed::new(e, salt)).collect();
    placed.sort_by(|a, b| (a.hash, a.name).cmp(&(b.hash, b.name)));
    let mut differentiator = Differentiator::new();
    for entry in &mut placed {
        entry.differentiator = differentiator.number(entry.hash);
    }
    SHIFTS.into_iter().find_map(|shift| {
        let mut leaves = Vec::new();
        split(&placed, 0, 0, shift, &mut leaves)
            .then(|| assemble(&leaves, placed.len(), shift, salt))
    })
}

impl<'a> Placed<'a> {
    fn new(entry: &Entry<'a>, salt: u64) -> Self {
        let (integer_size, count, value) = match entry.value {
            Value::Number(number) => (8, 1, number.to_be_bytes().to_vec()),
            Value::Bytes(bytes) => (1, bytes.len(), bytes.to_vec()),
            Value::Shorts(shorts) => {
                (2, shorts.len(), shorts.iter().flat_map(|s| s.to_be_bytes()).collect())
            }
        };
        let (hash, name) = (hash(salt, entry.name), entry.name);
        Self { hash, differentiator: 0, name, integer_size, count: count as u16, value }
    }

    fn chunks(&self) -> usize {
        1 + (self.name.len() + 1).div_ceil(ARRAY_BYTES) + self.value.len().div_ceil(ARRAY_BYTES)
    }
}

fn chunks_per_leaf(shift: u32) -> usize {
    ((1 << shift) - 2 * (1 << (shift - 5))) / CHUNK - 2
}

/// Halves a range of hashes until every leaf fits; false when the table has too few bits for that.
fn split<'a>(
    entries: &'a [Placed<'a>],
    prefix: u64,
    prefix_bits: u32,
    shift: u32,
    leaves: &mut Vec<Leaf<'a>>,
) -> bool {
    let needed: usize = entries.iter().map(Placed::chunks).sum();
    if needed <= chunks_per_leaf(shift) {
        leaves.push(Leaf { prefix, prefix_bits, entries });
        return true;
    }
    if prefix_bits == shift - 4 {
        return false;
    }
    let bit = 1 << (63 - prefix_bits);
    let middle = entries.partition_point(|entry| entry.hash & bit == 0);
    let (low, high) = entries.split_at(middle);
    split(low, prefix << 1, prefix_bits + 1, shift, leaves)
        && split(high, prefix << 1 | 1, prefix_bits + 1, shift, leaves)
}

fn assemble(leaves: &[Leaf<'_>], entries: usize, shift: u32, salt: u64) -> Zap {
    let block_size = 1usize << shift;
    let mut bytes = vec![0; block_size * (1 + leaves.len())];
    let (header, blocks) = bytes.split_at_mut(block_size);
    let table_bits = shift - 4;
    let count = leaves.len() as u64;
    put_words(header, 0, &[HEADER, HEADER_MAGIC]);
    put_words(header, 32, &[table_bits.into(), 0, 0, 1 + count, count, entries as u64, salt]);
    let mut slot = 0;
    for (index, leaf) in leaves.iter().enumerate() {
        for _ in 0..1u64 << (table_bits - leaf.prefix_bits) {
            put_u64(header, block_size / 2 + 8 * slot, 1 + index as u64);
            slot += 1;
        }
    }
    for (block, leaf) in blocks.chunks_exact_mut(block_size).zip(leaves) {
        leaf.write(block, shift);
    }
    Zap { block_size, bytes }
}

impl Leaf<'_> {
    fn write(&self, block: &mut [u8], shift: u32) {
        let hash_bits = shift - 5;
        let heads = 48;
        let chunks = heads + 2 * (1 << hash_bits);
        let total = chunks_per_leaf(shift);
        block[heads..chunks].fill(0xFF);

        let mut next = 0usize;
        for entry in self.entries {
            let slot = (entry.hash << self.prefix_bits) >> (64 - hash_bits);
            let head = heads + 2 * slot as usize;
            let (this, name) = (next, next + 1);
            let value = name + (entry.name.len() + 1).div_ceil(ARRAY_BYTES);
            let at = chunks + CHUNK * this;
            block[at] = CHUNK_ENTRY;
            block[at + 1] = entry.integer_size;
            block.copy_within(head..head + 2, at + 2);
            put_u16(block, head, this as u16);
            put_u16(block, at + 4, name as u16);
            put_u16(block, at + 6, entry.name.len() as u16 + 1);
            put_u16(block, at + 8, value as u16);
            put_u16(block, at + 10, entry.count);
            put_u32(block, at + 12, entry.differentiator);
            put_u64(block, at + 16, entry.hash);
            let terminated: Vec<u8> = entry.name.iter().copied().chain([0]).collect();
            put_array(block, chunks, name, &terminated);
            put_array(block, chunks, value, &entry.value);
            next += entry.chunks();
        }
        for free in next..total {
            let at = chunks + CHUNK * free;
            block[at] = CHUNK_FREE;
            let following = if free + 1 < total { free as u16 + 1 } else { END };
            put_u16(block, at + 22, following);
        }

        put_words(block, 0, &[LEAF, 0, self.prefix]);
        put_u32(block, 24, LEAF_MAGIC);
        put_u16(block, 28, (total - next) as u16);
        put_u16(block, 30, self.entries.len() as u16);
        put_u16(block, 32, self.prefix_bits as u16);
        put_u16(block, 34, if next < total { next as u16 } else { END });
    }
}

fn put_array(block: &mut [u8], chunks: usize, first: usize, bytes: &[u8]) {
    let count = bytes.len().div_ceil(ARRAY_BYTES);
    for (index, part) in bytes.chunks(ARRAY_BYTES).enumerate() {
        let at = chunks + CHUNK * (first + index);
        block[at] = CHUNK_ARRAY;
        block[at + 1..at + 1 + part.len()].copy_from_slice(part);
        let following = if index + 1 < count { (first + index) as u16 + 1 } else { END };
        put_u16(block, at + 22, following);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(zap: &Zap, at: usize) -> u64 {
        u64::from_le_bytes(zap.bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn every_table_slot_names_the_leaf_of_its_prefix() {
        let names: Vec<String> = (0..5000).map(|i| format!("a name of some length {i}")).collect();
        let entries: Vec<_> = names.iter().map(|name| Entry::number(name, 7)).collect();
        let zap = build(&entries, 99).unwrap();
        let (bits, leaves) = (word(&zap, 32), word(&zap, 64));
        assert_eq!(word(&zap, 72), 5000);
        assert_eq!(zap.bytes.len(), zap.block_size * (1 + leaves as usize));
        for slot in 0..1u64 << bits {
            let leaf = word(&zap, zap.block_size / 2 + 8 * slot as usize) as usize;
            assert!((1..=leaves as usize).contains(&leaf));
            let block = leaf * zap.block_size;
            let prefix_bits =
                u16::from_le_bytes(zap.bytes[block + 32..block + 34].try_into().unwrap());
            assert_eq!(word(&zap, block + 16), slot >> (bits - u64::from(prefix_bits)));
        }
    }

    #[test]
    fn large_directories_take_larger_blocks() {
        let names: Vec<String> = (0..200_000).map(|i| format!("{i:060}")).collect();
        let entries: Vec<_> = names.iter().map(|name| Entry::number(name, 7)).collect();
        assert!(build(&entries, 5).unwrap().block_size > 1 << 14);
    }
}
