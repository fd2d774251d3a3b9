//! Micro ZAPs: one block of fixed-size entries, each a short name and a number.

use super::{Differentiator, Entry, Value, Zap, hash::hash};
use crate::bytes::{put_u32, put_u64};

/// The word that begins a micro ZAP.
const MAGIC: u64 = 0x8000_0000_0000_0003;
/// Bytes of an entry, and of the header.
const ENTRY_SIZE: usize = 64;
/// The longest name.
const LONGEST_NAME: usize = 49;
/// Entries in the largest block (128 KiB).
const MOST_ENTRIES: usize = 2047;

/// The micro ZAP with these entries, if they fit one.
pub(super) fn build(entries: &[Entry<'_>], salt: u64) -> Option<Zap> {
    if entries.len() > MOST_ENTRIES {
        return None;
    }
    let mut values = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.value {
            Value::Number(value) if entry.name.len() <= LONGEST_NAME => values.push(value),
            _ => return None,
        }
    }
    let hashes: Vec<u64> = entries.iter().map(|entry| hash(salt, entry.name)).collect();
    let mut by_hash: Vec<usize> = (0..entries.len()).collect();
    by_hash.sort_by_key(|index| (hashes[*index], *index));
    let mut differentiator = Differentiator::new();

    let size = (ENTRY_SIZE * (1 + entries.len())).next_multiple_of(512);
    let mut block = vec![0; size];
    put_u64(&mut block, 0, MAGIC);
    put_u64(&mut block, 8, salt);
    for index in by_hash {
        let at = ENTRY_SIZE * (1 + index);
        put_u64(&mut block, at, values[index]);
        put_u32(&mut block, at + 8, differentiator.number(hashes[index]));
        let name = entries[index].name;
        block[at + 14..at + 14 + name.len()].copy_from_slice(name);
    }
    Some(Zap { block_size: size, bytes: block })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_get_different_numbers() {
        // 28 bits of hash: among so many names some collide.
        let mut seen = std::collections::BTreeMap::new();
        let (first, second) = (0..200_000u64)
            .find_map(|i| {
                let name = format!("{:x}", crate::zap::salt(i));
                let other = seen.insert(hash(7, name.as_bytes()), name.clone())?;
                Some((other, name))
            })
            .expect("two names of equal hash");
        let entries = [("a", 1), (&first, 2), ("b", 3), (&second, 4)]
            .map(|(name, value)| Entry::number(name, value));
        let zap = build(&entries, 7).unwrap();
        let numbers: Vec<u8> = (1..=4).map(|entry| zap.bytes[64 * entry + 8]).collect();
        assert_eq!(numbers, [0, 0, 0, 1]);
    }

    #[test]
    fn long_names_and_text_do_not_fit() {
        assert!(build(&[Entry::number(&[b'x'; 49], 1)], 1).is_some());
        assert!(build(&[Entry::number(&[b'x'; 50], 1)], 1).is_none());
        let text = Entry { name: b"a", value: Value::Bytes(b"legacy\0") };
        assert!(build(&[text], 1).is_none());
        assert_eq!(build(&[], 1).unwrap().bytes.len(), 512);
    }
}
