//! What is wrong with dependencies.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// The dependencies are not complete.
    Error,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The manifest.
    pub manifest: PathBuf,
    /// Its line, from 1; 0 where none is to blame.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.manifest.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        let word = match self.severity {
            Severity::Warning => " warning:",
            Severity::Error => "",
        };
        write!(f, "{word} {}", self.problem)
    }
}
