//! What was fetched, kept by content.
//!
//! A [`Store`] is a directory that any number of processes share. Its files are *blobs*, named by
//! the SHA-256 of their bytes, in the same layout as the contents of protos ([`proto::Store`]);
//! and *names*: small records that say which blob a payload, a manifest or a part of a catalog
//! is. Whoever knows the SHA-256 needs no name.
//!
//! ```text
//! blobs/ab/abcdef…       bytes
//! names/KIND/ab/abcdef…  a Record, under the SHA-256 of its key
//! partial/KIND-abcdef…   a file that is being fetched, locked by its process; kept for the next
//! damaged/abcdef…        blobs that were found to hold other bytes than their name says
//! lock                   shared by all who use the store, exclusive while it is collected
//! ```
//!
//! Nothing is visible before it is complete: blobs and records are renamed into place. A blob is
//! checked against its name whenever it is opened or read, by [`Store::open_blob`] and its like;
//! one that is damaged is set aside and counts as absent, so that it is fetched again. Files are
//! not synced to the disk: what a crash of the machine leaves behind is damage like any other.
//!
//! ```
//! use store::{Name, Store};
//!
//! let directory = tempfile::tempdir()?;
//! let store = Store::open(directory.path())?;
//! let name = Name::new("greeting", "hello");
//! let record = store.add(&name, &b"hello, world"[..])?;
//! assert_eq!(store.find(&name)?, Some(record.clone()));
//! assert!(store.open_blob(&record.digest)?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod collect;
mod error;
mod name;
mod partial;
mod store;
mod usage;

pub use check::Verification;
pub use collect::{Collected, Limits, collect};
pub use error::Error;
pub use name::{Name, Record};
pub use partial::Partial;
pub use store::Store;
pub use usage::{KindUsage, Usage};
