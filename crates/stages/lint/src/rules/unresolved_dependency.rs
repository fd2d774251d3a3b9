//! Every dependency names a package.

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unresolved-dependency",
    summary: "Every dependency names a package.",
    severity: Severity::Error,
    pkglint: &[],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted().filter(|placed| super::is_unresolved(placed.action())) {
        let reason = placed.action().get("pkg.debug.depend.reason").unwrap_or("something");
        report.blame(placed, format!(
            "what {reason} needs is not resolved to a package (`cargo xtask pkg resolve` does that)"
        ));
    }
}
