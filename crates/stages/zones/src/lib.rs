//! Zone images.
//!
//! [`pack`] makes a layer of a directory: the archive that `zoneadm install` of an omicron1 zone
//! takes. The bytes depend on names, contents, links and permission to execute alone, not on who
//! packs, when, or with which umask.
//!
//! The layer format is that of the omicron1 brand; see the crate `oxide-archive`.

mod error;
mod pack;

pub use error::Error;
pub use pack::{PackOptions, Packed, pack};
