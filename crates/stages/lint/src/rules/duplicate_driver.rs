//! A driver, and an alias of one, is delivered once.

use std::collections::BTreeMap;

use ips::ActionKind;

use crate::context::{Context, Placed, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-driver",
    summary: "A driver, and an alias of one, is delivered once.",
    severity: Severity::Error,
    pkglint: &["pkglint.action002"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (name, group) in context.groups(&[ActionKind::Driver], |action| action.key()) {
        for (first, second) in pairs(&group) {
            report.blame(second, format!("the driver {name} is in {} as well", first.name()));
        }
    }
    let mut aliases: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
    for placed in context.all().filter(|placed| placed.action().kind == ActionKind::Driver) {
        for alias in placed.action().attributes.list("alias") {
            aliases.entry(alias).or_default().push(placed);
        }
    }
    for (alias, group) in aliases {
        for (first, second) in pairs(&group) {
            if first.action().key() != second.action().key() {
                report.blame(
                    second,
                    format!(
                        "the alias {alias} belongs to the driver {} in {}",
                        first.action().key().unwrap_or_default(),
                        first.name()
                    ),
                );
            }
        }
    }
}
