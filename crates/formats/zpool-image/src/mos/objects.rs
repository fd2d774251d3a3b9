//! The pool's own objects while they are put together.

use crate::Feature;
use crate::dnode::{
    BPOBJ, BPOBJ_HEADER, DEADLIST, DEADLIST_HEADER, DSL_CHILD_MAP, DSL_DATASET, DSL_DIR,
    DSL_PROPERTIES, METADATA_ZAP,
};
use crate::dsl::{DEADLIST_SIZE, Dataset, Directory};
use crate::identity::Identity;
use crate::object_set::Object;
use crate::options::Property;
use crate::zap::{Entry, Value};

/// A list of blocks without any.
pub(super) fn empty_block_list() -> Object {
    Object::bonus(BPOBJ, BPOBJ_HEADER, vec![0; 48])
}

/// The objects in the order of their numbers, from 1.
pub(super) struct Objects(pub(super) Vec<Object>);

impl Objects {
    pub(super) fn next(&self) -> u64 {
        self.0.len() as u64 + 1
    }

    pub(super) fn add(&mut self, object: Object) -> u64 {
        self.0.push(object);
        self.0.len() as u64
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.add(Object::default())
    }

    pub(super) fn set(&mut self, number: u64, object: Object) {
        self.0[number as usize - 1] = object;
    }

    pub(super) fn set_zap(&mut self, number: u64, object_type: u8, entries: &[Entry<'_>]) {
        self.set(number, Object::zap(object_type, entries, number));
    }

    pub(super) fn add_zap(&mut self, object_type: u8, entries: &[Entry<'_>]) -> u64 {
        self.add(Object::zap(object_type, entries, self.next()))
    }

    /// A set of object numbers, each under its own name in hexadecimal.
    pub(super) fn add_set(&mut self, object_type: u8, numbers: &[u64]) -> u64 {
        let names: Vec<String> = numbers.iter().map(|number| format!("{number:x}")).collect();
        let entries: Vec<_> =
            names.iter().zip(numbers).map(|(name, number)| Entry::number(name, *number)).collect();
        self.add_zap(object_type, &entries)
    }

    pub(super) fn child_map(&mut self, children: &[(&str, u64)]) -> u64 {
        let entries: Vec<_> =
            children.iter().map(|(name, number)| Entry::number(*name, *number)).collect();
        self.add_zap(DSL_CHILD_MAP, &entries)
    }

    pub(super) fn properties(
        &mut self,
        properties: &[(String, Property)],
        identity: &Identity,
    ) -> u64 {
        let values: Vec<(&str, Result<u64, Vec<u8>>)> = properties
            .iter()
            .map(|(name, property)| {
                let value = match property {
                    Property::Number(number) => Ok(*number),
                    Property::Text(text) => Err(terminated(text)),
                    Property::Uuid => Err(terminated(&identity.uuid(name))),
                };
                (name.as_str(), value)
            })
            .collect();
        let entries: Vec<_> = values
            .iter()
            .map(|(name, value)| Entry {
                name: name.as_bytes(),
                value: match value {
                    Ok(number) => Value::Number(*number),
                    Err(text) => Value::Bytes(text),
                },
            })
            .collect();
        self.add_zap(DSL_PROPERTIES, &entries)
    }

    pub(super) fn set_directory(&mut self, number: u64, directory: &Directory) {
        self.set(number, Object::bonus(DSL_DIR, DSL_DIR, directory.to_bytes()));
    }

    /// A dataset with large blocks names that feature in a table of its own.
    pub(super) fn set_dataset(&mut self, number: u64, dataset: &Dataset, large_blocks: bool) {
        let object = Object::bonus(DSL_DATASET, DSL_DATASET, dataset.to_bytes());
        let object = if large_blocks {
            let name = Feature::LargeBlocks.identifier();
            let table = Object::zap(METADATA_ZAP, &[Entry::number(&name, 0)], number);
            Object { bonus_type: object.bonus_type, bonus: object.bonus, ..table }
        } else {
            object
        };
        self.set(number, object);
    }

    /// A list of blocks that died since the last snapshot: none. It has an empty part for each
    /// time between two snapshots, named by when it begins.
    pub(super) fn deadlist(&mut self, parts: &[&str]) -> u64 {
        let parts: Vec<(&str, u64)> =
            parts.iter().map(|name| (*name, self.add(empty_block_list()))).collect();
        let entries: Vec<_> =
            parts.iter().map(|(name, part)| Entry::number(*name, *part)).collect();
        let object = Object {
            bonus_type: DEADLIST_HEADER,
            bonus: vec![0; DEADLIST_SIZE],
            ..Object::zap(DEADLIST, &entries, self.next())
        };
        self.add(object)
    }
}

/// Text as it is stored: with a NUL.
pub(super) fn terminated(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}
