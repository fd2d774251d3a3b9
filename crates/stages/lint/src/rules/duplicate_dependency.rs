//! A package names a dependency once.

use std::collections::BTreeMap;

use ips::{ActionKind, Fmri};

use crate::context::{Context, Placed, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-dependency",
    summary: "A package names a dependency once.",
    severity: Severity::Warning,
    pkglint: &["pkglint.manifest005"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for number in 0..context.packages.len() {
        let mut seen: BTreeMap<(&str, Option<&str>, String), Vec<Placed>> = BTreeMap::new();
        for placed in context.linted().filter(|placed| placed.number == number) {
            let action = placed.action();
            let kind = action.get("type").unwrap_or_default();
            // Several of these have one stem with reason.
            if action.kind != ActionKind::Depend
                || super::is_unresolved(action)
                || ["require-any", "group-any", "conditional"].contains(&kind)
            {
                continue;
            }
            let Some(Ok(fmri)) = action.get("fmri").map(Fmri::parse) else { continue };
            seen.entry((kind, action.get("predicate"), fmri.stem)).or_default().push(placed);
        }
        for ((kind, _, stem), group) in seen {
            for (first, second) in pairs(&group) {
                report.blame(
                    second,
                    format!(
                        "the {kind} dependency on {stem} is there already, on line {}",
                        first.line.number
                    ),
                );
            }
        }
    }
}
