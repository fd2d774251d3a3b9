//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Why a repository was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The repository cannot be read.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A repository that no rack takes.
    #[error("{} has {size} bytes; racks take at most {limit} (4 GiB), nothing was sent", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The most.
        limit: u64,
    },
    /// The file changed while it was sent. Its end was not sent, so the far side cannot take it.
    #[error("{} changed while it was being sent ({problem}); its end was not sent", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// How.
        problem: String,
    },
    /// An address that is none.
    #[error("{text} is no destination: {problem}")]
    Destination {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection came about.
    #[error("cannot connect to {to}: {problem}")]
    Connect {
        /// The destination.
        to: String,
        /// Why.
        problem: String,
    },
    /// The far side's host key is not known here.
    #[error("the host key of {to} is not known and was not accepted: {problem}")]
    HostKeyUnknown {
        /// The destination.
        to: String,
        /// What ssh said.
        problem: String,
    },
    /// The far side shows another host key than before.
    #[error("the host key of {to} is not the one that is known; nothing was sent: {problem}")]
    HostKeyChanged {
        /// The destination.
        to: String,
        /// What ssh said.
        problem: String,
    },
    /// The far side does not let this user in.
    #[error("{to} refused the login: {problem}")]
    Login {
        /// The destination.
        to: String,
        /// What was said.
        problem: String,
    },
    /// The connection broke.
    #[error("the connection to {to} broke after {sent} of {total} bytes: {problem}")]
    Dropped {
        /// The destination.
        to: String,
        /// Bytes sent.
        sent: u64,
        /// Bytes to send.
        total: u64,
        /// What was said.
        problem: String,
    },
    /// The far side took nothing more.
    #[error(
        "{to} took nothing for {seconds} s after {sent} of {total} bytes; the transfer was ended"
    )]
    Stalled {
        /// The destination.
        to: String,
        /// Bytes sent.
        sent: u64,
        /// Bytes to send.
        total: u64,
        /// For how long.
        seconds: u64,
    },
    /// The far side took everything and never answered.
    #[error("{to} took all {total} bytes and gave no answer for {seconds} s")]
    Silent {
        /// The destination.
        to: String,
        /// Bytes sent.
        total: u64,
        /// For how long.
        seconds: u64,
    },
    /// The far side said no.
    #[error("{to} refused the repository ({status}): {text}")]
    Refused {
        /// The destination.
        to: String,
        /// The exit status or the status of HTTP.
        status: String,
        /// Its own words.
        text: String,
    },
    /// The far side said something that means nothing.
    #[error("{to} gave an answer that makes no sense: {problem}")]
    Nonsense {
        /// The destination.
        to: String,
        /// What it said.
        problem: String,
    },
    /// The ssh program cannot be run.
    #[error("cannot run {}", .program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// Whether it may go better another time, from the start.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Dropped { .. } | Self::Stalled { .. })
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
