//! Names of users and groups are portable.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "account-name",
    summary: "Names of users and groups are portable.",
    severity: Severity::Warning,
    pkglint: &["pkglint.action010"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let kinds = [ActionKind::User, ActionKind::Group];
    for placed in context.linted().filter(|placed| kinds.contains(&placed.action().kind)) {
        let Some(name) = placed.action().key() else { continue };
        let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !first || !rest || name.len() > 32 {
            report.blame(placed, format!(
                "{name} is no name for a {}: a lower-case letter, then letters, digits, `_`, `-` \
                 and `.`, 32 at most, were expected", placed.action().kind
            ));
        }
    }
}
