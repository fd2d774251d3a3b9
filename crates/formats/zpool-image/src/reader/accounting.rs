//! The sums that datasets keep of their blocks.

use std::collections::{BTreeMap, BTreeSet};

use super::dsl::{Head, Tree, is_hidden};
use super::findings::{Finding, Verification};
use super::walk::Tally;

/// What was found of the datasets in each directory of the tree.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Bytes of blocks that belong to a dataset there or one of its snapshots.
    sums: BTreeMap<u64, u64>,
    /// Directories of which not everything could be read.
    unknown: BTreeSet<u64>,
}

impl Own {
    /// Adds a dataset or snapshot, and compares what it says it refers to.
    pub(super) fn add(&mut self, head: &Head, tally: &mut Tally) {
        if !tally.problems.is_empty() {
            self.unknown.insert(head.directory);
            return;
        }
        let sum = self.sums.entry(head.directory).or_default();
        *sum = sum.saturating_add(tally.own);
        for ((what, stored), found) in ["referenced", "compressed", "uncompressed"]
            .into_iter()
            .zip(head.referenced)
            .zip(tally.referenced)
        {
            if stored != found {
                let problem = format!("{what} bytes are {stored} and should be {found}");
                tally.problems.push((None, problem));
            }
        }
    }
}

/// Compares the sums of the directories.
pub(super) fn check(tree: &Tree, own: &Own, verification: &mut Verification) {
    let mut below: BTreeMap<u64, u64> = BTreeMap::new();
    for directory in &tree.directories {
        if let Some(parent) = directory.parent {
            let sum = below.entry(parent).or_default();
            *sum = sum.saturating_add(directory.used);
        }
    }
    // What the pool uses for itself changes while its sum is written.
    let visible = tree.directories.iter().filter(|directory| !is_hidden(&directory.name));
    for directory in visible {
        let Some(breakdown) = directory.breakdown else { continue };
        let [head, snapshots, children, _, _] = breakdown;
        let mut compare = |what: &str, stored: u64, found: u64| {
            if stored != found {
                verification.findings.push(Finding {
                    dataset: Some(directory.name.clone()),
                    object: None,
                    path: None,
                    problem: format!("{what} {stored} and should be {found}"),
                });
            }
        };
        let sum = breakdown.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
        compare("bytes used are", directory.used, sum);
        let below = below.get(&directory.object).copied().unwrap_or(0);
        compare("bytes used by datasets below it are", children, below);
        if !own.unknown.contains(&directory.object) {
            let found = own.sums.get(&directory.object).copied().unwrap_or(0);
            let stored = head.saturating_add(snapshots);
            compare("bytes used by the dataset and its snapshots are", stored, found);
        }
    }
}
