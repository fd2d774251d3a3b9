//! A path is delivered once.

use ips::{Action, ActionKind};

use crate::context::{Context, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-path",
    summary: "A path is delivered once.",
    severity: Severity::Error,
    pkglint: &["pkglint.action001"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (path, group) in context.paths() {
        for (first, second) in pairs(&group) {
            let (a, b) = (first.action(), second.action());
            let shared = match (a.kind, b.kind) {
                (ActionKind::Dir, ActionKind::Dir) => true,
                (ActionKind::File, ActionKind::File) => overlaid(a, b),
                (a_kind, b_kind) if a_kind != b_kind => true,
                // Links may be there twice when they are the same, or one of them is chosen.
                _ => {
                    a.attributes.get("target") == b.attributes.get("target")
                        || (a.attributes.contains("mediator") && b.attributes.contains("mediator"))
                }
            };
            if !shared {
                report.blame(second, format!("{path} is delivered by {} as well", first.name()));
            }
        }
    }
}

/// Whether one of two files is meant to lie over the other.
fn overlaid(a: &Action, b: &Action) -> bool {
    let says = |action: &Action, value| action.get("overlay") == Some(value);
    (says(a, "allow") && says(b, "true")) || (says(a, "true") && says(b, "allow"))
}
