//! Actions with the places they come from.

use std::path::Path;
use std::sync::Arc;

use crate::{Action, Error};

/// An action and the place it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// The action.
    pub action: Action,
}

impl Located {
    /// An error about this action.
    pub(crate) fn refuse(&self, problem: impl Into<String>) -> Error {
        Error::Manifest {
            path: self.file.to_path_buf(),
            line: self.line,
            column: 1,
            problem: problem.into(),
        }
    }
}
