//! Mistakes in package manifests, found before somebody installs them.
//!
//! [`lint`] looks at some packages, and at others only for what those refer to. Each rule is a file
//! in `rules/` and has an id, which is stable; what it finds is data. Nothing a rule finds is an
//! error of this crate: a manifest that can be read can be looked at.
//!
//! A finding is passed over where the manifest says so, as with pkglint(1): `pkg.linted=true` or
//! `pkg.linted.ID=true` on an action, `set name=pkg.linted.ID value=true` for a package. ID is ours
//! or pkglint's for the same check.
//!
//! ```
//! use std::sync::Arc;
//! use ips::Manifest;
//!
//! let manifest = Manifest::parse("a.p5m", "\
//!     set name=pkg.fmri value=pkg:/a@1\n\
//!     set name=pkg.summary value=\"An example\"\n\
//!     file path=tmp/a owner=root group=bin mode=0666\n")?;
//! let findings = lint::lint(&[Arc::new(manifest)], &[], &lint::Options::default()).unwrap();
//! assert_eq!(findings[0].to_string(),
//!     "a.p5m:3: warning: everybody may write to tmp/a (mode 0666) [unusual-mode]");
//! # Ok::<(), ips::Error>(())
//! ```

mod context;
mod error;
mod finding;
mod rule;
mod rules;

use std::sync::Arc;

use ips::Manifest;

pub use error::Error;
pub use finding::{Finding, Severity};
pub use rule::Rule;
pub use rules::RULES;

/// Which rules apply.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these rules, by id; none means all.
    pub only: Vec<String>,
    /// Not these rules.
    pub without: Vec<String>,
}

/// Applies rules to packages. `others` are packages that will be installed along with them: they
/// are looked up, not looked at. Of several with a name, the last counts, and one that is linted
/// before any other. The findings come by manifest and line.
pub fn lint(
    packages: &[Arc<Manifest>],
    others: &[Arc<Manifest>],
    options: &Options,
) -> Result<Vec<Finding>, Error> {
    for id in options.only.iter().chain(&options.without) {
        if !RULES.iter().any(|rule| rule.id == id) {
            return Err(Error::Rule {
                id: id.clone(),
                known: RULES.iter().map(|rule| rule.id).collect::<Vec<_>>().join(", "),
            });
        }
    }
    let context = context::Context::new(packages, others);
    let mut report = context::Report::default();
    for rule in RULES {
        let chosen = options.only.is_empty() || options.only.iter().any(|id| id == rule.id);
        if chosen && !options.without.iter().any(|id| id == rule.id) {
            report.rule = Some(rule);
            (rule.check)(&context, &mut report);
        }
    }
    Ok(report.findings(&context))
}
