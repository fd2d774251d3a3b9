//! Errors of this crate.

use std::io;
use std::path::PathBuf;

use url::Url;

/// Why something was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No address gave the item.
    #[error("cannot fetch {what}{}", list(.attempts))]
    Failed {
        /// The item, for people.
        what: String,
        /// What was tried, in order; the same answer of the same address once.
        attempts: Vec<Attempt>,
    },
    /// Too much failed before it.
    #[error("{what} was not tried: {failures} others failed in a row before it")]
    GivenUp {
        /// The item, for people.
        what: String,
        /// How many.
        failures: u32,
    },
    /// Somebody raised [`Options::stop`](crate::Options::stop).
    #[error("{what} was not fetched, for this run was asked to stop; what came is kept")]
    Stopped {
        /// The item, for people.
        what: String,
    },
    /// The network must not be used and the item is not in the store.
    #[error("{what} is not in the store, and this run is offline")]
    Offline {
        /// The item, for people.
        what: String,
    },
    /// The client cannot be made.
    #[error("cannot set up the network client: {problem}")]
    Client {
        /// What is wrong.
        problem: String,
    },
    /// A file of certification authorities cannot be used.
    #[error("cannot use {} as PEM certificates", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that is being fetched cannot be written.
    #[error("cannot write what was fetched of {what}")]
    Write {
        /// The item, for people.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// Whether some address had a certificate that is not accepted.
    pub fn is_untrusted(&self) -> bool {
        match self {
            Self::Failed { attempts, .. } => {
                attempts.iter().any(|attempt| matches!(attempt.problem, Problem::Certificate(_)))
            }
            _ => false,
        }
    }

    /// Whether every address said that it does not have the item.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Failed { attempts, .. } => {
                !attempts.is_empty()
                    && attempts.iter().all(|attempt| {
                        matches!(attempt.problem, Problem::Status { status: 404 | 410 })
                    })
            }
            Self::Offline { .. } => true,
            _ => false,
        }
    }
}

/// What one address did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The address.
    pub url: Url,
    /// What went wrong.
    pub problem: Problem,
    /// How often.
    pub times: u32,
}

/// What can go wrong with one transfer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The server answered with an error.
    #[error("the server answered {status}{}", meaning(*.status))]
    Status {
        /// The status of HTTP.
        status: u16,
    },
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// The server cannot show that it is who it says.
    #[error("its certificate is not accepted: {0}")]
    Certificate(String),
    /// Redirections lead nowhere.
    #[error("it redirects too often")]
    Redirections,
    /// Too little came for too long.
    #[error("it stalled: less than {slowest} bytes/s for {seconds} s")]
    Stalled {
        /// The least bytes a second.
        slowest: u64,
        /// For so many seconds.
        seconds: u64,
    },
    /// The transfer ended before its end.
    #[error("it ended after {got} of {expected} bytes")]
    Short {
        /// Bytes there are.
        got: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// More came than the item can have.
    #[error("it sends more than the {limit} bytes that it can have")]
    Long {
        /// The most bytes.
        limit: u64,
    },
    /// Everything came, and it is not what was asked for.
    #[error("it sent something else: {0}")]
    Content(String),
    /// The server continues elsewhere than asked.
    #[error("it was asked to go on at byte {asked} and did not")]
    Range {
        /// Where it should have gone on.
        asked: u64,
    },
}

impl Problem {
    /// Whether the address will never have the item.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Status { status } => {
                (400..500).contains(status) && !matches!(status, 408 | 416 | 425 | 429)
                    || matches!(status, 300..400 | 501 | 505)
            }
            Self::Certificate(_) | Self::Redirections | Self::Long { .. } => true,
            _ => false,
        }
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => " (it wants credentials, which are not supported)",
        404 | 410 => " (it does not have it)",
        429 | 503 => " (it is busy)",
        _ => "",
    }
}

fn list(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return ": no address is known for it".to_owned();
    }
    let mut text = String::new();
    for Attempt { url, problem, times } in attempts {
        text += &format!("\n  {url}: {problem}");
        if *times > 1 {
            text += &format!(" ({times} times)");
        }
    }
    text += "\n  what came is kept: run again to go on from there, or add a mirror";
    text
}
