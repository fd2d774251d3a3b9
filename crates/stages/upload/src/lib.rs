//! Delivers an update repository to a rack.
//!
//! Three doors are known ([`Destination`]):
//!
//! * **Wicket**, the technician's program, over SSH: its login is a captive shell whose command
//!   `upload` reads the zip from its standard input. The system's `ssh` does the talking, so that
//!   the user's `known_hosts`, agent, keys and `~/.ssh/config` count; host keys are never accepted
//!   without the user saying so.
//! * **wicketd**, the service behind it: `PUT /repository`.
//! * **Nexus**, the control plane: `PUT /v1/system/update/repositories?file_name=NAME` with a token.
//!
//! [`upload`] sends the file as it is, after checking that it is not larger than any of them takes,
//! and hashes it on the way: a file that changes meanwhile is never sent to its end. What arrives
//! broken is refused at the far side, which reads all of it before it believes any of it; so a
//! transfer that breaks is begun again from the start. Whoever has the [`Error`] knows which of the
//! things that can go wrong did: no connection, the host key, the login, a broken or stalled
//! transfer, a refusal with the far side's own words, an answer that makes no sense.
//!
//! Source of the protocols: Oxide's `wicket`, `wicketd` and `nexus`.

mod destination;
mod error;
mod http;
mod payload;
mod progress;
mod send;
mod ssh;

pub use destination::{Api, Destination};
pub use error::Error;
pub use http::Token;
pub use payload::LIMIT;
pub use progress::{Event, Progress};
pub use send::{Delivered, Options, upload};
pub use ssh::SshOptions;
