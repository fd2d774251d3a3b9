//! What a package needs is there.

use ips::{ActionKind, Fmri};

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unknown-dependency",
    summary: "What a package needs is there.",
    severity: Severity::Warning,
    pkglint: &[],
    check,
};

/// Without other packages to look at, nothing is known of what a package needs.
fn check(context: &Context, report: &mut Report) {
    if !context.has_others {
        return;
    }
    for placed in context.linted().filter(|placed| placed.action().kind == ActionKind::Depend) {
        let action = placed.action();
        let unknown: Vec<&String> = action
            .attributes
            .list("fmri")
            .iter()
            .filter(|text| {
                Fmri::parse(text).is_ok_and(|fmri| context.package(&fmri.stem).is_none())
            })
            .collect();
        let all = unknown.len() == action.attributes.list("fmri").len();
        match (action.get("type"), &unknown[..]) {
            (Some("require" | "group" | "conditional" | "parent"), [one, ..]) => {
                report.blame(placed, format!("no package {one} is known"));
            }
            (Some("require-any" | "group-any"), [_, ..]) if all => {
                report.blame(placed, "none of these packages is known");
            }
            _ => {}
        }
    }
}
