//! System attributes, by the registry and the layouts of their dataset.

use std::collections::BTreeMap;

use super::fields::{bits, u16_at, u32_at, u64_at};

/// Which attributes there are and in which orders they are stored.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    /// Length of each attribute by number; 0 when it is stored with each use.
    pub(super) lengths: BTreeMap<u16, usize>,
    /// Numbers of the attributes by name.
    pub(super) numbers: BTreeMap<Vec<u8>, u16>,
    /// The attributes of each layout.
    pub(super) layouts: BTreeMap<u16, Vec<u16>>,
}

/// The attributes of one file.
#[derive(Debug, Default)]
pub(super) struct Attributes(BTreeMap<u16, Vec<u8>>);

impl Layouts {
    /// Adds an attribute as the registry describes it.
    pub(super) fn register(&mut self, name: &[u8], value: u64) {
        let number = bits(value, 0, 16) as u16;
        self.lengths.insert(number, bits(value, 24, 16) as usize);
        self.numbers.insert(name.to_owned(), number);
    }

    /// Adds what a bonus or a spill block holds; `None` when it cannot be read.
    pub(super) fn read(&self, bytes: &[u8], into: &mut Attributes) -> Option<()> {
        if u32_at(bytes, 0)? != 0x2F_505A {
            return None;
        }
        let info = u16_at(bytes, 4)?;
        let mut at = usize::from(info >> 10) * 8;
        let mut varying = 6;
        for number in self.layouts.get(&(info & 0x3ff))? {
            let length = match self.lengths.get(number)? {
                0 => {
                    varying += 2;
                    usize::from(u16_at(bytes, varying - 2)?)
                }
                length => *length,
            };
            into.0.insert(*number, bytes.get(at..at + length)?.to_vec());
            // The next attribute begins at a multiple of 8.
            at += length.next_multiple_of(8);
        }
        Some(())
    }

    /// An attribute by name.
    pub(super) fn get<'a>(&self, name: &str, attributes: &'a Attributes) -> Option<&'a [u8]> {
        let number = self.numbers.get(name.as_bytes())?;
        attributes.0.get(number).map(Vec::as_slice)
    }

    /// An attribute by name, if it is there and a number.
    pub(super) fn number(&self, name: &str, attributes: &Attributes) -> Option<u64> {
        u64_at(self.get(name, attributes)?, 0)
    }
}
