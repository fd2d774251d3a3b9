//! A package has a summary, and a description that says more.

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "description",
    summary: "A package has a summary, and a description that says more.",
    severity: Severity::Warning,
    pkglint: &["pkglint.manifest009", "pkglint.manifest010", "opensolaris.manifest001"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (number, package) in context.packages.iter().enumerate() {
        let manifest = &package.manifest;
        if !package.is_alive() {
            continue;
        }
        let (summary, description) =
            (manifest.value("pkg.summary"), manifest.value("pkg.description"));
        match summary {
            None => report.blame_package(context, number, "it has no pkg.summary"),
            Some(text) if text.trim().is_empty() => {
                report.blame_package(context, number, "its pkg.summary is empty");
            }
            Some(_) => {}
        }
        if let Some(text) = description
            && (text.trim().is_empty() || Some(text) == summary)
        {
            report.blame_package(
                context,
                number,
                "its pkg.description says no more than its summary",
            );
        }
    }
}
