//! Owners and groups of paths exist.

use std::collections::BTreeSet;

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unknown-owner",
    summary: "Owners and groups of paths exist.",
    severity: Severity::Error,
    pkglint: &[],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let names = |kind: ActionKind| -> BTreeSet<&str> {
        let actions = context.all().filter(move |placed| placed.action().kind == kind);
        actions.filter_map(|placed| placed.action().key()).collect()
    };
    let (users, groups) = (names(ActionKind::User), names(ActionKind::Group));
    for placed in context.linted() {
        let action = placed.action();
        if let Some(owner) = action.get("owner")
            && action.kind.is_path()
            && !users.contains(owner)
            && ips::system_uid(owner).is_none()
        {
            report.blame(placed, format!("no package adds the user {owner}"));
        }
        let group = if action.kind == ActionKind::User || action.kind.is_path() {
            action.get("group")
        } else {
            None
        };
        if let Some(group) = group
            && !groups.contains(group)
            && ips::system_gid(group).is_none()
        {
            report.blame(placed, format!("no package adds the group {group}"));
        }
    }
}
