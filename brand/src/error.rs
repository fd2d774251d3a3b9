//! What can go wrong in a hook.

use std::io;
use std::path::{Path, PathBuf};

use crate::Exit;

/// An error of the brand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
    },

    /// A name that would not survive the shell that the zones framework puts in between.
    #[error(
        "{what} {name:?} has the character {character:?}; the zones framework hands it to a \
         shell, so only letters, digits and / . _ - + , : @ are accepted: rename it"
    )]
    UnsafeName {
        /// What the name names: zone name, zonepath, layer.
        what: &'static str,
        /// The name.
        name: String,
        /// The first character that is not accepted.
        character: char,
    },

    /// A name that is unusable for another reason.
    #[error("{what} {name:?} {why}")]
    BadName {
        /// What the name names.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },

    /// A system call failed.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// A line of the settings file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    Settings {
        /// The settings file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },

    /// A zone configuration that is not what zonecfg writes.
    #[error("{}: not a zone configuration: {message}", path.display())]
    Configuration {
        /// The file that zonecfg named.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// How the hook ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Usage { .. } => Exit::Usage,
            _ => Exit::Fatal,
        }
    }

    /// For `map_err`: an [`Error::Io`] that says what was tried on which path.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Error {
        move |source| Error::Io { action, path: path.as_ref().into(), source: source.into() }
    }
}
