//! Hubris images and measurement corpora, named by lists of hashes.
//!
//! Signed firmware is not built with the rest; it is fetched. A [`HashList`] (one line per
//! manifest: a BLAKE3 hash and a label) says which manifests are wanted; each manifest says, by
//! hashes again, which images make a root of trust, its bootloader, a service processor, and which
//! corpus measures them. [`collect`] gets all of it from a [`Library`], checks every byte against its
//! hash, and what the manifests say against what the images say of themselves: nothing that
//! contradicts itself gets as far as being signed.
//!
//! A library is directories, looked into first, and addresses: `GET BASE/artifact/HASH` answers a
//! JSON array of bytes. What comes from an address goes through the store, so that it is fetched
//! once, and not at all when a run is offline.
//!
//! Source of the formats: Oxide's `permission-slip` and the release engineering of `omicron`.

mod collect;
mod error;
mod library;
mod list;
mod manifest;

pub use collect::{Artifact, Collected, Environment, Kind, collect};
pub use error::Error;
pub use library::Library;
pub use list::{HashList, Line};
