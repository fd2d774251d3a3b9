//! Files from the network, into the [`store`].
//!
//! A [`Fetcher`] is a store and, unless it is offline, a [`Client`]. It is asked for [`Item`]s: a
//! name, the addresses that have it (mirrors and origins, the preferred first), and a check. What
//! is in the store is not fetched; what is fetched gets into the store only after its check.
//!
//! * Many items are fetched at once; each goes to a file in the store that is locked by its
//!   process, so that two runs which want the same share one transfer.
//! * A transfer that breaks, stalls, or is slower than [`Options::slowest`] is tried again after a
//!   pause that doubles (jittered, or as long as the server asks for), at the next address. It goes
//!   on where it stopped (`Range`), also in a later run.
//! * An answer that means *never* (not found, forbidden, a circle of redirections, a certificate
//!   that is not trusted) takes its address out; when none is left, or patience is, the [`Error`]
//!   says what each address did.
//! * Raising [`Options::stop`] ends what is under way; what came stays for the next run.
//!
//! Callers are synchronous. The runtime that drives the network is handed in and belongs to the
//! program; nothing here looks at the environment.

mod certificate;
mod client;
mod error;
mod fetcher;
mod item;
mod options;
mod pause;
mod transfer;

pub use client::{Client, causes};
pub use error::{Attempt, Error, Problem};
pub use fetcher::Fetcher;
pub use item::{Check, Item};
pub use options::{Options, Proxy};
pub use url::Url;
