//! A user or group, and its number, is added once.

use ips::ActionKind;

use crate::context::{Context, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-account",
    summary: "A user or group, and its number, is added once.",
    severity: Severity::Error,
    pkglint: &["pkglint.action003", "pkglint.action004", "pkglint.action005", "pkglint.action006"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (kind, id) in [(ActionKind::User, "uid"), (ActionKind::Group, "gid")] {
        for (name, group) in context.groups(&[kind], |action| action.key()) {
            for (first, second) in pairs(&group) {
                report.blame(second, format!("{} adds the {kind} {name} as well", first.name()));
            }
        }
        for (number, group) in context.groups(&[kind], |action| action.get(id)) {
            for (first, second) in pairs(&group) {
                if first.action().key() != second.action().key() {
                    report.blame(
                        second,
                        format!(
                            "{id} {number} belongs to the {kind} {} of {}",
                            first.action().key().unwrap_or_default(),
                            first.name()
                        ),
                    );
                }
            }
        }
    }
}
