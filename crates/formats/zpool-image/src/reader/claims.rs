//! Which space the blocks take that something leads to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::block::Storage;
use crate::nvlist::NameValueList;

/// Sectors of a piece: the memory for them is taken when the first of them is claimed.
const PIECE: u64 = 1 << 15;
const WORDS: usize = (PIECE / 64) as usize;

/// How the space of a device is divided. All sizes are powers of two, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division {
    /// Logarithm of the unit of allocation.
    pub(super) ashift: u32,
    /// Logarithm of the size of a metaslab.
    pub(super) metaslab_shift: u32,
    /// Number of metaslabs.
    pub(super) metaslabs: u64,
    /// Object with the list of their space maps.
    pub(super) array: u64,
}

/// A run of sectors: from the first to before the second.
pub(super) type Run = (u64, u64);

/// The claimed sectors: one bit each, in pieces, so that memory grows with what is claimed.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) division: Division,
    once: Bits,
    /// Claimed again.
    again: Bits,
    /// Some blocks may rightly be used several times.
    deduplicated: AtomicBool,
}

/// A set of sectors, filled by several threads at once.
#[derive(Debug, Default)]
struct Bits(RwLock<BTreeMap<u64, Arc<Piece>>>);

#[derive(Debug)]
struct Piece(Box<[AtomicU64]>);

impl Division {
    /// The division that the pool's configuration describes.
    pub(super) fn of(configuration: &NameValueList, storage: &Storage) -> Option<Self> {
        let device = configuration.get_list("vdev_tree")?;
        let shift = |name: &str| Some(device.get_number(name)?.min(64) as u32);
        let (ashift, metaslab_shift) = (shift("ashift")?, shift("metaslab_shift")?);
        let size = device.get_number("asize")?;
        let right = (9..=16).contains(&ashift)
            && (ashift + 1..=60).contains(&metaslab_shift)
            && size <= storage.size;
        let metaslabs = size.checked_shr(metaslab_shift)?;
        right.then_some(Self {
            ashift,
            metaslab_shift,
            metaslabs,
            array: device.get_number("metaslab_array")?,
        })
    }

    /// Sectors of a metaslab.
    pub(super) fn sectors(&self) -> u64 {
        1 << (self.metaslab_shift - self.ashift)
    }
}

impl Claims {
    pub(super) fn new(division: Division) -> Self {
        Self {
            division,
            once: Bits::default(),
            again: Bits::default(),
            deduplicated: AtomicBool::new(false),
        }
    }

    /// Claims bytes from an offset of allocatable space; says what is wrong with the place.
    pub(super) fn claim(&self, offset: u64, size: u64, deduplicated: bool) -> Result<(), String> {
        let Division { ashift, metaslab_shift, metaslabs, .. } = self.division;
        if offset.trailing_zeros() < ashift || size.trailing_zeros() < ashift || size == 0 {
            return Err(format!(
                "a block with {size} bytes allocated at {offset}, no whole sectors"
            ));
        }
        let end = offset.checked_add(size);
        if end.is_none_or(|end| end > metaslabs << metaslab_shift) {
            return Err(format!("a block with {size} bytes allocated at {offset}, in no metaslab"));
        }
        if offset >> metaslab_shift != (offset + size - 1) >> metaslab_shift {
            return Err(format!(
                "a block with {size} bytes allocated at {offset}, across two metaslabs"
            ));
        }
        if deduplicated {
            self.deduplicated.store(true, Ordering::Relaxed);
        }
        self.once.add((offset >> ashift, (offset + size) >> ashift), Some(&self.again));
        Ok(())
    }

    /// The claimed runs of a metaslab, in their order.
    pub(super) fn runs(&self, metaslab: u64) -> Vec<Run> {
        let sectors = self.division.sectors();
        self.once.runs((metaslab * sectors, (metaslab + 1) * sectors))
    }

    /// All claimed runs.
    pub(super) fn all(&self) -> Vec<Run> {
        self.once.runs((0, self.division.metaslabs * self.division.sectors()))
    }

    /// Runs that more than one block claims, unless the pool shares equal blocks: there it may.
    pub(super) fn contested(&self) -> Vec<Run> {
        if self.deduplicated.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.again.runs((0, self.division.metaslabs * self.division.sectors()))
    }
}

impl Bits {
    fn piece(&self, number: u64) -> Option<Arc<Piece>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Adds a run; what was there before goes to `again`.
    fn add(&self, (begin, end): Run, again: Option<&Self>) {
        let mut at = begin;
        while at < end {
            let piece = self.piece(at / PIECE).unwrap_or_else(|| {
                let mut pieces = self.0.write().unwrap_or_else(PoisonError::into_inner);
                let new = || Arc::new(Piece((0..WORDS).map(|_| AtomicU64::new(0)).collect()));
                Arc::clone(pieces.entry(at / PIECE).or_insert_with(new))
            });
            let stop = end.min((at / PIECE + 1) * PIECE);
            while at < stop {
                let word = &piece.0[(at % PIECE / 64) as usize];
                let (first, count) = (at % 64, (stop - at).min(64 - at % 64));
                let mask = u64::MAX >> (64 - count) << first;
                let before = word.fetch_or(mask, Ordering::Relaxed) & mask;
                if let (true, Some(again)) = (before != 0, again) {
                    for bit in (0..64).filter(|bit| before >> bit & 1 == 1) {
                        let sector = at / 64 * 64 + bit;
                        again.add((sector, sector + 1), None);
                    }
                }
                at += count;
            }
        }
    }

    /// The runs of set bits between two sectors.
    fn runs(&self, (begin, end): Run) -> Vec<Run> {
        let pieces = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut runs: Vec<Run> = Vec::new();
        for (number, piece) in pieces.range(begin / PIECE..end.div_ceil(PIECE)) {
            for (index, word) in piece.0.iter().enumerate() {
                let base = number * PIECE + 64 * index as u64;
                let mut word = word.load(Ordering::Relaxed);
                while word != 0 {
                    let first = word.trailing_zeros();
                    let count = (word >> first).trailing_ones();
                    word &= !(u64::MAX >> (64 - count) << first);
                    let from = (base + u64::from(first)).max(begin);
                    let to = (base + u64::from(first + count)).min(end);
                    if from < to {
                        push(&mut runs, (from, to));
                    }
                }
            }
        }
        runs
    }
}

/// Appends a run that lies behind the others, joined to the last one when they touch.
pub(super) fn push(runs: &mut Vec<Run>, (begin, end): Run) {
    match runs.last_mut() {
        Some(last) if last.1 == begin => last.1 = end,
        _ => runs.push((begin, end)),
    }
}

/// What is in the one and not in the other; both in their order.
pub(super) fn without(one: &[Run], other: &[Run]) -> Vec<Run> {
    let mut left = Vec::new();
    let mut other = other.iter().copied().peekable();
    for &(mut begin, end) in one {
        while begin < end {
            while other.next_if(|taken| taken.1 <= begin).is_some() {}
            match other.peek() {
                Some(&(from, to)) if from < end => {
                    if from > begin {
                        left.push((begin, from));
                    }
                    begin = to;
                }
                _ => {
                    left.push((begin, end));
                    break;
                }
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> Claims {
        Claims::new(Division { ashift: 9, metaslab_shift: 24, metaslabs: 4, array: 1 })
    }

    #[test]
    fn divisions_that_cannot_be_are_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        let storage = Storage::for_test(file, 1 << 30);
        let of = |ashift, shift, size| {
            let device = NameValueList::default()
                .number("ashift", ashift)
                .number("metaslab_shift", shift)
                .number("metaslab_array", 7)
                .number("asize", size);
            let list = NameValueList::default().list("vdev_tree", device);
            Division::of(&list, &storage).map(|division| division.metaslabs)
        };
        assert_eq!(of(9, 24, 100 << 20), Some(6));
        assert_eq!(of(9, 60, 100 << 20), Some(0));
        for shift in [9, 61, 63, 64, 65, u64::MAX] {
            assert_eq!(of(9, shift, 100 << 20), None, "{shift}");
        }
        assert_eq!(of(8, 24, 100 << 20), None);
        assert_eq!(of(u64::MAX, 24, 100 << 20), None);
        assert_eq!(of(9, 24, 2 << 30), None);
    }

    #[test]
    fn places_that_cannot_be_are_named() {
        let claims = claims();
        for (offset, size, problem) in [
            (0, 0, "no whole sectors"),
            (100, 512, "no whole sectors"),
            (0, 100, "no whole sectors"),
            (4 << 24, 512, "in no metaslab"),
            (u64::MAX - 511, 512, "in no metaslab"),
            ((1 << 24) - 512, 1024, "across two metaslabs"),
        ] {
            let found = claims.claim(offset, size, false).unwrap_err();
            assert!(found.ends_with(problem), "{found}");
        }
        assert_eq!(claims.all(), []);
    }

    #[test]
    fn what_is_claimed_again_is_known() {
        let claims = claims();
        claims.claim(512, 4096, false).unwrap();
        claims.claim(8192, 512, false).unwrap();
        assert_eq!(claims.contested(), []);
        claims.claim(4096, 4096, false).unwrap();
        assert_eq!(claims.contested(), [(8, 9)]);
        assert_eq!(claims.runs(0), [(1, 17)]);
        claims.claim(1 << 25, 512, true).unwrap();
        assert_eq!(claims.contested(), []);
        assert_eq!(claims.runs(2), [(1 << 16, (1 << 16) + 1)]);
    }

    proptest! {
        #[test]
        fn runs_are_the_sectors(blocks in prop::collection::vec((0u64..400, 1u64..80), 0..40)) {
            let bits = Bits::default();
            let again = Bits::default();
            // Around the border of two pieces.
            let base = PIECE - 200;
            let mut counts = vec![0; 500];
            for (begin, length) in blocks {
                bits.add((base + begin, base + begin + length), Some(&again));
                (begin..begin + length).for_each(|sector| counts[sector as usize] += 1);
            }
            for (bits, least) in [(bits, 1), (again, 2)] {
                let runs = bits.runs((0, 2 * PIECE));
                prop_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
                for (sector, count) in counts.iter().enumerate() {
                    let sector = base + sector as u64;
                    let inside = runs.iter().any(|run| run.0 <= sector && sector < run.1);
                    prop_assert_eq!(inside, *count >= least);
                }
            }
        }

        #[test]
        fn differences_are_exact(
            one in prop::collection::btree_set(0u64..60, 0..40),
            other in prop::collection::btree_set(0u64..60, 0..40),
        ) {
            let runs = |set: &std::collections::BTreeSet<u64>| {
                let mut runs = Vec::new();
                set.iter().for_each(|sector| push(&mut runs, (*sector, sector + 1)));
                runs
            };
            let left = without(&runs(&one), &runs(&other));
            let sectors: Vec<u64> = left.iter().flat_map(|run| run.0..run.1).collect();
            prop_assert_eq!(sectors, one.difference(&other).copied().collect::<Vec<_>>());
        }
    }
}
