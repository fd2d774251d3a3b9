//! A category is one that package managers know how to show.

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "classification",
    summary: "A category is one that package managers know how to show.",
    severity: Severity::Warning,
    pkglint: &["pkglint.manifest008"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted() {
        let action = placed.action();
        if action.get("name") != Some("info.classification") {
            continue;
        }
        for value in action.attributes.list("value") {
            let name = value.strip_prefix("org.opensolaris.category.2008:");
            let good = name.is_some_and(|name| {
                let parts: Vec<&str> = name.split('/').collect();
                parts.len() >= 2 && parts.iter().all(|part| !part.is_empty())
            });
            if !good {
                report.blame(placed, format!(
                    "{value:?} is no category; org.opensolaris.category.2008:SECTION/CATEGORY was \
                     expected"
                ));
            }
        }
    }
}
