//! The labels of an image, and what is wrong with them.

use super::block::Storage;
use super::fields::u64_at;
use super::pointer::Pointer;
use crate::Error;
use crate::checksum::{TRAILER_SIZE, is_sealed};
use crate::label::{self, LABEL_SIZE};
use crate::nvlist::NameValueList;
use crate::uberblock::slot_size;

/// What an uberblock begins with.
const MAGIC: u64 = 0x00ba_b10c;

/// What the newest label and the newest uberblock say.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) configuration: NameValueList,
    /// The pointer to the pool's own objects.
    pub(super) root: Pointer,
    /// When label and uberblock were written: transaction groups.
    pub(super) births: (u64, u64),
}

/// The uberblocks of a label: places, bytes.
pub(super) fn slots<'a>(
    label: &'a [u8],
    configuration: &NameValueList,
) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
    let device = configuration.get_list("vdev_tree");
    let ashift = device.and_then(|device| device.get_number("ashift")).unwrap_or(0);
    let slot = slot_size(ashift.min(16) as u32);
    let places = (label::RING as u64..).step_by(slot);
    places.zip(label::ring(label).chunks_exact(slot))
}

/// The transaction group, the time and the root of an uberblock that stood at a place.
pub(super) fn uberblock(bytes: &[u8], place: u64) -> Option<(u64, u64, Pointer)> {
    let right = u64_at(bytes, 0) == Some(MAGIC) && is_sealed(bytes, place);
    let found = (u64_at(bytes, 16)?, u64_at(bytes, 32)?, Pointer::at(bytes, 40)?);
    right.then_some(found)
}

impl Newest {
    /// The newest good label, and the newest good uberblock of all labels.
    pub(super) fn read(storage: &Storage) -> Result<Self, Error> {
        let nothing = || storage.damaged("is no pool image: no label is in order");
        if storage.size < label::OVERHEAD {
            return Err(nothing());
        }
        let mut newest: Option<(u64, NameValueList)> = None;
        let mut roots: Vec<(u64, u64, Pointer)> = Vec::new();
        for offset in label::offsets(storage.size) {
            let bytes = storage.bytes(offset, LABEL_SIZE)?;
            let Some((txg, list)) = label::parse(&bytes, offset) else { continue };
            let found = slots(&bytes, &list);
            roots.extend(found.filter_map(|(at, bytes)| uberblock(bytes, offset + at)));
            if newest.as_ref().is_none_or(|(newest, _)| txg > *newest) {
                newest = Some((txg, list));
            }
        }
        let root = roots.into_iter().max_by_key(|(txg, time, _)| (*txg, *time));
        match (newest, root) {
            (Some((txg, configuration)), Some((born, _, root))) => {
                Ok(Self { configuration, root, births: (txg, born) })
            }
            _ => Err(nothing()),
        }
    }

    /// What is wrong with each of the four labels.
    pub(super) fn check(&self, storage: &Storage) -> Result<Vec<String>, Error> {
        let mut problems = Vec::new();
        for (index, offset) in label::offsets(storage.size).into_iter().enumerate() {
            let bytes = storage.bytes(offset, LABEL_SIZE)?;
            let mut problem = |what: String| problems.push(format!("label {index} {what}"));
            let boot = &bytes[label::BOOT_BLOCK];
            // Old pools leave it blank.
            if !is_sealed(boot, offset + label::BOOT_BLOCK.start as u64)
                && boot.iter().any(|byte| *byte != 0)
            {
                problem("has a boot block with a wrong checksum".to_owned());
            }
            match label::parse(&bytes, offset) {
                None => problem("has a configuration that cannot be read".to_owned()),
                Some((txg, _)) if txg != self.births.0 => {
                    problem(format!("is of transaction group {txg}, not {}", self.births.0));
                }
                Some(_) => {}
            }
            let mut newest = None;
            for (at, bytes) in slots(&bytes, &self.configuration) {
                match uberblock(bytes, offset + at) {
                    Some((txg, ..)) => newest = newest.max(Some(txg)),
                    None if !is_in_use(bytes) => {}
                    None => problem(format!("has a damaged uberblock at byte {at}")),
                }
            }
            if newest != Some(self.births.1) {
                problem(format!("lacks the uberblock of transaction group {}", self.births.1));
            }
        }
        Ok(problems)
    }
}

/// Whether a slot of the ring holds an uberblock, as far as can be told: pools are created with
/// slots of zeros and of an uberblock that has nothing but a version, or nothing but a trailer.
fn is_in_use(slot: &[u8]) -> bool {
    let trailer = slot.len() - TRAILER_SIZE;
    let version = 8..16;
    let mut rest = slot[..trailer].iter().enumerate().filter(|(at, _)| !version.contains(at));
    rest.any(|(_, byte)| *byte != 0)
}
