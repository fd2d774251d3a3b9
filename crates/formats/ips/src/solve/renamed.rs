//! Packages that were renamed: which name is meant, which stays, and that all lead somewhere.

use std::collections::BTreeSet;

use super::catalog::Candidates;
use super::depend::DependKind;
use super::search::Places;
use crate::Error;

/// Of several packages that a pattern may mean, forgets those that are obsolete by now, and those
/// that were renamed to another of them. If nothing would be left, all stay.
pub(super) fn drop_replaced(
    candidates: &Candidates<'_>,
    found: &mut BTreeSet<&str>,
) -> Result<(), Error> {
    let mut left = BTreeSet::new();
    for stem in &*found {
        let Some(newest) = candidates.of(stem).first() else { continue };
        let facts = candidates.facts(newest)?;
        let mut targets = facts.depends.iter().flat_map(|depend| &depend.on);
        let replaced = facts.renamed && targets.any(|target| found.contains(&*target.stem));
        if !facts.obsolete && !replaced {
            left.insert(*stem);
        }
    }
    if !left.is_empty() {
        *found = left;
    }
    Ok(())
}

/// The chosen packages that are installed: all but those that were renamed, and of those the ones
/// that an installed package depends on by their old names.
pub(super) fn kept(
    candidates: &Candidates<'_>,
    chosen: &Places,
) -> Result<BTreeSet<String>, Error> {
    let mut kept = BTreeSet::new();
    let mut left = Vec::new();
    for (stem, place) in chosen {
        if !candidates.facts(&candidates.of(stem)[*place])?.renamed {
            kept.insert(stem.clone());
            left.push((stem, place));
        }
    }
    while let Some((stem, place)) = left.pop() {
        for depend in &candidates.facts(&candidates.of(stem)[*place])?.depends {
            if !depend.keeps_renamed() {
                continue;
            }
            for target in &depend.on {
                if let Some((stem, place)) = chosen.get_key_value(&target.stem)
                    && kept.insert(stem.clone())
                {
                    left.push((stem, place));
                }
            }
        }
    }
    Ok(kept)
}

/// Refuses packages that were renamed to each other and so to nothing.
pub(super) fn check(candidates: &Candidates<'_>, chosen: &Places) -> Result<(), Error> {
    for stem in chosen.keys() {
        let mut seen: Vec<&str> = Vec::new();
        let mut left = vec![stem.as_str()];
        let mut sentences = Vec::new();
        let mut arrived = false;
        while let Some(name) = left.pop() {
            let Some((name, at)) = chosen.get_key_value(name) else { continue };
            let candidate = &candidates.of(name)[*at];
            let facts = candidates.facts(candidate)?;
            if !facts.renamed {
                arrived = true;
                break;
            }
            if seen.contains(&name.as_str()) {
                continue;
            }
            seen.push(name);
            for depend in facts.depends.iter().filter(|d| d.kind == DependKind::Require) {
                for target in &depend.on {
                    sentences.push(format!("{} was renamed to {}", candidate.short(), target.stem));
                    left.push(&target.stem);
                }
            }
        }
        if !arrived {
            let package = stem.clone();
            return Err(Error::Unsolvable { package, reasons: sentences, known: Vec::new() });
        }
    }
    Ok(())
}
