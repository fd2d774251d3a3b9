//! A file that lies over another has one to lie over.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "overlay",
    summary: "A file that lies over another has one to lie over.",
    severity: Severity::Error,
    pkglint: &["pkglint.action009"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (path, group) in context.groups(&[ActionKind::File], |action| action.path()) {
        for placed in &group {
            let action = placed.action();
            match action.get("overlay") {
                Some("allow") if action.get("preserve").is_none() => {
                    report.blame(
                        *placed,
                        format!(
                            "{path} lets another file lie over it but is not editable (preserve)"
                        ),
                    );
                }
                Some("true") => {
                    let below = group.iter().find(|other| {
                        other.action().get("overlay") == Some("allow") && other.meets(*placed)
                    });
                    let Some(below) = below else {
                        report.blame(
                            *placed,
                            format!(
                                "{path} is to lie over a file, but no package delivers one with \
                             overlay=allow"
                            ),
                        );
                        continue;
                    };
                    for key in ["owner", "group", "mode"] {
                        if below.action().get(key) != action.get(key) {
                            report.blame(
                                *placed,
                                format!(
                                    "{path} has another {key} than the file it lies over, of {}",
                                    below.name()
                                ),
                            );
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
