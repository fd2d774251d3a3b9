//! All packages agree on owner, group and mode of a directory.

use ips::ActionKind;

use crate::context::{Context, Report, pairs};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "directory-attributes",
    summary: "All packages agree on owner, group and mode of a directory.",
    severity: Severity::Error,
    pkglint: &["pkglint.action007"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (path, group) in context.groups(&[ActionKind::Dir], |action| action.path()) {
        for (first, second) in pairs(&group) {
            for key in ["owner", "group", "mode"] {
                // A mode may be written with or without a zero in front.
                let value = |text: Option<&str>| {
                    text.map(|text| text.trim_start_matches('0').to_owned()).unwrap_or_default()
                };
                let (a, b) = (first.action().get(key), second.action().get(key));
                if value(a) != value(b) {
                    report.blame(
                        second,
                        format!(
                            "the directory {path} has {key} {} here and {} in {}",
                            b.unwrap_or("none"),
                            a.unwrap_or("none"),
                            first.name()
                        ),
                    );
                }
            }
        }
    }
}
