//! System attributes, by the registry and the layouts of their dataset.

use std::collections::BTreeMap;

use super::fields::{bits, u16_at, u32_at, u64_at};
use crate::nvlist::NameValueList;

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

    /// Whether the file has extended attributes: in a directory of their own, or in a list.
    pub(super) fn has_extended(&self, attributes: &Attributes) -> bool {
        let directory = self.number("ZPL_XATTR", attributes).is_some_and(|object| object != 0);
        let list = self.get("ZPL_DXATTR", attributes).is_some_and(|packed| {
            // The list stays when the last attribute is removed.
            let empty = |list: NameValueList| list.names().next().is_none();
            !packed.is_empty() && !NameValueList::unpack(packed).is_some_and(empty)
        });
        directory || list
    }

    /// An attribute by name, if it is there and a number.
    pub(super) fn number(&self, name: &str, attributes: &Attributes) -> Option<u64> {
        u64_at(self.get(name, attributes)?, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layouts of a dataset with the attributes that matter here, and a bonus in one of them.
    fn read(directory: Option<u64>, list: Option<&[u8]>) -> bool {
        let mut layouts = Layouts::default();
        layouts.register(b"ZPL_MODE", 8 << 24 | 5);
        layouts.register(b"ZPL_XATTR", 8 << 24 | 9);
        layouts.register(b"ZPL_DXATTR", 20);
        let mut numbers = vec![5];
        let mut header = vec![0x5A, 0x50, 0x2F, 0, 2, 0x08];
        let mut values = 0o100_644u64.to_le_bytes().to_vec();
        if let Some(object) = directory {
            numbers.push(9);
            values.extend(object.to_le_bytes());
        }
        if let Some(list) = list {
            numbers.push(20);
            header.extend((list.len() as u16).to_le_bytes());
            values.extend(list);
        }
        header.resize(16, 0);
        layouts.layouts.insert(2, numbers);
        let mut attributes = Attributes::default();
        layouts.read(&[header, values].concat(), &mut attributes).unwrap();
        assert_eq!(layouts.number("ZPL_MODE", &attributes), Some(0o100_644));
        layouts.has_extended(&attributes)
    }

    #[test]
    fn extended_attributes_are_noticed() {
        let none = NameValueList::default().pack();
        let one = NameValueList::default().text("user.name", "value").pack();
        assert!(!read(None, None));
        assert!(!read(Some(0), None));
        assert!(read(Some(77), None));
        assert!(!read(None, Some(&[])));
        assert!(!read(None, Some(&none)));
        assert!(read(None, Some(&one)));
        assert!(read(Some(0), Some(b"what cannot be read is not nothing")));
    }
}
