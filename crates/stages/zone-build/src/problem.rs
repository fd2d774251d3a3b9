//! What keeps a package from being built.

use std::fmt;

use serde::Serialize;

/// Something that is missing or wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The package of the manifest.
    pub package: String,
    /// What is wrong: a path, a digest, a name.
    pub what: String,
    /// What to do, if there is something to do.
    pub remedy: Option<String>,
}

impl Problem {
    pub(crate) fn new(package: &str, what: impl Into<String>) -> Self {
        Self { package: package.to_owned(), what: what.into(), remedy: None }
    }

    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.package, self.what)?;
        match &self.remedy {
            // Hints of manifests are lists of several lines.
            Some(remedy) => write!(f, "; {}", remedy.trim().replace('\n', " ")),
            None => Ok(()),
        }
    }
}
