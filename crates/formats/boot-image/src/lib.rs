//! The files an Oxide sled boots from.
//!
//! Phase 1, in the boot ROM, holds the kernel and a small *boot archive* ([`boot_archive`], a
//! cpio); the kernel then finds the *phase-2 image* ([`phase2`]): a ZFS pool behind a header of
//! 4096 bytes, accepted only if its SHA-256 is the one that `boot_image_csum` in the boot archive
//! states. [`compress`] makes the `.z` forms that go into a ROM, and [`os_archive`] packs
//! everything into `os.tar.gz`.
//!
//! An image can have hundreds of megabytes. [`phase2::seal`] reads it once for all that needs its
//! bytes: the digest, the zlib form, and the OS archive, although that begins with the digest.
//!
//! ROMs themselves cannot be made here: the firmware parts are not public. Given ROM files are
//! packed as they are, and what is absent is said.
//!
//! The formats are those of the helios image tools (`mkimage`, the boot archive of the image
//! templates, `pinprick`, the OS archive).

pub mod boot_archive;
mod compress;
pub mod cpio;
mod error;
mod file_list;
pub mod os_archive;
mod pass;
mod pending;
pub mod phase2;
mod sparse;

pub use compress::{compress, compress_file};
pub use error::Error;
pub use file_list::{FileList, Listed};
pub use oxide_archive::Written;
