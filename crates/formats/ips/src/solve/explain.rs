//! Why a request cannot be met, as a person would say it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use resolvo::conflict::{Conflict, ConflictCause, ConflictEdge, ConflictNode};
use resolvo::{Requirement, Solver, VersionSetId};

use super::depend::Limit;
use super::provider::{Provider, Range};
use crate::Error;

/// The most sentences of one explanation.
const MOST_SENTENCES: usize = 12;

/// The most versions that are named.
const MOST_VERSIONS: usize = 20;

/// What is known of the conflict about one package.
#[derive(Default)]
struct Subject {
    /// Whether the conflict ends here: it is not known, refused, or held by somebody.
    is_end: bool,
    /// Who holds or excludes it.
    limits: BTreeSet<String>,
    /// Who needs it.
    needs: BTreeSet<String>,
    /// Why versions of it cannot be taken at all.
    refused: BTreeSet<String>,
    /// The packages that limits and needs come from.
    speakers: BTreeSet<String>,
}

/// Explains a conflict. `asked` says who asks for the packages from outside.
pub(super) fn explain(
    conflict: &Conflict,
    solver: &Solver<Provider<'_, '_>>,
    asked: &BTreeMap<String, &str>,
) -> Error {
    let provider = solver.provider();
    let graph = conflict.graph(solver).graph;
    let mut subjects: BTreeMap<String, Subject> = BTreeMap::new();
    let mut roots = BTreeSet::new();
    // Who needs what, in sentences, for how a package came in.
    let mut needed: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for edge in graph.edge_indices() {
        let Some((from, to)) = graph.edge_endpoints(edge) else { continue };
        let (from, to) = (graph[from], graph[to]);
        match graph[edge] {
            ConflictEdge::Requires(requirement) => {
                let targets = targets(requirement, provider);
                let alternatives = alternatives(&targets, provider);
                for target in targets {
                    let (stem, range) = ranged(target, provider);
                    let asks = from == ConflictNode::Root;
                    let who = match from {
                        ConflictNode::Root => asked.get(stem).copied().unwrap_or("the request"),
                        _ => &who(from, provider),
                    };
                    let subject = subjects.entry(stem.to_owned()).or_default();
                    let sentence = match range {
                        Range::Any if asks => format!("{who} asks for {stem}"),
                        Range::Limited(limit) if asks => {
                            format!("{who} asks for {stem} at {}", limit.version())
                        }
                        _ if alternatives.is_some() => {
                            format!("{who} needs {}", alternatives.as_deref().unwrap_or_default())
                        }
                        Range::Limited(limit) => limit.sentence(who, stem),
                        Range::Any => format!("{who} needs {stem}"),
                    };
                    match range {
                        Range::Limited(Limit::Within(_) | Limit::Like(_)) => {
                            subject.is_end = true;
                            subject.limits.insert(sentence.clone());
                        }
                        _ => {
                            subject.needs.insert(sentence.clone());
                        }
                    }
                    if let Some(speaker) = name(from, provider) {
                        subject.speakers.insert(speaker.to_owned());
                        let from = needed.entry(speaker.to_owned()).or_default();
                        from.push((stem.to_owned(), sentence));
                    } else {
                        roots.insert(stem.to_owned());
                    }
                    if to == ConflictNode::UnresolvedDependency {
                        subject.is_end = true;
                        if provider.candidates.of(stem).is_empty() {
                            subject.refused.insert(provider.candidates.why_unknown(stem));
                        }
                    }
                }
            }
            ConflictEdge::Conflict(ConflictCause::Constrains(set)) => {
                let (stem, range) = ranged(set, provider);
                let subject = subjects.entry(stem.to_owned()).or_default();
                subject.is_end = true;
                if let Range::Limited(limit) = range {
                    subject.limits.insert(limit.sentence(&who(from, provider), stem));
                    subject.speakers.extend(name(from, provider).map(str::to_owned));
                }
            }
            ConflictEdge::Conflict(ConflictCause::Excluded) => {
                if let (ConflictNode::Solvable(id), ConflictNode::Excluded(why)) = (from, to) {
                    let subject = subjects.entry(provider.candidate(id).0.to_owned()).or_default();
                    subject.is_end = true;
                    subject.refused.insert(provider.pool.resolve_string(why).to_owned());
                }
            }
            ConflictEdge::Conflict(_) => {
                if let ConflictNode::Solvable(id) = to {
                    subjects.entry(provider.candidate(id).0.to_owned()).or_default().is_end = true;
                }
            }
        }
    }
    // The package about which most is said: both sides of the conflict meet there.
    let (package, subject) = subjects
        .into_iter()
        .max_by_key(|(_, subject)| {
            let sides = [&subject.limits, &subject.needs, &subject.refused];
            (subject.is_end, sides.into_iter().filter(|side| !side.is_empty()).count())
        })
        .unwrap_or_else(|| ("the packages".to_owned(), Subject::default()));
    let Subject { limits, needs, refused, speakers, .. } = subject;
    let mut reasons: Vec<String> = [limits, needs, refused].into_iter().flatten().collect();
    if reasons.len() > MOST_SENTENCES {
        let more = reasons.len() - MOST_SENTENCES;
        reasons.truncate(MOST_SENTENCES);
        reasons.push(format!("and {more} more of this kind"));
    }
    for sentence in how_they_came(&roots, &needed, &speakers) {
        if !reasons.contains(&sentence) {
            reasons.push(sentence);
        }
    }
    if roots.len() > 1 {
        let names: Vec<String> = roots.into_iter().collect();
        reasons.push(format!("leave out {}, or ask for other versions", names.join(" or ")));
    }
    let candidates = provider.candidates.of(&package);
    let mut known: Vec<String> =
        candidates.iter().take(MOST_VERSIONS).map(|candidate| candidate.short_version()).collect();
    if candidates.len() > MOST_VERSIONS {
        known.push(format!("and {} older ones", candidates.len() - MOST_VERSIONS));
    }
    Error::Unsolvable { package, reasons, known }
}

/// One sentence for each step on the shortest way from what is asked for to each speaker.
fn how_they_came(
    roots: &BTreeSet<String>,
    needed: &BTreeMap<String, Vec<(String, String)>>,
    speakers: &BTreeSet<String>,
) -> Vec<String> {
    let mut came: BTreeMap<&str, Option<(&str, &str)>> =
        roots.iter().map(|root| (root.as_str(), None)).collect();
    let mut left: VecDeque<&str> = roots.iter().map(String::as_str).collect();
    while let Some(name) = left.pop_front() {
        for (target, sentence) in needed.get(name).into_iter().flatten() {
            if !came.contains_key(target.as_str()) {
                came.insert(target, Some((name, sentence)));
                left.push_back(target);
            }
        }
    }
    let mut sentences = Vec::new();
    for speaker in speakers {
        let mut steps = Vec::new();
        let mut at = speaker.as_str();
        while let Some(Some((from, sentence))) = came.get(at) {
            steps.push((*sentence).to_owned());
            at = from;
        }
        for step in steps.into_iter().rev() {
            if !sentences.contains(&step) && sentences.len() < MOST_SENTENCES {
                sentences.push(step);
            }
        }
    }
    sentences
}

/// Several packages of which one would do.
fn alternatives(targets: &[VersionSetId], provider: &Provider<'_, '_>) -> Option<String> {
    if targets.len() < 2 {
        return None;
    }
    let names: Vec<String> = targets
        .iter()
        .map(|target| match ranged(*target, provider) {
            (stem, Range::Any) => stem.to_owned(),
            (stem, Range::Limited(limit)) => format!("{stem} at {}", limit.version()),
        })
        .collect();
    Some(names.join(" or "))
}

fn targets(requirement: Requirement, provider: &Provider<'_, '_>) -> Vec<VersionSetId> {
    match requirement {
        Requirement::Single(set) => vec![set],
        Requirement::Union(union) => provider.pool.resolve_version_set_union(union).collect(),
    }
}

fn ranged<'p>(set: VersionSetId, provider: &'p Provider<'_, '_>) -> (&'p str, &'p Range) {
    let name = provider.pool.resolve_version_set_package_name(set);
    (provider.pool.resolve_package_name(name), provider.pool.resolve_version_set(set))
}

fn name<'p>(node: ConflictNode, provider: &'p Provider<'_, '_>) -> Option<&'p str> {
    match node {
        ConflictNode::Solvable(id) => Some(provider.candidate(id).0),
        _ => None,
    }
}

fn who(node: ConflictNode, provider: &Provider<'_, '_>) -> String {
    let ConflictNode::Solvable(id) = node else { return "the request".to_owned() };
    let candidate = provider.candidate(id).1;
    let facts = provider.candidates.facts(candidate);
    match facts.is_ok_and(|facts| facts.is_incorporation()) {
        true => format!("incorporation {}", candidate.short()),
        false => candidate.short(),
    }
}
