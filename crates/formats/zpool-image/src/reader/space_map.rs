//! Space maps: what the pool says is allocated.

use std::collections::BTreeMap;

use super::block::Storage;
use super::claims::{Division, Run, push};
use super::fields::{bits, u64_at};
use super::object::{Object, ObjectSet};
use crate::Error;
use crate::dnode::{SPACE_MAP, SPACE_MAP_HEADER};

/// Maps of small pools may be as large as this, in bytes, before they are condensed.
const LARGE_ENOUGH: u64 = 64 << 20;

/// A change of what is allocated, in sectors from the begin of the metaslab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) allocates: bool,
    pub(super) begin: u64,
    pub(super) length: u64,
    /// The device, in entries that say it.
    pub(super) device: u64,
}

/// The allocated runs of one metaslab while its map is replayed.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// By begin, the end. Runs do not overlap.
    runs: BTreeMap<u64, u64>,
}

/// The space map of one metaslab.
#[derive(Debug, Default)]
pub(super) struct SpaceMap {
    /// Allocated runs, in sectors of the device.
    pub(super) runs: Vec<Run>,
    /// What is wrong with the map itself.
    pub(super) problems: Vec<String>,
}

/// Takes the next entry from some words; `None` when they do not begin with one. An entry that
/// changes nothing is `Some(None)`.
pub(super) fn entry(words: &mut &[u8]) -> Option<Option<Change>> {
    let word = take(words)?;
    match word >> 62 {
        // A note about when the entries behind it were written.
        2 => Some(None),
        3 => {
            let second = take(words)?;
            Some(Some(Change {
                allocates: second >> 63 == 0,
                begin: bits(second, 0, 63),
                length: bits(word, 24, 36) + 1,
                device: bits(word, 0, 24),
            }))
        }
        _ => Some(Some(Change {
            allocates: bits(word, 15, 1) == 0,
            begin: bits(word, 16, 47),
            length: bits(word, 0, 15) + 1,
            device: 0,
        })),
    }
}

fn take(words: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*words.split_off(..8)?.first_chunk()?))
}

impl Replay {
    /// Allocated sectors.
    pub(super) fn allocated(&self) -> u64 {
        self.runs.iter().map(|(from, to)| to - from).sum()
    }

    /// The allocated runs in their order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        self.runs.iter().map(|(from, to)| (*from, *to))
    }

    /// Makes a change, if it can be made to a metaslab of so many sectors.
    pub(super) fn apply(&mut self, change: Change, sectors: u64) -> Result<(), String> {
        let Change { allocates, begin, length, .. } = change;
        let end = begin.checked_add(length).filter(|end| *end <= sectors);
        let Some(end) = end else {
            return Err(format!("{length} sectors at {begin}, beyond the end of the metaslab"));
        };
        let last = self.runs.range(..end).next_back().map(|(from, to)| (*from, *to));
        if allocates {
            if last.is_some_and(|(_, to)| to > begin) {
                return Err(format!("{length} sectors at {begin} allocated a second time"));
            }
            let begin = match last {
                Some((from, to)) if to == begin => from,
                _ => begin,
            };
            let end = self.runs.remove(&end).unwrap_or(end);
            self.runs.insert(begin, end);
            return Ok(());
        }
        match last {
            Some((from, to)) if from <= begin && end <= to => {
                self.runs.remove(&from);
                if from < begin {
                    self.runs.insert(from, begin);
                }
                if end < to {
                    self.runs.insert(end, to);
                }
                Ok(())
            }
            _ => Err(format!("{length} sectors at {begin} freed that are not allocated")),
        }
    }
}

/// The space maps of a pool, read one after the other.
#[derive(Debug)]
pub(super) struct SpaceMaps {
    /// The objects of the maps by metaslab; 0 where everything is free.
    pub(super) objects: Vec<u64>,
    division: Division,
    /// Changes that are not in the maps yet, by metaslab.
    logged: BTreeMap<u64, Vec<Change>>,
    /// Bytes that all maps together may still have.
    left: u64,
}

impl SpaceMaps {
    /// Reads the list of the maps.
    pub(super) fn open(
        division: Division,
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<Self, Error> {
        let mut array = mos.object(division.array, storage)?;
        let limit = (8 * division.metaslabs.min(1 << 30)).next_multiple_of(16 << 20);
        let bytes = array.all(limit, storage)?;
        let count = division.metaslabs as usize;
        let mut objects: Vec<u64> =
            bytes.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
        if objects.iter().skip(count).any(|object| *object != 0) {
            return Err(storage.damaged("space maps of more metaslabs than there are"));
        }
        objects.resize(count, 0);
        let left = LARGE_ENOUGH.max(storage.size / 4);
        Ok(Self { objects, division, logged: BTreeMap::new(), left })
    }

    /// Reads the logs of a pool whose maps are not up to date: by the transaction group their
    /// objects, and the object that tells from which group on each metaslab needs them.
    pub(super) fn read_logs(
        &mut self,
        logs: &BTreeMap<u64, u64>,
        needed: Option<u64>,
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<(), Error> {
        let needed = match needed {
            None => Vec::new(),
            Some(object) => mos.object(object, storage)?.all(storage.size, storage)?,
        };
        let Division { ashift, metaslab_shift, metaslabs, .. } = self.division;
        let sectors = self.division.sectors();
        for (group, number) in logs {
            let (mut object, length, _) = self.map_object(*number, mos, storage)?;
            let mut wrong = None;
            changes(&mut object, length, storage, &mut |change| {
                // Offsets are of the device, in units that no device has smaller ones of.
                let bytes = |units: u64| units.checked_mul(512).filter(|b| b % (1 << ashift) == 0);
                let Some((begin, length)) = bytes(change.begin).zip(bytes(change.length)) else {
                    wrong = Some(change);
                    return;
                };
                let metaslab = begin >> metaslab_shift;
                if change.device != 0 || metaslab >= metaslabs {
                    wrong = Some(change);
                } else if *group >= u64_at(&needed, 8 * metaslab as usize).unwrap_or(0) {
                    let (begin, length) = ((begin >> ashift) % sectors, length >> ashift);
                    self.logged.entry(metaslab).or_default().push(Change {
                        begin,
                        length,
                        ..change
                    });
                }
            })?;
            if wrong.is_some() {
                return Err(storage.damaged("a log of space maps with an impossible entry"));
            }
        }
        Ok(())
    }

    /// A space map object, the bytes of its entries, and the bytes it says are allocated.
    fn map_object(
        &mut self,
        number: u64,
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<(Object, u64, u64), Error> {
        let object = mos.object(number, storage)?;
        let dnode = &object.dnode;
        let right = dnode.object_type == SPACE_MAP && dnode.bonus_type == SPACE_MAP_HEADER;
        let header = (u64_at(&dnode.bonus, 8), u64_at(&dnode.bonus, 16));
        let (true, (Some(length), Some(allocated))) = (right, header) else {
            return Err(storage.damaged("no proper space map"));
        };
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| storage.damaged("space maps that are larger than they can be"))?;
        Ok((object, length, allocated))
    }

    /// Reads the map of a metaslab.
    pub(super) fn read(
        &mut self,
        metaslab: usize,
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<SpaceMap, Error> {
        let number = self.objects[metaslab];
        let mut replay = Replay::default();
        let mut map = SpaceMap::default();
        let sectors = self.division.sectors();
        let mut each = |change: Change| {
            // One problem tells enough: those behind it mostly follow from it.
            if map.problems.is_empty()
                && let Err(problem) = replay.apply(change, sectors)
            {
                map.problems.push(problem);
            }
        };
        let mut said = 0;
        if number != 0 {
            let (mut object, length, allocated) = self.map_object(number, mos, storage)?;
            changes(&mut object, length, storage, &mut each)?;
            said = allocated;
        }
        let sum = replay.allocated() << self.division.ashift;
        if map.problems.is_empty() && sum != said {
            map.problems.push(format!("says {said} bytes are allocated, its entries {sum}"));
        }
        for change in self.logged.remove(&(metaslab as u64)).unwrap_or_default() {
            if map.problems.is_empty()
                && let Err(problem) = replay.apply(change, sectors)
            {
                map.problems.push(format!("its log: {problem}"));
            }
        }
        let begin = metaslab as u64 * sectors;
        for (from, to) in replay.runs() {
            push(&mut map.runs, (begin + from, begin + to));
        }
        Ok(map)
    }
}

/// All changes of a space map object.
fn changes(
    object: &mut Object,
    length: u64,
    storage: &Storage,
    each: &mut dyn FnMut(Change),
) -> Result<(), Error> {
    let size = object.dnode.block_size;
    let mut at = 0;
    while at < length {
        let missing = || storage.damaged(format!("a space map without its block at {at}"));
        let block = object.block(at / size, storage)?.ok_or_else(missing)?;
        let mut words = block.get(..(length - at).min(size) as usize).ok_or_else(missing)?;
        while !words.is_empty() {
            // An entry of two words never stands in two blocks.
            let change = entry(&mut words)
                .ok_or_else(|| storage.damaged("a space map with an entry that is cut off"))?;
            change.into_iter().for_each(&mut *each);
        }
        at = at.saturating_add(size);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(allocates: bool, begin: u64, length: u64) -> Change {
        Change { allocates, begin, length, device: 0 }
    }

    #[test]
    fn entries_of_all_kinds_are_understood() {
        let words = [
            0x8004_0000_0000_0004u64, // a note
            0x3d_8000,                // of a real pool
            5 << 16 | 2,
            3 << 62 | 7 << 24 | 1,
            1 << 63 | 9,
            3 << 62,
            u64::MAX >> 1,
            3 << 62,
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut next = || entry(&mut rest);
        assert_eq!(next(), Some(None));
        assert_eq!(next(), Some(Some(one(false, 0x3d, 1))));
        assert_eq!(next(), Some(Some(one(true, 5, 3))));
        assert_eq!(next(), Some(Some(Change { device: 1, ..one(false, 9, 8) })));
        assert_eq!(next(), Some(Some(one(true, u64::MAX >> 1, 1))));
        assert_eq!(next(), None); // the second word is missing
    }

    #[test]
    fn changes_are_replayed_and_impossible_ones_named() {
        let mut replay = Replay::default();
        let mut apply = |allocates, begin, length| {
            replay
                .apply(one(allocates, begin, length), 100)
                .map(|()| replay.runs.iter().map(|(from, to)| (*from, *to)).collect::<Vec<_>>())
        };
        assert_eq!(apply(true, 10, 10).unwrap(), [(10, 20)]);
        assert_eq!(apply(true, 30, 10).unwrap(), [(10, 20), (30, 40)]);
        assert_eq!(apply(true, 20, 10).unwrap(), [(10, 40)]);
        assert!(apply(true, 39, 10).unwrap_err().contains("second time"));
        assert!(apply(true, 5, 6).unwrap_err().contains("second time"));
        assert!(apply(true, 0, 100).unwrap_err().contains("second time"));
        assert_eq!(apply(false, 15, 5).unwrap(), [(10, 15), (20, 40)]);
        assert!(apply(false, 14, 3).unwrap_err().contains("not allocated"));
        assert!(apply(false, 15, 1).unwrap_err().contains("not allocated"));
        assert_eq!(apply(false, 20, 20).unwrap(), [(10, 15)]);
        assert_eq!(apply(false, 10, 5).unwrap(), []);
        assert!(apply(true, 99, 2).unwrap_err().contains("beyond"));
        assert!(apply(false, u64::MAX, 2).unwrap_err().contains("beyond"));
    }
}
