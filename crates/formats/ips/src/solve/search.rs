//! The search for candidates that fit each other: what the solver is asked, and when its answer is
//! taken.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use super::catalog::{Candidate, Candidates};
use super::circumstances::Circumstances;
use super::depend::{Depend, DependKind, Limit};
use super::explain;
use super::pattern::{Pattern, Versions};
use super::provider::{Barred, Provider, Range};
use crate::{Error, Fmri};

/// The candidate for each package, as its place among the package's candidates.
pub(super) type Places = BTreeMap<String, usize>;

/// A package that is asked for from outside: by whom, and at which version.
#[derive(Clone)]
struct Asked<'a> {
    stem: &'a str,
    who: Cow<'a, str>,
    range: Range,
}

/// What the solver is asked.
#[derive(Clone)]
struct Question<'a, 'c> {
    candidates: &'a Candidates<'c>,
    circumstances: &'a Circumstances<'a>,
    asked: Vec<Asked<'a>>,
    /// Candidates that are passed over, and why.
    barred: Barred,
    /// Packages that are needed whichever alternatives are taken.
    firm: BTreeSet<String>,
}

/// The candidate for each package; and what was asked for by name and is obsolete.
pub(super) fn choose<'a>(
    candidates: &'a Candidates<'_>,
    circumstances: &'a Circumstances<'a>,
    requests: &'a [(String, &Pattern)],
) -> Result<(Places, Vec<Fmri>), Error> {
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
    let (barred, firm) = (Barred::new(), BTreeSet::new());
    let mut question = Question { candidates, circumstances, asked, barred, firm };
    let mut given_up: BTreeMap<String, Fmri> = BTreeMap::new();
    loop {
        let chosen = match question.settle() {
            Err(error @ Error::Unsolvable { .. }) => {
                // Perhaps something is in the way that is obsolete and only asked for.
                let obsolete = question.obsolete(requests)?;
                if obsolete.is_empty() {
                    return Err(error);
                }
                question.asked.retain(|asked| !obsolete.contains_key(asked.stem));
                given_up.extend(obsolete);
                continue;
            }
            chosen => chosen?,
        };
        if let Some((stem, place)) = question.gone(&chosen)? {
            let of_stem = candidates.of(&stem);
            if question.asked.iter().any(|asked| asked.stem == stem) {
                question.asked.retain(|asked| asked.stem != stem);
                given_up.insert(stem, of_stem[place].fmri.clone());
            } else {
                let why = format!("{} is obsolete", of_stem[place].short());
                let older = (place..of_stem.len()).map(|at| ((stem.clone(), at), why.clone()));
                question.barred.extend(older);
            }
            continue;
        }
        let needed = question.needed(&chosen)?;
        // Only what some alternative was taken for can become firm, so this ends.
        if needed.len() == chosen.len() || needed.is_subset(&question.firm) {
            given_up.retain(|stem, _| !chosen.contains_key(stem));
            return Ok((chosen, given_up.into_values().collect()));
        }
        question.firm.extend(needed);
    }
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

impl<'a> Question<'a, '_> {
    /// Solves until every `conditional` dependency holds. The solver sometimes lets one pass that
    /// comes to count late, if it cannot be met; then what it needs is asked for, or else the
    /// package that has it is passed over.
    fn settle(&self) -> Result<Places, Error> {
        let chosen = self.solve()?;
        let Some((stem, place, depend)) = self.unmet(&chosen)? else { return Ok(chosen) };
        let mut more = self.clone();
        let short = self.candidates.of(&stem)[place].short();
        let predicate = depend.predicate.as_ref().map(|predicate| predicate.stem.as_str());
        let who = format!("{short} with {}", predicate.unwrap_or_default());
        more.asked.extend(depend.on.iter().map(|target| Asked {
            stem: &target.stem,
            who: who.clone().into(),
            range: Range::at_least(target),
        }));
        match more.settle() {
            Err(error @ Error::Unsolvable { .. }) => {
                let mut without = self.clone();
                without.barred.insert((stem, place), format!("{short} cannot have what it needs"));
                without.settle().map_err(|_| error)
            }
            result => result,
        }
    }

    /// Asks the solver once.
    fn solve(&self) -> Result<Places, Error> {
        let provider = Provider::new(self.candidates, self.circumstances, &self.barred, &self.firm);
        let requirements = self
            .asked
            .iter()
            .map(|asked| provider.range(asked.stem, asked.range.clone()).into())
            .collect();
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
                let who =
                    self.asked.iter().map(|asked| (asked.stem.to_owned(), &*asked.who)).collect();
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

    /// A chosen package whose conditional dependency is not met, with that dependency.
    fn unmet(&self, chosen: &Places) -> Result<Option<(String, usize, &'a Depend)>, Error> {
        let has = |fmri: &Fmri| {
            chosen.get(&fmri.stem).is_some_and(|place| {
                let version = self.candidates.of(&fmri.stem)[*place].fmri.version.as_ref();
                Range::at_least(fmri).allows(version)
            })
        };
        for (stem, place) in chosen {
            for depend in &self.candidates.facts(&self.candidates.of(stem)[*place])?.depends {
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
    fn obsolete(&self, requests: &[(String, &Pattern)]) -> Result<BTreeMap<String, Fmri>, Error> {
        let mut obsolete = BTreeMap::new();
        for (stem, _) in requests {
            let ranges: Vec<&Range> = self
                .asked
                .iter()
                .filter(|asked| asked.stem == stem)
                .map(|asked| &asked.range)
                .collect();
            let allowed = |candidate: &&Candidate<'_>| {
                let version = candidate.fmri.version.as_ref();
                ranges.iter().all(|range| range.allows(version))
            };
            if !ranges.is_empty()
                && let Some(newest) = self.candidates.of(stem).iter().find(allowed)
                && self.candidates.facts(newest)?.obsolete
            {
                obsolete.insert(stem.clone(), newest.fmri.clone());
            }
        }
        Ok(obsolete)
    }

    /// A package that was chosen at a version from before it became obsolete, although everything
    /// allows the obsolete one: what was given up is not meant to come back when it is asked for,
    /// or when it is a member of a group. What another package needs does, as with pkg(7). The
    /// package's name, and the place of its obsolete version.
    fn gone(&self, chosen: &Places) -> Result<Option<(String, usize)>, Error> {
        let candidates = self.candidates;
        for (stem, place) in chosen {
            let of_stem = candidates.of(stem);
            let stays =
                of_stem[*place].is_installed() && !self.circumstances.named.contains(stem.as_str());
            if stays || self.is_needed(chosen, stem)? {
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
                let mut allowed = self.asked.iter().filter(|a| a.stem == stem).all(
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
    fn is_needed(&self, chosen: &Places, stem: &str) -> Result<bool, Error> {
        for (other, place) in chosen {
            let facts = self.candidates.facts(&self.candidates.of(other)[*place])?;
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

    /// The chosen packages that are needed whichever alternative is taken of several that were
    /// chosen.
    fn needed(&self, chosen: &Places) -> Result<BTreeSet<String>, Error> {
        let mut needed = BTreeSet::new();
        let mut left: Vec<&str> = self.asked.iter().map(|asked| asked.stem).collect();
        while let Some(stem) = left.pop() {
            let Some((stem, place)) = chosen.get_key_value(stem) else { continue };
            if !needed.insert(stem.clone()) {
                continue;
            }
            for depend in &self.candidates.facts(&self.candidates.of(stem)[*place])?.depends {
                let targets = depend.on.iter().map(|target| target.stem.as_str());
                let targets: Vec<&str> =
                    targets.filter(|stem| chosen.contains_key(*stem)).collect();
                match depend.kind {
                    DependKind::Require | DependKind::Group => left.extend(targets),
                    DependKind::RequireAny | DependKind::GroupAny if targets.len() == 1 => {
                        left.extend(targets)
                    }
                    DependKind::Conditional
                        if depend
                            .predicate
                            .as_ref()
                            .is_some_and(|p| chosen.contains_key(&p.stem)) =>
                    {
                        left.extend(targets);
                    }
                    _ => {}
                }
            }
        }
        Ok(needed)
    }
}
