//! Reading pool images: what is in them, and whether every checksum is right.
//!
//! [`Image::open`] takes images of this crate and of other ZFS implementations with one device.
//! What it does not know (encryption, checksums and compressions that need features it lacks) is
//! an error that names it, never a wrong answer. An image may be damaged in any way: every number
//! read from it is checked before it is used.
//!
//! ```no_run
//! # fn main() -> Result<(), zpool_image::Error> {
//! use zpool_image::reader::Image;
//!
//! let mut image = Image::open("zfs.img".as_ref())?;
//! let mut files = image.dataset("rpool/ROOT/ramdisk")?;
//! for (path, entry) in files.manifest()?.iter() {
//!     println!("{path} is a {}", entry.kind.word());
//! }
//! # Ok(())
//! # }
//! ```

mod accounting;
mod attributes;
mod block;
mod buffer;
mod claims;
mod dataset;
mod decompress;
mod dsl;
mod extract;
mod fields;
mod findings;
#[cfg(test)]
mod forged;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod labels;
mod object;
mod pointer;
mod space;
mod space_map;
mod verify;
mod walk;
mod zap;

pub use dataset::{Dataset, FileReader};
pub use extract::Extracted;
pub use findings::{Counts, Finding, Space, Verification};
pub use image::Image;

/// What stored bytes stand for, for tests of the writer.
#[cfg(test)]
pub(crate) fn decompressed(code: u8, stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; size];
    decompress::decompress(code.into(), stored, &mut out).ok()?.then_some(out)
}
