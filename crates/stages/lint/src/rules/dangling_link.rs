//! A symbolic link leads to something that a package delivers.

use ips::{ActionKind, link_target, normal_path};

use super::targets::{Known, known_paths};
use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "dangling-link",
    summary: "A symbolic link leads to something that a package delivers.",
    severity: Severity::Warning,
    pkglint: &[],
    check,
};

/// What is there only when a system runs.
const RUNNING: [&str; 8] =
    ["dev", "devices", "proc", "system", "tmp", "var/run", "var/tmp", "etc/svc/volatile"];

fn check(context: &Context, report: &mut Report) {
    let known = known_paths(context);
    for placed in context.linted().filter(|placed| placed.action().kind == ActionKind::Link) {
        let action = placed.action();
        let (Some(path), Some(target)) = (action.path(), action.get("target")) else { continue };
        let place = link_target(path, target);
        let is_running = RUNNING.iter().any(|running| {
            place.strip_prefix(running).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !place.is_empty() && !is_running && !leads_somewhere(&known, &place, 0) {
            report.blame(placed, format!("{path} leads to {place}, which no package delivers"));
        }
    }
}

/// Whether a path is delivered, links on the way followed.
fn leads_somewhere(known: &Known, path: &str, depth: usize) -> bool {
    if known.paths.contains(path) {
        return true;
    }
    let links = path
        .match_indices('/')
        .find_map(|(end, _)| known.links.get(&path[..end]).map(|targets| (end, targets)));
    depth < 20
        && links.is_some_and(|(end, targets)| {
            targets.iter().any(|target| {
                let next = link_target(&path[..end], target) + &path[end..];
                leads_somewhere(known, &normal_path(&next), depth + 1)
            })
        })
}
