//! Which versions of which packages an image gets.

//!
//! `resolvo` does the solving. What it cannot know is decided here: which packages are asked for,
//! in which order versions are tried, and that an obsolete package does not come back at an older
//! version.

mod catalog;
mod depend;
mod explain;
mod pattern;
mod provider;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Candidates, Wish};
use depend::Limit;
pub(crate) use depend::{Depend, DependKind};
pub(crate) use pattern::Pattern;
use provider::{Barred, Provider, Range};
use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use crate::{Error, Fmri, Image, Manifest, Origin};

/// A package that was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its name with publisher and version.
    pub fmri: Fmri,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Which of the given origins has it; none if it is installed and stays.
    pub origin: Option<usize>,
    /// Whether it was asked for by name, now or before.
    pub manual: bool,
}

/// Chooses packages for an image: everything that is installed, the packages named by `patterns`
/// and all that they need, the newest versions that every dependency and incorporation allows,
/// from the first publisher in search order that has them.
///
/// What is installed and not named stays at its version unless something needs a newer one.
/// The result is ordered by stem. Renamed packages are replaced by what they were renamed to.
/// An unsolvable request is an [`Error::Unsolvable`] that names both sides.
pub fn solve(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
) -> Result<Vec<Chosen>, Error> {
    let refuse =
        |pattern: &str, problem: String| Error::Pattern { pattern: pattern.to_owned(), problem };
    let parsed: Vec<Pattern> = patterns
        .iter()
        .map(|text| Pattern::parse(text).map_err(|problem| refuse(text, problem)))
        .collect::<Result<_, _>>()?;
    let all = Candidates::new(&image.config, image, origins, &BTreeMap::new());
    let stems: BTreeSet<&str> = all.stems().collect();
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let mut requests: Vec<(String, &Pattern)> = Vec::new();
    for pattern in &parsed {
        let found = pattern.select(stems.iter().copied()).map_err(|problem| {
            let problem = match pattern.select(all.unknown_stems()) {
                Ok(stems) => stems.iter().map(|stem| all.why_unknown(stem)).collect(),
                Err(_) => problem,
            };
            refuse(&pattern.text, problem)
        })?;
        for stem in found {
            let wish = wishes.entry(stem.to_owned()).or_default();
            wish.newest = true;
            wish.downgrade |= pattern.version.is_some();
            if pattern.publisher.is_some() {
                wish.publisher.clone_from(&pattern.publisher);
            }
            requests.push((stem.to_owned(), pattern));
        }
    }
    let candidates = Candidates::new(&image.config, image, origins, &wishes);
    let chosen = choose(&candidates, image, &requests)?;
    let mut result = Vec::new();
    for (stem, at) in chosen {
        let candidate = &candidates.of(&stem)[at];
        if candidates.facts(candidate)?.renamed {
            continue;
        }
        let named = requests.iter().any(|(requested, _)| *requested == stem);
        result.push(Chosen {
            fmri: candidate.fmri.clone(),
            manifest: candidates.manifest(candidate)?,
            origin: candidate.origin,
            manual: named || image.package(&stem).is_some_and(|package| package.is_manual()),
        });
    }
    Ok(result)
}

/// A package that is asked for from outside: by whom, and at which version.
struct Asked<'a> {
    stem: &'a str,
    who: &'a str,
    range: Range,
}

/// The candidate for each package: its place among the package's candidates.
fn choose(
    candidates: &Candidates<'_>,
    image: &Image,
    requests: &[(String, &Pattern)],
) -> Result<BTreeMap<String, usize>, Error> {
    let installed = image.packages.iter().map(|package| Asked {
        stem: &package.fmri.stem,
        who: "the image",
        range: Range::Any,
    });
    let requested = requests.iter().map(|(stem, pattern)| Asked {
        stem,
        who: "the request",
        range: pattern.version.clone().map_or(Range::Any, |v| Range::Limited(Limit::Within(v))),
    });
    let asked: Vec<Asked<'_>> = installed.chain(requested).collect();
    let mut barred = Barred::new();
    let mut firm = BTreeSet::new();
    loop {
        let chosen = solve_once(candidates, &asked, &barred, &firm)?;
        if let Some((stem, place, why)) = gone(candidates, &asked, &chosen)? {
            barred.insert(stem, (place, why));
            continue;
        }
        let needed = needed(candidates, &asked, &chosen)?;
        // Only what some alternative was taken for can become firm, so this ends.
        if needed.len() == chosen.len() || needed.is_subset(&firm) {
            return Ok(chosen);
        }
        firm.extend(needed);
    }
}

fn solve_once(
    candidates: &Candidates<'_>,
    asked: &[Asked<'_>],
    barred: &Barred,
    firm: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>, Error> {
    let provider = Provider::new(candidates, barred, firm);
    let requirements =
        asked.iter().map(|asked| provider.range(asked.stem, asked.range.clone()).into()).collect();
    let mut solver = Solver::new(provider);
    let result = solver.solve(Problem::new().requirements(requirements));
    if let Some(error) = solver.provider().failure.take() {
        return Err(error);
    }
    match result {
        Ok(ids) => {
            let pool = &solver.provider().pool;
            let place = |id| {
                let solvable = pool.resolve_solvable(id);
                (pool.resolve_package_name(solvable.name).clone(), solvable.record.0)
            };
            Ok(ids.into_iter().map(place).collect())
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let who = asked.iter().map(|asked| (asked.stem.to_owned(), asked.who)).collect();
            Err(explain::explain(&conflict, &solver, &who))
        }
        // Nothing cancels but a failure.
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err(Error::Unsolvable {
            package: "the packages".to_owned(),
            reasons: Vec::new(),
            known: Vec::new(),
        }),
    }
}

/// A package that was chosen at a version from before it became obsolete, although everything
/// allows the obsolete one: what was given up is not meant to come back. Its name, the first place
/// that is too old, and the reason.
fn gone(
    candidates: &Candidates<'_>,
    asked: &[Asked<'_>],
    chosen: &BTreeMap<String, usize>,
) -> Result<Option<(String, usize, String)>, Error> {
    for (stem, place) in chosen {
        let of_stem = candidates.of(stem);
        if of_stem[*place].is_installed() {
            continue;
        }
        for (newer, candidate) in of_stem[..*place].iter().enumerate() {
            let Some(version) = &candidate.fmri.version else { continue };
            if !candidates.facts(candidate)?.obsolete || candidate.is_installed() {
                continue;
            }
            let mut allowed = asked.iter().filter(|a| a.stem == stem).all(
                |asked| !matches!(&asked.range, Range::Limited(limit) if !limit.allows(version)),
            );
            for (other, place) in chosen {
                let facts = candidates.facts(&candidates.of(other)[*place])?;
                allowed &= facts.limits_on(stem).all(|limit| limit.allows(version));
            }
            if allowed {
                let why = format!("{} is obsolete", candidate.short());
                return Ok(Some((stem.clone(), newer, why)));
            }
        }
    }
    Ok(None)
}

/// The chosen packages that are needed whichever alternative is taken of several that were chosen.
fn needed(
    candidates: &Candidates<'_>,
    asked: &[Asked<'_>],
    chosen: &BTreeMap<String, usize>,
) -> Result<BTreeSet<String>, Error> {
    let mut needed = BTreeSet::new();
    let mut left: Vec<&str> = asked.iter().map(|asked| asked.stem).collect();
    while let Some(stem) = left.pop() {
        let Some((stem, place)) = chosen.get_key_value(stem) else { continue };
        if !needed.insert(stem.clone()) {
            continue;
        }
        for depend in &candidates.facts(&candidates.of(stem)[*place])?.depends {
            let targets = depend.on.iter().map(|target| target.stem.as_str());
            let targets: Vec<&str> = targets.filter(|stem| chosen.contains_key(*stem)).collect();
            match depend.kind {
                DependKind::Require | DependKind::Group => left.extend(targets),
                DependKind::RequireAny if targets.len() == 1 => left.extend(targets),
                DependKind::Conditional
                    if depend.predicate.as_ref().is_some_and(|p| chosen.contains_key(&p.stem)) =>
                {
                    left.extend(targets);
                }
                _ => {}
            }
        }
    }
    Ok(needed)
}
