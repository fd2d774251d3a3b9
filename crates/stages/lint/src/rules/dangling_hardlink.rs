//! A hard link is another name of a file that a package delivers.

use ips::{ActionKind, link_target};

use super::targets::known_paths;
use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "dangling-hardlink",
    summary: "A hard link is another name of a file that a package delivers.",
    severity: Severity::Error,
    pkglint: &[],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let known = known_paths(context);
    for placed in context.linted().filter(|placed| placed.action().kind == ActionKind::Hardlink) {
        let action = placed.action();
        let (Some(path), Some(target)) = (action.path(), action.get("target")) else { continue };
        let place = link_target(path, target);
        if !known.files.contains(&place[..]) {
            report.blame(
                placed,
                format!(
                    "{path} is to be another name of {place}, which no package delivers as a file"
                ),
            );
        }
    }
}
