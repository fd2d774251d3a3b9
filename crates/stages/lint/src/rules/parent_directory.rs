//! What is above a path is a directory.

use std::collections::BTreeMap;

use ips::ActionKind;

use crate::context::{Context, Placed, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "parent-directory",
    summary: "What is above a path is a directory.",
    severity: Severity::Error,
    pkglint: &["pkglint.action011"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let kinds = [ActionKind::File, ActionKind::Hardlink, ActionKind::Link];
    let mut others: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
    for placed in context.all().filter(|placed| kinds.contains(&placed.action().kind)) {
        if let Some(path) = placed.action().path() {
            others.entry(path).or_default().push(placed);
        }
    }
    for placed in context.linted() {
        let Some(path) = placed.action().path() else { continue };
        for (end, _) in path.match_indices('/') {
            for other in others.get(&path[..end]).into_iter().flatten() {
                if placed.meets(*other) {
                    report.blame(
                        placed,
                        format!(
                            "{} is a {} in {}, not a directory",
                            &path[..end],
                            other.action().kind,
                            other.name()
                        ),
                    );
                }
            }
        }
    }
}
