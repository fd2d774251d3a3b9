//! An action can be published.

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "invalid-action",
    summary: "An action can be published.",
    severity: Severity::Error,
    pkglint: &["pkglint.action009", "pkglint.action006"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted() {
        if let Err(problem) = placed.action().validate()
            && !super::is_unresolved(placed.action())
        {
            report.blame(placed, problem);
        }
    }
}
