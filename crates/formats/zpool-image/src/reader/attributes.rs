//! System attributes, by the registry and the layouts of their dataset.

use std::collections::BTreeMap;

use super::fields::{bits, u16_at, u32_at, u64_at};
use crate::nvlist::NameValueList;

/// The attributes that this reader looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Mode,
    Size,
    Owner,
    Group,
    Links,
    Modified,
    Device,
    Symlink,
    ExtendedDirectory,
    ExtendedList,
}

/// Their names in the registry, in their order.
pub(super) const NAMES: [&str; 10] = [
    "ZPL_MODE",
    "ZPL_SIZE",
    "ZPL_UID",
    "ZPL_GID",
    "ZPL_LINKS",
    "ZPL_MTIME",
    "ZPL_RDEV",
    "ZPL_SYMLINK",
    "ZPL_XATTR",
    "ZPL_DXATTR",
];

/// Which attributes there are and in which orders they are stored.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    /// Each attribute by its number in the registry.
    registered: BTreeMap<u16, Place>,
    /// The attributes of each layout; `None` when it names one that is not registered.
    layouts: BTreeMap<u16, Option<Vec<Place>>>,
}

/// What is stored at a place of a layout.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Bytes; 0 when the length is stored with each use.
    length: usize,
    /// Its index in [`NAMES`], if it matters here.
    index: Option<usize>,
}

/// The attributes of one file, as they are stored.
#[derive(Debug, Default)]
pub(super) struct Attributes<'b>([Option<&'b [u8]>; NAMES.len()]);

impl Layouts {
    /// Adds an attribute as the registry describes it.
    pub(super) fn register(&mut self, name: &[u8], value: u64) {
        let number = bits(value, 0, 16) as u16;
        let index = NAMES.iter().position(|known| known.as_bytes() == name);
        self.registered.insert(number, Place { length: bits(value, 24, 16) as usize, index });
    }

    /// Adds a layout of attributes, all of which have been registered before.
    pub(super) fn define(&mut self, layout: u16, attributes: impl Iterator<Item = u16>) {
        let places = attributes.map(|number| self.registered.get(&number).copied()).collect();
        self.layouts.insert(layout, places);
    }

    /// Adds what a bonus or a spill block holds; `None` when it cannot be read.
    pub(super) fn read<'b>(&self, bytes: &'b [u8], into: &mut Attributes<'b>) -> Option<()> {
        if u32_at(bytes, 0)? != 0x2F_505A {
            return None;
        }
        let info = u16_at(bytes, 4)?;
        let mut at = usize::from(info >> 10) * 8;
        let mut varying = 6;
        for place in self.layouts.get(&(info & 0x3ff))?.as_ref()? {
            let length = match place.length {
                0 => {
                    varying += 2;
                    usize::from(u16_at(bytes, varying - 2)?)
                }
                length => length,
            };
            let value = bytes.get(at..at + length)?;
            if let Some(index) = place.index {
                into.0[index] = Some(value);
            }
            // The next attribute begins at a multiple of 8.
            at += length.next_multiple_of(8);
        }
        Some(())
    }
}

impl<'b> Attributes<'b> {
    /// An attribute, if it is there.
    pub(super) fn get(&self, attribute: Attribute) -> Option<&'b [u8]> {
        self.0[attribute as usize]
    }

    /// An attribute, if it is there and a number.
    pub(super) fn number(&self, attribute: Attribute) -> Option<u64> {
        u64_at(self.get(attribute)?, 0)
    }

    /// Whether the file has extended attributes: in a directory of their own, or in a list.
    pub(super) fn has_extended(&self) -> bool {
        let directory = self.number(Attribute::ExtendedDirectory).is_some_and(|object| object != 0);
        let list = self.get(Attribute::ExtendedList).is_some_and(|packed| {
            // The list stays when the last attribute is removed.
            let empty = |list: NameValueList| list.names().next().is_none();
            !packed.is_empty() && !NameValueList::unpack(packed).is_some_and(empty)
        });
        directory || list
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
        layouts.define(2, numbers.into_iter());
        let (mut attributes, bonus) = (Attributes::default(), [header, values].concat());
        layouts.read(&bonus, &mut attributes).unwrap();
        assert_eq!(attributes.number(Attribute::Mode), Some(0o100_644));
        attributes.has_extended()
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
