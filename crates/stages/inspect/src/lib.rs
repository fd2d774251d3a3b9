//! Says what a file is, what is in it, and what is broken in it.
//!
//! [`inspect`] looks at the content and never at the name. It knows what this project makes and
//! reads: baseline, layer and OS archives, phase-2 images, ZFS pool images, boot archives (plain or
//! compressed), package archives, package manifests, update repositories, Hubris archives, and
//! plain tars, gzip members, zlib streams and zips besides.
//!
//! Everything is read to its end, so whatever a format can tell about its own integrity is told:
//! [`Damage`] names what is wrong, in which member and where. Damage is data; an [`Error`] means
//! that the file could not be read at all or is none of these.
//!
//! What is not checked: signatures (a client with a trusted root does that). The pool in an OS
//! archive is compared with its digest alone; `image/zfs.img` taken out is read block by block.

mod damage;
mod error;
mod inspection;
mod member;
mod phase2;
mod pool;
mod probe;
mod stream;
mod tar;
mod text;
mod update_repository;
mod zip_file;

pub use damage::Damage;
pub use error::Error;
pub use inspection::{Inspection, Item, Kind};
pub use probe::inspect;
