//! A package says once which one it is, with a version.

use ips::{ActionKind, Fmri};

use crate::context::{Context, Report};
use crate::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "package-name",
    summary: "A package says once which one it is, with a version.",
    severity: Severity::Error,
    pkglint: &[],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (number, package) in context.packages.iter().enumerate() {
        let named: Vec<&str> = package
            .manifest
            .of_kind(ActionKind::Set)
            .filter(|set| set.get("name") == Some("pkg.fmri"))
            .flat_map(|set| set.attributes.list("value"))
            .map(String::as_str)
            .collect();
        let problem = match named[..] {
            [] => "no `set name=pkg.fmri value=...` says which package this is".to_owned(),
            [one] => match Fmri::parse(one) {
                Ok(fmri) if fmri.version.is_some() => continue,
                Ok(_) => format!("{one} has no version"),
                Err(error) => error.to_string(),
            },
            _ => format!("it has several names: {}", named.join(", ")),
        };
        report.blame_package(context, number, problem);
    }
}
