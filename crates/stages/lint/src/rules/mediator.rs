//! Mediated links say between what a choice is made.

use ips::ActionKind;

use crate::context::{Context, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "mediator",
    summary: "Mediated links say between what a choice is made.",
    severity: Severity::Error,
    pkglint: &["pkglint.action010"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let kinds = [ActionKind::Link, ActionKind::Hardlink];
    for placed in context.linted() {
        let action = placed.action();
        let get = |name: &str| action.get(name);
        let parts = ["mediator-version", "mediator-implementation", "mediator-priority"];
        if get("mediator").is_none() {
            for part in parts.iter().filter(|part| get(part).is_some()) {
                report.blame(placed, format!("{part} without mediator"));
            }
            continue;
        }
        if !kinds.contains(&action.kind) {
            report.blame(placed, format!("a {} cannot be mediated, only links", action.kind));
            continue;
        }
        if get("mediator-version").is_none() && get("mediator-implementation").is_none() {
            report.blame(placed, "a mediator needs mediator-version or mediator-implementation");
        }
        if let Some(version) = get("mediator-version")
            && version.parse::<ips::DotSequence>().is_err()
        {
            report.blame(placed, format!("mediator-version={version} is no version"));
        }
        if let Some(priority) = get("mediator-priority")
            && !["site", "vendor"].contains(&priority)
        {
            report.blame(
                placed,
                format!("mediator-priority={priority} is not known; expected site or vendor"),
            );
        }
    }
    for (path, group) in context.groups(&kinds, |action| action.path()) {
        for (first, second) in pairs(&group) {
            let (a, b) = (first.action().get("mediator"), second.action().get("mediator"));
            if a.is_some() != b.is_some() {
                report.blame(
                    second,
                    format!(
                        "{path} is mediated in one of {} and {} only",
                        first.name(),
                        second.name()
                    ),
                );
            } else if a != b {
                report.blame(
                    second,
                    format!(
                        "{path} has the mediator {} in {}",
                        a.unwrap_or_default(),
                        first.name()
                    ),
                );
            }
        }
    }
}
