//! A path is of one kind.

use crate::context::{Context, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "path-kind",
    summary: "A path is of one kind.",
    severity: Severity::Error,
    pkglint: &["pkglint.action008"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (path, group) in context.paths() {
        for (first, second) in pairs(&group) {
            let (a, b) = (first.action().kind, second.action().kind);
            if a != b {
                report.blame(second, format!("{path} is a {b} here and a {a} in {}", first.name()));
            }
        }
    }
}
