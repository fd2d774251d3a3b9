//! No package needs one that is obsolete or was renamed.

use ips::{ActionKind, Fmri};

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "obsolete-dependency",
    summary: "No package needs one that is obsolete or was renamed.",
    severity: Severity::Error,
    pkglint: &["pkglint.action005"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted().filter(|placed| placed.action().kind == ActionKind::Depend) {
        let action = placed.action();
        let kind = action.get("type").unwrap_or_default();
        if !placed.package.is_alive()
            || !["require", "require-any", "conditional", "group", "group-any"].contains(&kind)
        {
            continue;
        }
        for text in action.attributes.list("fmri") {
            let Ok(fmri) = Fmri::parse(text) else { continue };
            let Some(other) = context.package(&fmri.stem) else { continue };
            // One that was published later may have come to life again.
            let newer = other
                .fmri
                .as_ref()
                .is_none_or(|known| fmri.version.as_ref() > known.version.as_ref());
            if newer {
                continue;
            }
            if other.manifest.is_obsolete() {
                report.blame(placed, format!("{} is obsolete", fmri.stem));
            } else if other.manifest.is_renamed() {
                let became: Vec<&str> = other
                    .manifest
                    .of_kind(ActionKind::Depend)
                    .filter(|depend| depend.get("type") == Some("require"))
                    .filter_map(|depend| depend.get("fmri"))
                    .collect();
                report.blame(
                    placed,
                    format!("{} was renamed; it is now {}", fmri.stem, became.join(" and ")),
                );
            }
        }
    }
}
