//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::{FeatureError, Finding, Origin};

/// What can go wrong with a template.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The template's check found errors; nothing was applied.
    #[error("template {} cannot be applied:{}", .template.display(), listed(.findings))]
    Refused {
        /// The main template.
        template: PathBuf,
        /// The errors.
        findings: Vec<Finding>,
    },
    /// A feature specification that cannot be read.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A step failed; the proto is as it was before the first step.
    #[error("{origin}: step {number}, {step}: {reason}")]
    Step {
        /// Where the step is written.
        origin: Origin,
        /// Its number in the plan, from 1.
        number: usize,
        /// Its type.
        step: &'static str,
        /// What went wrong.
        reason: String,
        /// Why.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A template cannot begin.
    #[error("template {}: {reason}", .template.display())]
    Begin {
        /// The main template.
        template: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A file on disk cannot be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb, e.g. `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A directory that cannot be laid over an image.
    #[error("{}: {reason}", .path.display())]
    Overlay {
        /// The file or directory in it.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
}

impl Error {
    /// Puts a verb and a path on an I/O error.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}
