//! A package says a thing once.

use std::collections::BTreeMap;

use ips::ActionKind;

use crate::context::{Context, Placed, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-set",
    summary: "A package says a thing once.",
    severity: Severity::Warning,
    pkglint: &["pkglint.manifest006"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for number in 0..context.packages.len() {
        let mut seen: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
        for placed in context.linted().filter(|placed| placed.number == number) {
            let name = placed.action().get("name").filter(|name| *name != "pkg.fmri");
            if let (ActionKind::Set, Some(name)) = (placed.action().kind, name) {
                seen.entry(name).or_default().push(placed);
            }
        }
        for (name, group) in seen {
            for (first, second) in pairs(&group) {
                report.blame(
                    second,
                    format!(
                        "{name} is set already, on line {}; only the first counts",
                        first.line.number
                    ),
                );
            }
        }
    }
}
