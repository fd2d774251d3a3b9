//! Which versions of which packages an image gets.
//!
//! `resolvo` does the solving. What it cannot know is decided here: which packages are asked for,
//! in which order versions are tried, and that an obsolete package does not come back at an older
//! version.

mod catalog;
mod circumstances;
mod depend;
mod explain;
mod installed;
mod pattern;
mod provider;
mod version_pattern;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Candidate, Candidates, Wish};
use circumstances::Circumstances;
use depend::{Depend, DependKind, Limit};
pub use installed::{match_stems, solve_removal};
pub(crate) use pattern::Pattern;
use pattern::Versions;
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

/// What else decides which packages are chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct SolveOptions<'a> {
    /// Versions that are taken wherever they fit, even if there are newer ones: those of a lock.
    pub preferred: Option<&'a BTreeSet<Fmri>>,
    /// The image that this one belongs to, for `parent` dependencies; without one they count as
    /// met.
    pub parent: Option<&'a Image>,
}

/// The packages that were chosen.
#[derive(Debug, Clone, Default)]
pub struct Solution {
    /// What the image gets, by name.
    pub packages: Vec<Chosen>,
    /// Packages that only lead to others, by name: they were renamed and are not installed.
    pub renamed: Vec<Chosen>,
    /// Packages that were asked for by name and are obsolete, so that nothing is installed for them.
    pub obsolete: Vec<Fmri>,
}

/// Chooses packages for an image: everything that is installed, the packages named by `patterns`
/// and all that they need, the newest versions that every dependency and incorporation allows,
/// from the first publisher in search order that has them.
///
/// What is installed and not named stays at its version unless something needs a newer one.
/// The result is ordered by stem. Renamed packages are replaced by what they were renamed to, but
/// stay beside it where a package that is not renamed names them. Of what is asked for by name and
/// is obsolete nothing is installed, and what is installed of it goes, unless others need it.
/// An unsolvable request is an [`Error::Unsolvable`] that names both sides.
pub fn solve(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
) -> Result<Vec<Chosen>, Error> {
    Ok(solve_with(image, origins, patterns, SolveOptions::default())?.packages)
}

/// The same, with options.
pub fn solve_with(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
    options: SolveOptions<'_>,
) -> Result<Solution, Error> {
    let refuse =
        |pattern: &str, problem: String| Error::Pattern { pattern: pattern.to_owned(), problem };
    let parsed: Vec<Pattern> = patterns
        .iter()
        .map(|text| Pattern::parse(text).map_err(|problem| refuse(text, problem)))
        .collect::<Result<_, _>>()?;
    let mut candidates = Candidates::new(image, origins, options.preferred);
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let mut requests: Vec<(String, &Pattern)> = Vec::new();
    for pattern in &parsed {
        let mut found = pattern.find(candidates.stems());
        if found.len() > 1 {
            drop_replaced(&candidates, &mut found)?;
        }
        let found = pattern.check(found).map_err(|problem| {
            let problem = match pattern.select(candidates.unknown_stems()) {
                Ok(stems) => stems.iter().map(|stem| candidates.why_unknown(stem)).collect(),
                Err(_) => problem,
            };
            refuse(&pattern.text, problem)
        })?;
        for stem in found {
            let wish = wishes.entry(stem.to_owned()).or_default();
            wish.newest = true;
            wish.downgrade |= pattern.has_version();
            if let Versions::Limited(limit) = &pattern.version {
                wish.limits.push(limit.clone());
            }
            if pattern.publisher.is_some() {
                wish.publisher.clone_from(&pattern.publisher);
            }
            requests.push((stem.to_owned(), pattern));
        }
    }
    candidates.wish(wishes);
    let circumstances = Circumstances {
        image,
        parent: options.parent,
        named: requests.iter().map(|(stem, _)| stem.as_str()).collect(),
    };
    let (chosen, obsolete) = choose(&candidates, &circumstances, &requests)?;
    check_renamed(&candidates, &chosen)?;
    let kept = kept(&candidates, &chosen)?;
    for fmri in &obsolete {
        tracing::warn!("{} is asked for and obsolete: nothing is installed for it", fmri.short());
    }
    let mut solution = Solution { obsolete, ..Solution::default() };
    for (stem, at) in chosen {
        let candidate = &candidates.of(&stem)[at];
        let package = Chosen {
            fmri: candidate.fmri.clone(),
            manifest: candidates.manifest(candidate)?,
            origin: candidate.origin,
            manual: circumstances.named.contains(stem.as_str())
                || image.package(&stem).is_some_and(|package| package.is_manual()),
        };
        match kept.contains(&stem) {
            true => solution.packages.push(package),
            false => solution.renamed.push(package),
        }
    }
    Ok(solution)
}

/// Of several packages that a pattern may mean, forgets those that are obsolete by now, and those
/// that were renamed to another of them. If nothing would be left, all stay.
fn drop_replaced(candidates: &Candidates<'_>, found: &mut BTreeSet<&str>) -> Result<(), Error> {
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

/// A package that is asked for from outside: by whom, and at which version.
#[derive(Clone)]
struct Asked<'a> {
    stem: &'a str,
    who: Cow<'a, str>,
    range: Range,
}

/// The candidate for each package, as its place among the package's candidates; and what was asked
/// for by name and is obsolete.
fn choose(
    candidates: &Candidates<'_>,
    circumstances: &Circumstances<'_>,
    requests: &[(String, &Pattern)],
) -> Result<(BTreeMap<String, usize>, Vec<Fmri>), Error> {
    let installed = circumstances.image.packages.iter().map(|package| Asked {
        stem: &package.fmri.stem,
        who: "the image".into(),
        range: Range::Any,
    });
    let mut asked: Vec<Asked<'_>> = installed.collect();
    for (stem, pattern) in requests {
        let range = match &pattern.version {
            Versions::Any => Range::Any,
            Versions::Limited(limit) => Range::Limited(limit.clone()),
            Versions::Latest => latest(candidates, stem)?,
        };
        asked.push(Asked { stem, who: "the request".into(), range });
    }
    let mut given_up: BTreeMap<String, Fmri> = BTreeMap::new();
    let mut barred = Barred::new();
    let mut firm = BTreeSet::new();
    loop {
        let chosen = match settle(candidates, circumstances, &asked, &barred, &firm) {
            Err(error @ Error::Unsolvable { .. }) => {
                // Perhaps something is in the way that is obsolete and only asked for.
                let obsolete = obsolete_requests(candidates, requests, &asked)?;
                if obsolete.is_empty() {
                    return Err(error);
                }
                asked.retain(|asked| !obsolete.contains_key(asked.stem));
                given_up.extend(obsolete);
                continue;
            }
            chosen => chosen?,
        };
        if let Some((stem, place)) = gone(candidates, circumstances, &asked, &chosen)? {
            let of_stem = candidates.of(&stem);
            if asked.iter().any(|asked| asked.stem == stem) {
                asked.retain(|asked| asked.stem != stem);
                given_up.insert(stem, of_stem[place].fmri.clone());
            } else {
                let why = format!("{} is obsolete", of_stem[place].short());
                let older = (place..of_stem.len()).map(|at| ((stem.clone(), at), why.clone()));
                barred.extend(older);
            }
            continue;
        }
        let needed = needed(candidates, &asked, &chosen)?;
        // Only what some alternative was taken for can become firm, so this ends.
        if needed.len() == chosen.len() || needed.is_subset(&firm) {
            given_up.retain(|stem, _| !chosen.contains_key(stem));
            return Ok((chosen, given_up.into_values().collect()));
        }
        firm.extend(needed);
    }
}

/// Solves until every `conditional` dependency holds. The solver sometimes lets one pass that comes
/// to count late, if it cannot be met; then what it needs is asked for, or else the package that has
/// it is passed over.
fn settle(
    candidates: &Candidates<'_>,
    circumstances: &Circumstances<'_>,
    asked: &[Asked<'_>],
    barred: &Barred,
    firm: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>, Error> {
    let chosen = solve_once(candidates, circumstances, asked, barred, firm)?;
    let Some((stem, place, depend)) = unmet(candidates, &chosen)? else { return Ok(chosen) };
    let mut more = asked.to_vec();
    let short = candidates.of(&stem)[place].short();
    let predicate = depend.predicate.as_ref().map(|predicate| predicate.stem.as_str());
    let who = format!("{short} with {}", predicate.unwrap_or_default());
    more.extend(depend.on.iter().map(|target| Asked {
        stem: &target.stem,
        who: who.clone().into(),
        range: Range::at_least(target),
    }));
    match settle(candidates, circumstances, &more, barred, firm) {
        Err(error @ Error::Unsolvable { .. }) => {
            let mut without = barred.clone();
            without.insert((stem, place), format!("{short} cannot have what it needs"));
            settle(candidates, circumstances, asked, &without, firm).map_err(|_| error)
        }
        result => result,
    }
}

/// A chosen package whose conditional dependency is not met, with that dependency.
fn unmet<'c>(
    candidates: &'c Candidates<'_>,
    chosen: &BTreeMap<String, usize>,
) -> Result<Option<(String, usize, &'c Depend)>, Error> {
    let has = |fmri: &Fmri| {
        chosen.get(&fmri.stem).is_some_and(|place| {
            let version = candidates.of(&fmri.stem)[*place].fmri.version.as_ref();
            Range::at_least(fmri).allows(version)
        })
    };
    for (stem, place) in chosen {
        for depend in &candidates.facts(&candidates.of(stem)[*place])?.depends {
            if depend.kind == DependKind::Conditional
                && depend.predicate.as_ref().is_some_and(has)
                && !depend.on.iter().any(has)
            {
                return Ok(Some((stem.clone(), *place, depend)));
            }
        }
    }
    Ok(None)
}

/// Of what a request names: packages whose newest version in its range is obsolete, with that.
fn obsolete_requests(
    candidates: &Candidates<'_>,
    requests: &[(String, &Pattern)],
    asked: &[Asked<'_>],
) -> Result<BTreeMap<String, Fmri>, Error> {
    let mut obsolete = BTreeMap::new();
    for (stem, _) in requests {
        let ranges: Vec<&Range> =
            asked.iter().filter(|asked| asked.stem == stem).map(|asked| &asked.range).collect();
        let allowed = |candidate: &&Candidate<'_>| {
            let version = candidate.fmri.version.as_ref();
            ranges.iter().all(|range| range.allows(version))
        };
        if !ranges.is_empty()
            && let Some(newest) = candidates.of(stem).iter().find(allowed)
            && candidates.facts(newest)?.obsolete
        {
            obsolete.insert(stem.clone(), newest.fmri.clone());
        }
    }
    Ok(obsolete)
}

/// The chosen packages that are installed: all but those that were renamed, and of those the ones
/// that an installed package depends on by their old names.
fn kept(
    candidates: &Candidates<'_>,
    chosen: &BTreeMap<String, usize>,
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

/// The newest version that the image supports and no other.
fn latest(candidates: &Candidates<'_>, stem: &str) -> Result<Range, Error> {
    let mut newest: Vec<&Candidate<'_>> = candidates.of(stem).iter().collect();
    newest.sort_by(|a, b| b.fmri.version.cmp(&a.fmri.version));
    for candidate in newest {
        if let Some(version) = &candidate.fmri.version
            && candidates.facts(candidate)?.unsupported.is_none()
        {
            return Ok(Range::Limited(Limit::Within(version.clone())));
        }
    }
    Ok(Range::Any)
}

/// Refuses packages that were renamed to each other and so to nothing.
fn check_renamed(
    candidates: &Candidates<'_>,
    chosen: &BTreeMap<String, usize>,
) -> Result<(), Error> {
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

fn solve_once(
    candidates: &Candidates<'_>,
    circumstances: &Circumstances<'_>,
    asked: &[Asked<'_>],
    barred: &Barred,
    firm: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>, Error> {
    let provider = Provider::new(candidates, circumstances, barred, firm);
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
            let who = asked.iter().map(|asked| (asked.stem.to_owned(), &*asked.who)).collect();
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
/// allows the obsolete one: what was given up is not meant to come back when it is asked for, or
/// when it is a member of a group. What another package needs does, as with pkg(7). The package's
/// name, and the place of its obsolete version.
fn gone(
    candidates: &Candidates<'_>,
    circumstances: &Circumstances<'_>,
    asked: &[Asked<'_>],
    chosen: &BTreeMap<String, usize>,
) -> Result<Option<(String, usize)>, Error> {
    for (stem, place) in chosen {
        let of_stem = candidates.of(stem);
        let stays = of_stem[*place].is_installed() && !circumstances.named.contains(stem.as_str());
        if stays || is_needed(candidates, chosen, stem)? {
            continue;
        }
        for (newer, candidate) in of_stem[..*place].iter().enumerate() {
            let Some(version) = &candidate.fmri.version else { continue };
            if of_stem[*place].fmri.version.as_ref().is_none_or(|chosen| chosen > version) {
                continue;
            }
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
                return Ok(Some((stem.clone(), newer)));
            }
        }
    }
    Ok(None)
}

/// Whether a package that was chosen cannot do without this one.
fn is_needed(
    candidates: &Candidates<'_>,
    chosen: &BTreeMap<String, usize>,
    stem: &str,
) -> Result<bool, Error> {
    for (other, place) in chosen {
        let facts = candidates.facts(&candidates.of(other)[*place])?;
        let needs = |depend: &&Depend| match depend.kind {
            DependKind::Require | DependKind::RequireAny => true,
            DependKind::Conditional => {
                depend.predicate.as_ref().is_some_and(|p| chosen.contains_key(&p.stem))
            }
            _ => false,
        };
        let mut targets = facts.depends.iter().filter(needs).flat_map(|depend| &depend.on);
        if targets.any(|target| target.stem == stem) {
            return Ok(true);
        }
    }
    Ok(false)
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
                DependKind::RequireAny | DependKind::GroupAny if targets.len() == 1 => {
                    left.extend(targets)
                }
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
