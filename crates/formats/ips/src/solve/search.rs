//! The search for a set of packages that satisfies every dependency.
//!
//! Packages are chosen one at a time, newest first, incorporations before others. When none of a
//! package's versions fits, the search goes back to the latest choice that had a part in it
//! (conflict-directed backjumping), so the result does not depend on luck or on the order of the
//! input, only on names and versions.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Candidate, Candidates};
use super::depend::{DependKind, Limit};
use crate::{Error, Fmri, Version};

/// A choice to be made: a package, or which alternative of a `require-any`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Package(String),
    /// The package that asks, and the number of its dependency.
    Alternative(String, usize),
}

/// Whose word something is: choices made, or nobody's but the request's.
type Because = BTreeSet<Question>;

#[derive(Debug, Clone)]
struct Limited {
    limit: Limit,
    because: Because,
    sentence: String,
}

#[derive(Debug, Clone)]
struct Needed {
    because: Because,
    sentence: String,
}

/// What is asked of one package so far.
#[derive(Debug, Clone, Default)]
struct Demands {
    needed: Vec<Needed>,
    limits: Vec<Limited>,
}

/// A choice that was made, and what is left to try.
struct Decision {
    question: Question,
    /// What was not tried yet, best first.
    untried: std::vec::IntoIter<usize>,
    chosen: usize,
    /// Which earlier choices ruled out what was tried.
    conflict: Because,
    /// Where demands were added, for taking them back.
    added: Vec<(String, Added)>,
}

#[derive(Clone, Copy)]
enum Added {
    Needed,
    Limit,
}

pub(crate) struct Search<'a> {
    candidates: &'a Candidates<'a>,
    demands: BTreeMap<String, Demands>,
    chosen: BTreeMap<String, usize>,
    alternatives: BTreeMap<(String, usize), usize>,
    trail: Vec<Decision>,
    /// The first dead end, which explains best why the first choice was not possible.
    first_dead_end: Option<Error>,
    steps: usize,
}

/// Choices tried before giving up.
const MOST_STEPS: usize = 200_000;

impl<'a> Search<'a> {
    pub(crate) fn new(candidates: &'a Candidates<'a>) -> Self {
        Self {
            candidates,
            demands: BTreeMap::new(),
            chosen: BTreeMap::new(),
            alternatives: BTreeMap::new(),
            trail: Vec::new(),
            first_dead_end: None,
            steps: 0,
        }
    }

    /// Asks for a package from outside.
    pub(crate) fn request(&mut self, stem: &str, limit: Option<Limit>, who: &str) {
        let demands = self.demands.entry(stem.to_owned()).or_default();
        let because = Because::new();
        demands.needed.push(Needed { because, sentence: format!("{who} asks for {stem}") });
        if let Some(limit) = limit {
            let sentence = limit.sentence(who, stem);
            demands.limits.push(Limited { limit, because: Because::new(), sentence });
        }
    }

    /// Runs the search; the result is the candidate chosen for each stem.
    pub(crate) fn run(mut self) -> Result<BTreeMap<String, usize>, Error> {
        loop {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(self.first_dead_end.take().unwrap_or(Error::Unsolvable {
                    package: "the packages".into(),
                    reasons: vec![format!("no solution among {MOST_STEPS} tried")],
                    known: Vec::new(),
                }));
            }
            match self.next_question()? {
                Next::Done => return Ok(self.chosen),
                Next::Ask(question) => {
                    let untried = self.options(&question)?.into_iter();
                    let (conflict, added) = (Because::new(), Vec::new());
                    self.trail.push(Decision { question, untried, chosen: 0, conflict, added });
                    self.advance()?;
                }
                Next::Conflict(because) => self.back_to(because)?,
            }
        }
    }

    fn next_question(&mut self) -> Result<Next, Error> {
        let mut best: Option<(bool, &String)> = None;
        for (stem, demands) in &self.demands {
            if demands.needed.is_empty() || self.chosen.contains_key(stem) {
                continue;
            }
            let incorporation = match self.candidates.of(stem).first() {
                Some(newest) => self.candidates.facts(newest)?.is_incorporation(),
                None => true,
            };
            if best.is_none_or(|(there, _)| incorporation && !there) {
                best = Some((incorporation, stem));
            }
        }
        if let Some((_, stem)) = best {
            return Ok(Next::Ask(Question::Package(stem.clone())));
        }
        // Everything that is needed is chosen; what depends on the choices comes last.
        for (stem, chosen) in &self.chosen {
            let candidate = &self.candidates.of(stem)[*chosen];
            for (number, depend) in self.candidates.facts(candidate)?.depends.iter().enumerate() {
                match depend.kind {
                    DependKind::RequireAny => {
                        let key = (stem.clone(), number);
                        let satisfied = depend.on.iter().any(|fmri| self.has(fmri));
                        if !satisfied && !self.alternatives.contains_key(&key) {
                            return Ok(Next::Ask(Question::Alternative(key.0, key.1)));
                        }
                    }
                    DependKind::Conditional => {
                        let (Some(predicate), [target]) = (&depend.predicate, &depend.on[..])
                        else {
                            continue;
                        };
                        if !self.has(predicate) || self.has(target) {
                            continue;
                        }
                        let because: Because = [stem, &predicate.stem]
                            .map(|stem| Question::Package(stem.clone()))
                            .into();
                        if self.chosen.contains_key(&target.stem) {
                            let mut because = because;
                            because.insert(Question::Package(target.stem.clone()));
                            return Ok(Next::Conflict(because));
                        }
                        let who =
                            format!("{} (because {} is there)", short(candidate), predicate.stem);
                        let target = target.clone();
                        self.need(&target, &who, because);
                        return self.next_question();
                    }
                    _ => {}
                }
            }
        }
        Ok(Next::Done)
    }

    /// Whether a package is chosen, at this version or a newer one.
    fn has(&self, fmri: &Fmri) -> bool {
        self.version_of(&fmri.stem)
            .is_some_and(|version| fmri.version.as_ref().is_none_or(|least| version >= least))
    }

    fn version_of(&self, stem: &str) -> Option<&Version> {
        let chosen = self.chosen.get(stem)?;
        self.candidates.of(stem)[*chosen].fmri.version.as_ref()
    }

    fn options(&self, question: &Question) -> Result<Vec<usize>, Error> {
        match question {
            Question::Package(stem) => Ok((0..self.candidates.of(stem).len()).collect()),
            Question::Alternative(stem, number) => {
                let on = self.alternatives_of(stem, *number)?;
                let mut options: Vec<usize> = (0..on.len()).collect();
                // What is needed anyway first.
                options.sort_by_key(|&at| !self.chosen.contains_key(&on[at].stem));
                Ok(options)
            }
        }
    }

    fn alternatives_of(&self, stem: &str, number: usize) -> Result<&'a [Fmri], Error> {
        let candidate = &self.candidates.of(stem)[self.chosen[stem]];
        Ok(&self.candidates.facts(candidate)?.depends[number].on)
    }

    /// Takes the next option of the latest decision that fits, or goes back.
    fn advance(&mut self) -> Result<(), Error> {
        loop {
            let Some(mut decision) = self.trail.pop() else {
                return Err(self.first_dead_end.take().unwrap_or(Error::Unsolvable {
                    package: "the packages".into(),
                    reasons: Vec::new(),
                    known: Vec::new(),
                }));
            };
            let mut reasons = Vec::new();
            let mut taken = false;
            for option in decision.untried.by_ref() {
                match self.fits(&decision.question, option)? {
                    Fit::Yes => {
                        decision.chosen = option;
                        taken = true;
                        break;
                    }
                    Fit::No(because, why) => {
                        decision.conflict.extend(because);
                        reasons.extend(why);
                    }
                    Fit::Never(because, why) => {
                        decision.conflict.extend(because);
                        reasons.extend(why);
                        break;
                    }
                }
            }
            if taken {
                return self.take(decision);
            }
            let mut because = decision.conflict;
            if self.first_dead_end.is_none() {
                self.first_dead_end = Some(self.dead_end(&decision.question, reasons));
            }
            match &decision.question {
                Question::Package(stem) => {
                    for needed in &self.demands[stem].needed {
                        because.extend(needed.because.iter().cloned());
                    }
                }
                Question::Alternative(stem, _) => {
                    because.insert(Question::Package(stem.clone()));
                }
            }
            self.unwind(because)?;
        }
    }

    fn back_to(&mut self, because: Because) -> Result<(), Error> {
        self.unwind(because)?;
        self.advance()
    }

    /// Undoes choices down to the latest one in `because`, which then knows why.
    fn unwind(&mut self, mut because: Because) -> Result<(), Error> {
        while let Some(mut decision) = self.trail.pop() {
            self.undo(&mut decision);
            if because.remove(&decision.question) {
                decision.conflict.extend(because);
                self.trail.push(decision);
                return Ok(());
            }
        }
        Err(self.first_dead_end.take().unwrap_or(Error::Unsolvable {
            package: "the packages".into(),
            reasons: vec!["a conditional dependency cannot be met".into()],
            known: Vec::new(),
        }))
    }

    fn undo(&mut self, decision: &mut Decision) {
        match &decision.question {
            Question::Package(stem) => {
                self.chosen.remove(stem);
            }
            Question::Alternative(stem, number) => {
                self.alternatives.remove(&(stem.clone(), *number));
            }
        }
        for (stem, what) in decision.added.drain(..).rev() {
            if let Some(demands) = self.demands.get_mut(&stem) {
                match what {
                    Added::Needed => drop(demands.needed.pop()),
                    Added::Limit => drop(demands.limits.pop()),
                }
            }
        }
    }

    fn fits(&self, question: &Question, option: usize) -> Result<Fit, Error> {
        let stem = match question {
            Question::Package(stem) => stem,
            Question::Alternative(stem, number) => {
                let target = &self.alternatives_of(stem, *number)?[option];
                if self.candidates.of(&target.stem).is_empty() {
                    let why = format!("{} is not known", target.stem);
                    return Ok(Fit::No(Because::new(), vec![why]));
                }
                if self.chosen.contains_key(&target.stem) {
                    // It is there, but too old.
                    let because = [Question::Package(target.stem.clone())].into();
                    return Ok(Fit::No(because, vec![format!("{} is too old", target.stem)]));
                }
                return Ok(Fit::Yes);
            }
        };
        let candidate = &self.candidates.of(stem)[option];
        let Some(version) = &candidate.fmri.version else {
            return Ok(Fit::No(Because::new(), Vec::new()));
        };
        let mut because = Because::new();
        let mut why = Vec::new();
        for limited in &self.demands[stem].limits {
            if !limited.limit.allows(version) {
                because.extend(limited.because.iter().cloned());
                why.push(limited.sentence.clone());
            }
        }
        if !why.is_empty() {
            return Ok(Fit::No(because, why));
        }
        let facts = self.candidates.facts(candidate)?;
        if let Some(unsupported) = &facts.unsupported {
            let why = format!("{} {unsupported}", short(candidate));
            return Ok(Fit::No(Because::new(), vec![why]));
        }
        if facts.obsolete && !candidate.is_installed() {
            // What was there before it became obsolete is not meant to come back.
            return Ok(Fit::Never(
                Because::new(),
                vec![format!("{} is obsolete", short(candidate))],
            ));
        }
        for depend in &facts.depends {
            let Some((target, limit)) = limit_of(depend.kind, &depend.on) else { continue };
            if let Some(there) = self.version_of(&target.stem)
                && !limit.allows(there)
            {
                because.insert(Question::Package(target.stem.clone()));
                why.push(limit.sentence(&who(candidate, facts.is_incorporation()), &target.stem));
                why.push(format!("{}@{} was chosen", target.stem, there.short()));
                why.extend(self.demands[&target.stem].limits.iter().map(|l| l.sentence.clone()));
            }
        }
        Ok(if why.is_empty() { Fit::Yes } else { Fit::No(because, why) })
    }

    /// Makes a choice: what it asks of others is added to their demands.
    fn take(&mut self, decision: Decision) -> Result<(), Error> {
        let question = decision.question.clone();
        let option = decision.chosen;
        self.trail.push(decision);
        let because: Because = [question.clone()].into();
        match question {
            Question::Alternative(stem, number) => {
                let target = self.alternatives_of(&stem, number)?[option].clone();
                let candidate = &self.candidates.of(&stem)[self.chosen[&stem]];
                let who = short(candidate);
                self.alternatives.insert((stem, number), option);
                self.need(&target, &who, because);
            }
            Question::Package(stem) => {
                let candidate = &self.candidates.of(&stem)[option];
                self.chosen.insert(stem, option);
                let facts = self.candidates.facts(candidate)?;
                let who = who(candidate, facts.is_incorporation());
                for depend in &facts.depends {
                    match (depend.kind, &depend.on[..]) {
                        (DependKind::Require, [target]) => {
                            self.need(target, &who, because.clone());
                        }
                        (DependKind::Group, targets) => {
                            for target in targets {
                                if self.candidates.is_there(&target.stem)? {
                                    self.need(target, &who, because.clone());
                                }
                            }
                        }
                        (kind, targets) => {
                            if let Some((target, limit)) = limit_of(kind, targets) {
                                let stem = target.stem.clone();
                                self.limit(&stem, limit, &who, because.clone());
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn need(&mut self, target: &Fmri, who: &str, because: Because) {
        let sentence = format!("{who} needs {}", target.stem);
        let demands = self.demands.entry(target.stem.clone()).or_default();
        demands.needed.push(Needed { because: because.clone(), sentence });
        if let Some(decision) = self.trail.last_mut() {
            decision.added.push((target.stem.clone(), Added::Needed));
        }
        if let Some(version) = &target.version {
            self.limit(&target.stem, Limit::AtLeast(version.clone()), who, because);
        }
    }

    fn limit(&mut self, stem: &str, limit: Limit, who: &str, because: Because) {
        let sentence = limit.sentence(who, stem);
        let demands = self.demands.entry(stem.to_owned()).or_default();
        demands.limits.push(Limited { limit, because, sentence });
        if let Some(decision) = self.trail.last_mut() {
            decision.added.push((stem.to_owned(), Added::Limit));
        }
    }

    fn dead_end(&self, question: &Question, mut reasons: Vec<String>) -> Error {
        let (package, known) = match question {
            Question::Package(stem) => {
                let candidates = self.candidates.of(stem);
                if candidates.is_empty() {
                    reasons.push(self.candidates.why_unknown(stem));
                }
                let needed = self.demands[stem].needed.iter().map(|n| n.sentence.clone());
                let limited = reasons.iter().any(|r| r.contains(&format!("needs {stem} at")));
                if !limited {
                    reasons.splice(0..0, needed);
                }
                let known = candidates
                    .iter()
                    .filter_map(|candidate| candidate.fmri.version.as_ref())
                    .map(Version::short)
                    .collect();
                (stem.clone(), known)
            }
            Question::Alternative(stem, number) => {
                let names = self.alternatives_of(stem, *number).map_or_else(
                    |_| String::new(),
                    |on| on.iter().map(|f| f.stem.as_str()).collect::<Vec<_>>().join(" or "),
                );
                reasons.insert(0, format!("{stem} needs {names}"));
                (names, Vec::new())
            }
        };
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(reason.clone()));
        Error::Unsolvable { package, reasons, known }
    }
}

enum Next {
    Done,
    Ask(Question),
    Conflict(Because),
}

enum Fit {
    Yes,
    /// Another option may fit.
    No(Because, Vec<String>),
    /// No further option is to be tried.
    Never(Because, Vec<String>),
}

/// The limit that a dependency sets on the version of another package, if it is one.
fn limit_of(kind: DependKind, on: &[Fmri]) -> Option<(&Fmri, Limit)> {
    let [target] = on else { return None };
    let version = target.version.clone();
    let limit = match kind {
        DependKind::Require | DependKind::Optional => Limit::AtLeast(version?),
        DependKind::Incorporate => Limit::Within(version?),
        DependKind::Exclude => Limit::Not(version),
        _ => return None,
    };
    Some((target, limit))
}

fn short(candidate: &Candidate) -> String {
    let version = candidate.fmri.version.as_ref().map(Version::short).unwrap_or_default();
    format!("{}@{version}", candidate.fmri.stem)
}

fn who(candidate: &Candidate, incorporation: bool) -> String {
    match incorporation {
        true => format!("incorporation {}", short(candidate)),
        false => short(candidate),
    }
}
