//! What a rule is.

use crate::Severity;
use crate::context::{Context, Report};

/// A rule.
pub struct Rule {
    /// Its name; stable.
    pub id: &'static str,
    /// What it asks for, in a sentence.
    pub summary: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// The ids of pkglint(1) for the same.
    pub pkglint: &'static [&'static str],
    pub(crate) check: fn(&Context, &mut Report),
}
