//! Sends, and begins again where that may help.

use std::path::Path;
use std::time::Duration;

use proto::Digest;
use serde::Serialize;

use crate::payload::Payload;
use crate::{Destination, Error, Event, SshOptions, Token, http, ssh};

/// How to send.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name that the far side is told, where it wants one; else that of the file.
    pub file_name: Option<String>,
    /// The SHA-256 that the file had when it was looked at.
    pub expected: Option<Digest>,
    /// The system version in it, where it is known: the far side is asked whether it has that.
    pub system_version: Option<String>,
    /// For how long nothing may go out before a transfer is ended.
    pub stall: Duration,
    /// For how long the far side may look at what it got before it answers.
    pub answer: Duration,
    /// How often to begin, at most, while what goes wrong may go better another time.
    pub attempts: u32,
    /// The pause before the second attempt; each further one is twice as long.
    pub pause: Duration,
    /// How ssh is run.
    pub ssh: SshOptions,
    /// What shows Nexus who sends.
    pub token: Option<Token>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file_name: None,
            expected: None,
            system_version: None,
            stall: Duration::from_secs(60),
            answer: Duration::from_secs(300),
            attempts: 3,
            pause: Duration::from_secs(2),
            ssh: SshOptions::default(),
            token: None,
        }
    }
}

/// What was delivered.
#[derive(Debug, Clone, Serialize)]
pub struct Delivered {
    /// Where.
    pub to: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of what was sent.
    pub sha256: Digest,
    /// How often it was begun.
    pub attempts: u32,
    /// What the far side answered, in its own words.
    pub answer: String,
}

/// One transfer that came to its end.
pub(crate) struct Sent {
    pub(crate) sha256: Digest,
    pub(crate) answer: String,
}

/// Delivers a repository.
///
/// `client` is the network for HTTP; SSH needs none. What happens is told to `tell`, on the thread
/// that called.
///
/// # Errors
///
/// When the file cannot be sent (nothing was then), or what went wrong last.
pub fn upload(
    zip: &Path,
    destination: &Destination,
    options: &Options,
    client: Option<&fetch::Client>,
    tell: &mut dyn FnMut(Event),
) -> Result<Delivered, Error> {
    let to = destination.to_string();
    let payload = Payload::open(zip, options.expected)?;
    if options.token.is_some() && destination.is_open_to_all() {
        return Err(Error::Destination {
            text: to,
            problem: "a token would be readable by all on the way; use https".to_owned(),
        });
    }
    let mut pause = options.pause;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = match destination {
            Destination::Wicket { user, host, port } => {
                let target = ssh::Target { to: &to, user: user.as_deref(), host, port: *port };
                ssh::send(&payload, &target, options, tell)
            }
            Destination::Http { api, base } => {
                let Some(client) = client else {
                    let problem = "there is no network client".to_owned();
                    return Err(Error::Connect { to, problem });
                };
                http::send(&payload, *api, base, options, client, tell)
            }
        };
        match result {
            Ok(Sent { sha256, answer }) => {
                return Ok(Delivered { to, size: payload.size, sha256, attempts, answer });
            }
            Err(error) if error.is_passing() && attempts < options.attempts => {
                tell(Event::Again { problem: error.to_string(), pause });
                std::thread::sleep(pause);
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
}
