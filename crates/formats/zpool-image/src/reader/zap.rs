//! Names and values of ZAP objects.

use super::block::Storage;
use super::fields::{u16_at, u64_at};
use super::object::Object;
use crate::Error;

const MICRO: u64 = 0x8000_0000_0000_0003;
const HEADER: u64 = 0x8000_0000_0000_0001;
const LEAF: u64 = 0x8000_0000_0000_0000;
const END: u16 = 0xFFFF;
const CHUNK: usize = 24;

/// A name with its value: numbers of some bytes each, big-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) integer_size: usize,
    pub(super) value: Vec<u8>,
}

impl Entry {
    /// The value, if it is one number.
    pub(super) fn number(&self) -> Option<u64> {
        let bytes = <[u8; 8]>::try_from(&self.value[..]).ok()?;
        (self.integer_size == 8).then(|| u64::from_be_bytes(bytes))
    }
}

/// All entries, sorted by name.
pub(super) fn entries(object: &mut Object, storage: &Storage) -> Result<Vec<Entry>, Error> {
    let damaged = || storage.damaged("a table of names that cannot be read");
    let first = object.block(0, storage)?.ok_or_else(damaged)?;
    let mut entries = Vec::new();
    match u64_at(&first, 0) {
        Some(MICRO) => {
            for entry in first.chunks_exact(64).skip(1) {
                let name: Vec<u8> = entry[14..].iter().copied().take_while(|b| *b != 0).collect();
                if let (false, Some(value)) = (name.is_empty(), u64_at(entry, 0)) {
                    let value = value.to_be_bytes().to_vec();
                    entries.push(Entry { name, integer_size: 8, value });
                }
            }
        }
        Some(HEADER) => {
            // Leaves say themselves that they are leaves: the table is not needed to find all.
            let blocks = object.dnode.last_block.saturating_add(1).min(storage.size / 512);
            let end = u64_at(&first, 56).ok_or_else(damaged)?.min(blocks);
            for number in 1..end {
                if let Some(block) = object.block(number, storage)?
                    && u64_at(&block, 0) == Some(LEAF)
                    && u64_at(&block, 24).map(|word| word as u32) == Some(0x02AB_1EAF)
                {
                    leaf(&block, &mut entries).ok_or_else(damaged)?;
                }
            }
        }
        _ => return Err(damaged()),
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    if entries.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(damaged());
    }
    Ok(entries)
}

fn leaf(block: &[u8], entries: &mut Vec<Entry>) -> Option<()> {
    let chunks = 48 + 2 * (block.len() >> 5);
    let count = block.len().checked_sub(chunks)? / CHUNK;
    for index in 0..count {
        let at = chunks + CHUNK * index;
        if block[at] != 252 {
            continue;
        }
        let integer_size = usize::from(block[at + 1]);
        let name_length = usize::from(u16_at(block, at + 6)?).checked_sub(1)?;
        let value_length = usize::from(u16_at(block, at + 10)?) * integer_size;
        let name = array(block, chunks, u16_at(block, at + 4)?, name_length)?;
        let value = array(block, chunks, u16_at(block, at + 8)?, value_length)?;
        entries.push(Entry { name, integer_size, value });
    }
    Some(())
}

fn array(block: &[u8], chunks: usize, first: u16, length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut next = first;
    while out.len() < length {
        if next == END {
            return None;
        }
        let at = chunks + CHUNK * usize::from(next);
        let chunk = block.get(at..at + CHUNK).filter(|chunk| chunk[0] == 251)?;
        out.extend_from_slice(&chunk[1..1 + (length - out.len()).min(21)]);
        next = u16_at(chunk, 22)?;
    }
    Some(out)
}
