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

    /// Something in the global zone's trees that cannot be replicated.
    #[error("{} is neither a file, a directory nor a link: remove it from the global zone", path.display())]
    Special {
        /// Where it is.
        path: PathBuf,
    },

    /// A file of the global zone changed its size while it was copied.
    #[error(
        "{} changed while it was copied: {copied} bytes instead of {planned}; try again",
        path.display()
    )]
    Changed {
        /// The file in the global zone.
        path: PathBuf,
        /// Its size when the installation was planned.
        planned: u64,
        /// The bytes that were copied.
        copied: u64,
    },

    /// The threads of an installation could not be started.
    #[error("cannot start {count} threads: {message}; COPY_THREADS may be smaller")]
    Threads {
        /// As many were asked for.
        count: usize,
        /// What the system says.
        message: String,
    },

    /// No baseline, or only half of one.
    #[error("{message}; a baseline comes with the OS image, or from svc:/system/omicron/baseline")]
    Baseline {
        /// What is missing where.
        message: String,
    },

    /// A line of `gzonly.txt` is wrong.
    #[error("{}:{line}: {message}", path.display())]
    GlobalOnly {
        /// The list.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },

    /// A baseline archive or layer was refused or could not be unpacked.
    #[error(transparent)]
    Archive(#[from] oxide_archive::Error),

    /// A zone root is there already.
    #[error("{} is there already: uninstall the zone first", path.display())]
    RootExists {
        /// The zone root.
        path: PathBuf,
    },

    /// Something is mounted below what is to be removed.
    #[error("{} is mounted: unmount it before the zone is removed", path.display())]
    Mounted {
        /// The mount point.
        path: PathBuf,
    },

    /// The installation failed, and so did removing what it had made.
    #[error(
        "{cause}; moreover {} could not be removed ({left}): uninstall the zone",
        path.display()
    )]
    LeftBehind {
        /// What is still there.
        path: PathBuf,
        /// Why it could not be removed.
        left: Box<Error>,
        /// Why the installation failed.
        cause: Box<Error>,
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
    /// How a hook ends with this error.
    ///
    /// Only an installation can end with [`Exit::NotComplete`], and only where nothing is left
    /// behind and nothing was there before that zoneadm would remove; see
    /// [`install`](crate::install()).
    pub fn exit(&self) -> Exit {
        match self {
            Error::Usage { .. } => Exit::Usage,
            _ => Exit::Fatal,
        }
    }

    /// How an installation ends with this error.
    pub fn exit_of_install(&self) -> Exit {
        match self {
            Error::Usage { .. } => Exit::Usage,
            // zoneadm would empty the zonepath
            Error::RootExists { .. } | Error::LeftBehind { .. } => Exit::Fatal,
            _ => Exit::NotComplete,
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
