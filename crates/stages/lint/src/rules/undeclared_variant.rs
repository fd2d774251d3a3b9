//! A package says which variants it supports, and actions use no other.

use ips::{ActionKind, Variants};

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "undeclared-variant",
    summary: "A package says which variants it supports, and actions use no other.",
    severity: Severity::Error,
    pkglint: &["pkglint.manifest003"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for placed in context.linted() {
        for (name, values) in placed.action().attributes.with_prefix("variant.") {
            if placed.action().kind == ActionKind::Set
                && placed.action().get("name").is_some_and(|name| name.starts_with("variant."))
            {
                continue;
            }
            // Debug variants are the image's business alone.
            let declared = placed.package.manifest.variant(name);
            if declared.is_none() && name.starts_with("variant.debug.") {
                continue;
            }
            if values.len() > 1 {
                report.blame(
                    placed,
                    format!(
                        "{name} has several values: no image takes this; say it once for each, or \
                     not at all"
                    ),
                );
            }
            for value in values {
                match declared {
                    None => report.blame(
                        placed,
                        format!("{name}={value}: the package does not say that it supports {name}"),
                    ),
                    Some(declared) if !declared.contains(value) => report.blame(
                        placed,
                        format!(
                            "{name}={value}: the package supports only {}",
                            declared.join(", ")
                        ),
                    ),
                    Some([only]) if name == Variants::ZONE && only == value => {
                        // Not wrong, for the whole package is installed in these images alone.
                    }
                    Some(_) => {}
                }
                if name == Variants::ZONE && value != "global" && value != "nonglobal" {
                    report.blame(placed, format!("{name}={value} is neither global nor nonglobal"));
                }
            }
        }
    }
}
