//! Why a request cannot be met, as a person would say it.

use std::collections::{BTreeMap, BTreeSet};

use resolvo::conflict::{Conflict, ConflictCause, ConflictEdge, ConflictNode};
use resolvo::{Requirement, Solver, VersionSetId};

use super::depend::Limit;
use super::provider::{Provider, Range};
use crate::{Error, Version};

/// The most sentences of one explanation.
const MOST_SENTENCES: usize = 12;

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
}

/// Explains a conflict. `asked` says who asks for the packages from outside.
pub(super) fn explain(
    conflict: &Conflict,
    solver: &Solver<Provider<'_>>,
    asked: &BTreeMap<String, &str>,
) -> Error {
    let provider = solver.provider();
    let graph = conflict.graph(solver).graph;
    let mut subjects: BTreeMap<String, Subject> = BTreeMap::new();
    let mut roots = BTreeSet::new();
    for edge in graph.edge_indices() {
        let Some((from, to)) = graph.edge_endpoints(edge) else { continue };
        let (from, to) = (graph[from], graph[to]);
        match graph[edge] {
            ConflictEdge::Requires(requirement) => {
                for target in targets(requirement, provider) {
                    let (stem, range) = ranged(target, provider);
                    let who = match from {
                        ConflictNode::Root => asked.get(stem).copied().unwrap_or("the request"),
                        _ => &who(from, provider),
                    };
                    if from == ConflictNode::Root {
                        roots.insert(stem.to_owned());
                    }
                    let subject = subjects.entry(stem.to_owned()).or_default();
                    match range {
                        Range::Limited(limit @ Limit::Within(_)) => {
                            subject.limits.insert(limit.sentence(who, stem));
                            subject.is_end = true;
                        }
                        Range::Limited(limit) => {
                            subject.needs.insert(limit.sentence(who, stem));
                        }
                        Range::Any if from == ConflictNode::Root => {
                            subject.needs.insert(format!("{who} asks for {stem}"));
                        }
                        Range::Any => {
                            subject.needs.insert(format!("{who} needs {stem}"));
                        }
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
    let sides = [subject.limits, subject.needs, subject.refused];
    let mut reasons: Vec<String> = sides.into_iter().flatten().collect();
    if reasons.len() > MOST_SENTENCES {
        let more = reasons.len() - MOST_SENTENCES;
        reasons.truncate(MOST_SENTENCES);
        reasons.push(format!("and {more} more of this kind"));
    }
    if roots.len() > 1 {
        let names: Vec<String> = roots.into_iter().collect();
        reasons.push(format!("leave out {}, or ask for other versions", names.join(" or ")));
    }
    let candidates = provider.candidates.of(&package).iter();
    let versions = candidates.filter_map(|candidate| candidate.fmri.version.as_ref());
    Error::Unsolvable { package, reasons, known: versions.map(Version::short).collect() }
}

fn targets(requirement: Requirement, provider: &Provider<'_>) -> Vec<VersionSetId> {
    match requirement {
        Requirement::Single(set) => vec![set],
        Requirement::Union(union) => provider.pool.resolve_version_set_union(union).collect(),
    }
}

fn ranged<'p>(set: VersionSetId, provider: &'p Provider<'_>) -> (&'p str, &'p Range) {
    let name = provider.pool.resolve_version_set_package_name(set);
    (provider.pool.resolve_package_name(name), provider.pool.resolve_version_set(set))
}

fn who(node: ConflictNode, provider: &Provider<'_>) -> String {
    let ConflictNode::Solvable(id) = node else { return "the request".to_owned() };
    let candidate = provider.candidate(id).1;
    let facts = provider.candidates.facts(candidate);
    match facts.is_ok_and(|facts| facts.is_incorporation()) {
        true => format!("incorporation {}", candidate.short()),
        false => candidate.short(),
    }
}
