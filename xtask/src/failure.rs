//! Why a command did not do what it was asked, for the person who must fix it.

use std::error::Error;
use std::path::PathBuf;

use crate::exit_status::ExitStatus;

/// A failed command: the error, its hints, and the status to leave with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong; its sources are printed below it.
    pub(crate) error: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
    /// The last lines of a job's log, and where the whole log is.
    pub(crate) log: Option<(Vec<String>, PathBuf)>,
    /// The status to leave with.
    pub(crate) status: ExitStatus,
}

impl Failure {
    /// A failed operation.
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), hints: Vec::new(), log: None, status: ExitStatus::Failed }
    }

    /// A wrong command line or configuration.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(error).with_status(ExitStatus::Usage)
    }

    /// A missing input.
    pub(crate) fn missing(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(error).with_status(ExitStatus::Missing)
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }

    /// The same with one more hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
