//! A facet is `true` or `all`.

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "facet-value",
    summary: "A facet is `true` or `all`.",
    severity: Severity::Warning,
    pkglint: &["pkglint.action012"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted() {
        for (name, values) in placed.action().attributes.with_prefix("facet.") {
            if !matches!(values, [one] if one == "true" || one == "all") {
                report.blame(
                    placed,
                    format!(
                        "{name}={}: true or all was expected; anything else means true",
                        values.join(",")
                    ),
                );
            }
        }
    }
}
