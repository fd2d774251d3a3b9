//! Whether an image fits, what is large in it, and what grew.

use std::fmt::Write as _;

use crate::Footprint;

/// How an image stands to its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is room.
    Within {
        /// Of the budget.
        percent: u64,
    },
    /// At least 85 % of the budget are taken.
    Near {
        /// Of the budget.
        percent: u64,
    },
    /// The image is larger than the budget.
    Exceeded {
        /// Bytes over it.
        over: u64,
    },
}

/// What a part of an image took before, and takes now, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Growth {
    /// The part, e.g. `package system/library`.
    pub part: String,
    /// Bytes in the earlier record.
    pub before: u64,
    /// Bytes now.
    pub now: u64,
}

/// From here on a budget is nearly used up, in percent.
const NEAR: u64 = 85;
/// How many parts are named.
const NAMED: usize = 10;

impl Footprint {
    /// How the image stands to a budget in bytes.
    pub fn standing(&self, budget: u64) -> Standing {
        let size = self.pool.size;
        if size > budget {
            return Standing::Exceeded { over: size - budget };
        }
        // A budget of nothing holds only an image of nothing.
        let percent =
            u64::try_from(u128::from(size) * 100 / u128::from(budget.max(1))).unwrap_or(100);
        if percent >= NEAR { Standing::Near { percent } } else { Standing::Within { percent } }
    }

    /// The largest parts, the largest first, with their bytes.
    pub fn largest(&self) -> Vec<(&str, u64)> {
        let mut parts: Vec<_> = self.parts.iter().map(|(part, &b)| (part.as_str(), b)).collect();
        parts.push(("the pool's own metadata", self.metadata));
        parts.sort_by_key(|&(part, bytes)| (std::cmp::Reverse(bytes), part));
        parts.truncate(NAMED);
        parts
    }

    /// The parts that take another number of bytes than in an earlier record: what grew most
    /// first, what shrank most last.
    pub fn growth(&self, earlier: &Self) -> Vec<Growth> {
        let mut changed = Vec::new();
        let gone = earlier.parts.keys().filter(|part| !self.parts.contains_key(*part));
        for part in self.parts.keys().chain(gone) {
            let bytes = |footprint: &Self| footprint.parts.get(part).copied().unwrap_or(0);
            let (before, now) = (bytes(earlier), bytes(self));
            if before != now {
                changed.push(Growth { part: part.clone(), before, now });
            }
        }
        changed.sort_by(|a, b| b.bytes().cmp(&a.bytes()).then_with(|| a.part.cmp(&b.part)));
        changed
    }

    /// What is largest, and what grew since an earlier record, in words for a person who has to
    /// make the image smaller.
    pub fn explain(&self, earlier: Option<&Self>) -> String {
        let mut text = String::from("the largest parts:");
        for (part, bytes) in self.largest() {
            let _ = write!(text, "\n  {:>10}  {part}", mebibytes(bytes));
        }
        let Some(earlier) = earlier else { return text };
        let grown: Vec<Growth> =
            self.growth(earlier).into_iter().filter(|growth| growth.bytes() > 0).collect();
        if grown.is_empty() {
            text += "\nnothing grew since the earlier record";
            return text;
        }
        text += "\nwhat grew since the earlier record:";
        for growth in grown.iter().take(NAMED) {
            let more = u64::try_from(growth.bytes()).unwrap_or(0);
            let (plus, part) = (format!("+{}", mebibytes(more)), &growth.part);
            let _ = match growth.before {
                0 => write!(text, "\n  {plus:>10}  {part} (new)"),
                before => write!(text, "\n  {plus:>10}  {part} (was {})", mebibytes(before)),
            };
        }
        if let Some(more) = grown.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(text, "\n  and {more} more");
        }
        text
    }
}

impl Growth {
    /// Bytes more than before; negative if there are less.
    pub fn bytes(&self) -> i128 {
        i128::from(self.now) - i128::from(self.before)
    }
}

/// Bytes as people compare them.
pub(crate) fn mebibytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
