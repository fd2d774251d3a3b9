//! What the solver asks about packages: names, versions, and what they need.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates as Solvables, Condition, ConditionId, ConditionalRequirement, Dependencies,
    DependencyProvider, Interner, KnownDependencies, NameId, SolvableId, SolverCache, StringId,
    VersionSetId, VersionSetUnionId,
};

use super::catalog::{Candidate, Candidates};
use super::circumstances::Circumstances;
use super::depend::{DependKind, Limit};
use crate::{Error, Fmri, Version};

/// Which versions of a package are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Range {
    Any,
    Limited(Limit),
}

/// A candidate: its place among those of its package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub(super) usize);

impl Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl VersionSet for Range {
    type V = Place;
}

impl Range {
    /// This version or a newer one, if one is named.
    pub(super) fn at_least(fmri: &Fmri) -> Self {
        fmri.version.clone().map_or(Self::Any, |version| Self::Limited(Limit::AtLeast(version)))
    }

    pub(super) fn allows(&self, version: Option<&Version>) -> bool {
        match (self, version) {
            (Self::Any, _) => true,
            (Self::Limited(limit), Some(version)) => limit.allows(version),
            (Self::Limited(_), None) => false,
        }
    }
}

/// Candidates, by package and place, that are not to be taken, and why.
pub(super) type Barred = BTreeMap<(String, usize), String>;

/// Answers the solver from the candidates.
pub(super) struct Provider<'a, 'c> {
    pub(super) candidates: &'a Candidates<'c>,
    circumstances: &'a Circumstances<'a>,
    pub(super) pool: Pool<Range>,
    barred: &'a Barred,
    /// Packages that are needed anyway: the first choice where one of several is needed.
    firm: &'a BTreeSet<String>,
    /// Whether versions of packages can be had, as far as that was asked.
    had: RefCell<BTreeMap<Fmri, bool>>,
    /// What went wrong while a manifest was read; the solver is stopped then.
    pub(super) failure: RefCell<Option<Error>>,
}

impl<'a, 'c> Provider<'a, 'c> {
    pub(super) fn new(
        candidates: &'a Candidates<'c>,
        circumstances: &'a Circumstances<'a>,
        barred: &'a Barred,
        firm: &'a BTreeSet<String>,
    ) -> Self {
        let (pool, had, failure) = (Pool::new(), RefCell::default(), RefCell::new(None));
        Self { candidates, circumstances, pool, barred, firm, had, failure }
    }

    /// The versions of a package that are meant.
    pub(super) fn range(&self, stem: &str, range: Range) -> VersionSetId {
        self.pool.intern_version_set(self.pool.intern_package_name(stem), range)
    }

    /// The candidate that the solver knows by a number.
    pub(super) fn candidate(&self, id: SolvableId) -> (&str, &'a Candidate<'c>) {
        let solvable = self.pool.resolve_solvable(id);
        let stem = self.pool.resolve_package_name(solvable.name);
        (stem, &self.candidates.of(stem)[solvable.record.0])
    }

    /// Why a candidate cannot be taken, as far as its name alone says.
    fn barred(&self, stem: &str, at: usize, candidate: &Candidate<'_>) -> Option<String> {
        let why = self.barred.get(&(stem.to_owned(), at)).cloned();
        why.or_else(|| self.circumstances.barred(candidate))
    }

    /// Why a candidate cannot be taken, as its manifest says.
    fn refused(&self, candidate: &Candidate<'c>) -> Result<Option<String>, Error> {
        let facts = self.candidates.facts(candidate)?;
        Ok(match &facts.unsupported {
            Some(unsupported) => Some(format!("{} {unsupported}", candidate.short())),
            None if candidate.is_installed() => None,
            None if facts.obsolete => Some(format!("{} is obsolete", candidate.short())),
            None => self.circumstances.refused(candidate, facts),
        })
    }

    fn solvables(&self, name: NameId) -> Solvables {
        let stem = self.pool.resolve_package_name(name);
        let mut found = Solvables::default();
        for (at, candidate) in self.candidates.of(stem).iter().enumerate() {
            let id = self.pool.intern_solvable(name, Place(at));
            if let Some(why) = self.barred(stem, at, candidate) {
                found.excluded.push((id, self.pool.intern_string(why)));
            }
            found.candidates.push(id);
        }
        found
    }

    /// Some package of several: those first that are needed anyway, last those that are obsolete by
    /// now.
    fn any<'f>(
        &self,
        known: &mut KnownDependencies,
        targets: impl Iterator<Item = (&'f str, Range)>,
    ) -> Result<(), Error> {
        let mut ranked = Vec::new();
        for (stem, range) in targets {
            let rank = match self.firm.contains(stem) {
                true => 0,
                false if self.is_there(stem)? => 1,
                false => 2,
            };
            ranked.push((rank, self.range(stem, range)));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut ranges = ranked.into_iter().map(|(_, range)| range);
        if let Some(first) = ranges.next() {
            let union = self.pool.intern_version_set_union(first, ranges);
            known.requirements.push(union.into());
        }
        Ok(())
    }

    /// Whether a group pulls a package in.
    fn is_grouped(&self, target: &Fmri) -> Result<bool, Error> {
        Ok(!self.circumstances.avoids(&target.stem) && self.is_there(&target.stem)?)
    }

    /// Whether a package exists whose first choice, of the versions that can be had, is not
    /// obsolete.
    fn is_there(&self, stem: &str) -> Result<bool, Error> {
        for candidate in self.candidates.of(stem) {
            if !self.can_be_had(candidate)? {
                continue;
            }
            return Ok(!self.candidates.facts(candidate)?.obsolete);
        }
        Ok(false)
    }

    /// Whether the image may take a version of a package, and what it requires is there at all.
    /// What requires itself is there.
    fn can_be_had(&self, candidate: &Candidate<'c>) -> Result<bool, Error> {
        if let Some(known) = self.had.borrow().get(candidate.fmri) {
            return Ok(*known);
        }
        self.had.borrow_mut().insert(candidate.fmri.clone(), true);
        let can = candidate.is_installed() || self.is_complete(candidate)?;
        self.had.borrow_mut().insert(candidate.fmri.clone(), can);
        Ok(can)
    }

    fn is_complete(&self, candidate: &Candidate<'c>) -> Result<bool, Error> {
        let facts = self.candidates.facts(candidate)?;
        if facts.unsupported.is_some() || self.circumstances.unnamed(candidate, facts).is_some() {
            return Ok(false);
        }
        let required = facts.depends.iter().filter(|depend| depend.kind == DependKind::Require);
        for target in required.flat_map(|depend| &depend.on) {
            let range = Range::at_least(target);
            let mut found = false;
            for candidate in self.candidates.of(&target.stem) {
                found = range.allows(candidate.fmri.version.as_ref())
                    && !self.candidates.facts(candidate)?.obsolete
                    && self.can_be_had(candidate)?;
                if found {
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn dependencies(&self, candidate: &Candidate<'c>) -> Result<KnownDependencies, Error> {
        let mut known = KnownDependencies::default();
        let depends = &self.candidates.facts(candidate)?.depends;
        let drawn = depends.iter().filter(|depend| depend.kind.draws_in());
        let stems: Vec<&str> =
            drawn.flat_map(|depend| &depend.on).map(|target| target.stem.as_str()).collect();
        self.candidates.look_ahead(&stems);
        for depend in depends {
            let need = |fmri: &Fmri| self.range(&fmri.stem, Range::at_least(fmri));
            match (depend.kind, &depend.on[..]) {
                (DependKind::Require, [target]) => known.requirements.push(need(target).into()),
                (DependKind::RequireAny, targets) => {
                    let targets = targets.iter();
                    let targets = targets.map(|fmri| (&*fmri.stem, Range::at_least(fmri)));
                    self.any(&mut known, targets)?;
                }
                (DependKind::Group, targets) => {
                    for target in targets {
                        if self.is_grouped(target)? {
                            known.requirements.push(self.range(&target.stem, Range::Any).into());
                        }
                    }
                }
                (DependKind::GroupAny, targets) => {
                    let mut there = Vec::new();
                    for target in targets {
                        if self.is_grouped(target)? {
                            there.push((target.stem.as_str(), Range::Any));
                        }
                    }
                    self.any(&mut known, there.into_iter())?;
                }
                (DependKind::Conditional, [target]) => {
                    if let Some(predicate) = &depend.predicate {
                        let condition = Condition::Requirement(need(predicate));
                        known.requirements.push(ConditionalRequirement {
                            condition: Some(self.pool.intern_condition(condition)),
                            requirement: need(target).into(),
                        });
                    }
                }
                (_, [target]) => {
                    if let Some(limit) = depend.limit_on(target) {
                        known.constrains.push(self.range(&target.stem, Range::Limited(limit)));
                    }
                }
                _ => {}
            }
        }
        Ok(known)
    }

    /// Keeps an error for after the solver has stopped.
    fn keep<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| *self.failure.borrow_mut() = Some(error)).ok()
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.candidate(solvable).1.short()
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.pool.resolve_package_name(name)
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        format!("{:?}", self.pool.resolve_version_set(version_set))
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        self.pool.resolve_string(string_id)
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(version_set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let range = self.pool.resolve_version_set(version_set);
        let version = |id: SolvableId| self.candidate(id).1.fmri.version.as_ref();
        candidates.iter().copied().filter(|id| range.allows(version(*id)) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Solvables> {
        let stem = self.pool.resolve_package_name(name);
        if self.candidates.of(stem).is_empty() {
            return None;
        }
        Some(self.solvables(name))
    }

    /// Candidates are kept best first; of several packages the first named comes first.
    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|id| self.pool.resolve_solvable(*id).record.0);
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let candidate = self.candidate(solvable).1;
        match self.keep(self.refused(candidate)) {
            Some(Some(why)) => return Dependencies::Unknown(self.pool.intern_string(why)),
            Some(None) => {}
            None => return Dependencies::Known(KnownDependencies::default()),
        }
        match self.keep(self.dependencies(candidate)) {
            Some(known) => Dependencies::Known(known),
            None => Dependencies::Unknown(self.pool.intern_string("its manifest cannot be read")),
        }
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.failure.borrow().is_some().then(|| Box::new(()) as Box<dyn Any>)
    }
}
