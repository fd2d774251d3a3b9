//! Obsolete packages hold nothing, renamed ones only what they became.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "dead-package",
    summary: "Obsolete packages hold nothing, renamed ones only what they became.",
    severity: Severity::Error,
    pkglint: &["pkglint.manifest001", "pkglint.manifest002"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted().filter(|placed| !placed.package.is_alive()) {
        let kind = placed.action().kind;
        let obsolete = placed.package.manifest.is_obsolete();
        let fits = matches!(kind, ActionKind::Set | ActionKind::Signature)
            || (kind == ActionKind::Depend && !obsolete);
        if !fits {
            let word = if obsolete { "an obsolete" } else { "a renamed" };
            report.blame(placed, format!("{word} package cannot have a {kind}"));
        }
    }
    for (number, package) in context.packages.iter().enumerate() {
        let manifest = &package.manifest;
        if manifest.is_obsolete() && manifest.is_renamed() {
            report.blame_package(context, number, "it is both obsolete and renamed");
        }
        let points = manifest
            .of_kind(ActionKind::Depend)
            .any(|depend| depend.get("type") == Some("require"));
        if manifest.is_renamed() && !manifest.is_obsolete() && !points {
            report.blame_package(
                context,
                number,
                "a renamed package must require the one it became",
            );
        }
    }
}
