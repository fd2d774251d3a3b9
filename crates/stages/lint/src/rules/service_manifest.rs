//! Service manifests lie where they are imported from, and their services are named.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "service-manifest",
    summary: "Service manifests lie where they are imported from, and their services are named.",
    severity: Severity::Warning,
    pkglint: &["pkglint.manifest011"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (number, package) in context.packages.iter().enumerate() {
        let mut delivered = false;
        for placed in context.linted().filter(|placed| placed.number == number) {
            let action = placed.action();
            let Some(path) = action.path().filter(|_| action.kind == ActionKind::File) else {
                continue;
            };
            let imported = action
                .attributes
                .list("restart_fmri")
                .iter()
                .any(|fmri| fmri.contains("svc:/system/manifest-import"));
            let below = |place: &str| path.starts_with(place);
            if below("var/svc/manifest/") {
                report.blame(
                    placed,
                    format!("{path}: service manifests belong into lib/svc/manifest"),
                );
            } else if below("lib/svc/manifest/") && !path.ends_with(".xml") {
                report.blame(
                    placed,
                    format!("{path} is not imported, for its name does not end in .xml"),
                );
            } else if below("lib/svc/manifest/") && !imported {
                report.blame(
                    placed,
                    format!(
                        "{path} is not imported when it is installed: restart_fmri does not name \
                     svc:/system/manifest-import:default"
                    ),
                );
            } else if imported && !below("lib/svc/manifest/") {
                report.blame(
                    placed,
                    format!("{path} has manifests imported but is not below lib/svc/manifest"),
                );
            }
            delivered |= below("lib/svc/manifest/") || below("var/svc/manifest/");
        }
        if delivered && package.manifest.values("org.opensolaris.smf.fmri").is_empty() {
            report.blame_package(
                context,
                number,
                "it delivers services but names none \
                (org.opensolaris.smf.fmri; `cargo xtask pkg generate` writes it)",
            );
        }
    }
}
