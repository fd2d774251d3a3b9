//! A licence has a name and no path.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "license-path",
    summary: "A licence has a name and no path.",
    severity: Severity::Warning,
    pkglint: &["pkglint.action007"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted().filter(|placed| placed.action().kind == ActionKind::License) {
        if let Some(path) = placed.action().get("path") {
            report.blame(placed, format!("path={path} has no effect here"));
        }
    }
}
