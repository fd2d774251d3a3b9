//! The zip container, narrow on purpose: plain files, stored or deflated, no comments, no zip64.
//!
//! Source: PKWARE's APPNOTE. The writer patches its local headers in place, so that a reader from
//! front to back needs no data descriptors; the reader takes them all the same, because the tool in
//! use today writes them.

mod copy;
mod directory;
mod headers;
mod read;
mod write;

pub(crate) use copy::{Streamed, copy, hash_only};
pub(crate) use read::{Archive, Entry};
pub(crate) use write::Writer;

/// Signature of a local file header.
pub(crate) const LOCAL: u32 = 0x0403_4b50;
/// Signature of a central directory header.
pub(crate) const CENTRAL: u32 = 0x0201_4b50;
/// Signature of the end-of-central-directory record.
pub(crate) const END: u32 = 0x0605_4b50;
/// Signature of a data descriptor (optional there).
pub(crate) const DESCRIPTOR: u32 = 0x0807_4b50;

/// Length of a local file header without name and extra field.
pub(crate) const LOCAL_LENGTH: usize = 30;
/// Length of a central directory header without name, extra field and comment.
pub(crate) const CENTRAL_LENGTH: usize = 46;
/// Length of the end record without comment.
pub(crate) const END_LENGTH: usize = 22;

/// Id of the extra field that holds a Unix time.
pub(crate) const EXTRA_TIME: u16 = 0x5455;

/// The largest file or archive: what 32 bits hold, and what racks accept as an upload.
pub(crate) const LIMIT: u64 = u32::MAX as u64 - 1;
