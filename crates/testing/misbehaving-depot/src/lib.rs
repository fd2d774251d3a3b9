//! An HTTP server for tests that misbehaves as it is told.
//!
//! It listens on the loopback, gives what a function has for a path, understands `Range`, counts
//! what it sends, and does to the next requests whatever [`Fault`] was ordered for them. It is
//! written on sockets, without an HTTP library: those would refuse to do half of this.
//!
//! An [`Authority`] puts TLS before any server, with a [`Certificate`] that is good or is not.
//!
//! ```
//! use misbehaving_depot::{Fault, MisbehavingDepot};
//!
//! let depot = MisbehavingDepot::start(|path| (path == "/a").then(|| b"hello".to_vec()))?;
//! depot.order("/a", Fault::Status { status: 503, retry_after: None });
//! // The first request for /a is answered 503, the second 200.
//! assert!(depot.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod fault;
mod secure;
mod server;

pub use fault::Fault;
pub use secure::{Authority, Certificate, Secured};
pub use server::{MisbehavingDepot, Served};
