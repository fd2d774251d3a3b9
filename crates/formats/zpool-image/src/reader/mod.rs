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

mod attributes;
mod block;
mod dataset;
mod decompress;
mod extract;
mod fields;
mod image;
mod object;
mod verify;
mod zap;

pub use dataset::{Dataset, FileReader};
pub use extract::Extracted;
pub use image::Image;
pub use verify::{Counts, Finding, Verification};

/// What stored bytes stand for, for tests of the writer.
#[cfg(test)]
pub(crate) fn decompressed(code: u8, stored: &[u8], size: usize) -> Option<Vec<u8>> {
    decompress::decompress(code.into(), stored, size).ok().flatten()
}
