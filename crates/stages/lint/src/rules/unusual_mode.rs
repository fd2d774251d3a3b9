//! Modes let nobody do more than is usual.

use ips::ActionKind;

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unusual-mode",
    summary: "Modes let nobody do more than is usual.",
    severity: Severity::Warning,
    pkglint: &["pkglint.action002"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted() {
        let action = placed.action();
        let (Some(path), Some(mode)) = (action.path(), action.get("mode")) else { continue };
        let Ok(bits) = u32::from_str_radix(mode, 8) else { continue };
        let problem = match action.kind {
            ActionKind::Dir if bits & 0o1002 == 0o002 => {
                format!("everybody may take things out of {path} (mode {mode})")
            }
            ActionKind::Dir if (bits & 0o444) >> 2 & !(bits & 0o111) != 0 => {
                format!("who may read the directory {path} may not enter it (mode {mode})")
            }
            ActionKind::File if bits & 0o002 != 0 => {
                format!("everybody may write to {path} (mode {mode})")
            }
            ActionKind::File if bits & 0o6000 != 0 && bits & 0o111 == 0 => {
                format!("{path} changes who runs it but cannot be run (mode {mode})")
            }
            ActionKind::File if bits & 0o6000 != 0 && bits & 0o022 != 0 => {
                format!("others may change {path}, which changes who runs it (mode {mode})")
            }
            ActionKind::File
                if bits & 0o700 < (bits & 0o070) << 3 || (bits & 0o700) < (bits & 0o007) << 6 =>
            {
                format!("others may do more with {path} than its owner (mode {mode})")
            }
            _ => continue,
        };
        report.blame(placed, problem);
    }
}
