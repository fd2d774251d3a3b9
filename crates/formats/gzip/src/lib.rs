//! Deterministic parallel gzip (one member) and zlib streams, and strict readers of both.
//!
//! Readers that are deployed in the field stop after the first gzip member, so parallel
//! compression by concatenating members would lose data. [`GzipWriter`] and [`ZlibWriter`] write
//! **one** stream instead: the input is cut into chunks of 1 MiB; each is compressed on its own
//! with the last 32 KiB before it as dictionary and ended with a sync flush, so that the pieces
//! join to one deflate stream; the checksums of the chunks are combined. Chunk size, dictionary and
//! encoder are constants: the bytes depend on the input and the [`Level`] alone, never on the
//! number of threads or on the sizes of single writes.
//!
//! [`LateGzipWriter`] writes a member whose first bytes, a checksum of the rest perhaps, become
//! known last.
//!
//! [`GzipReader`] and [`ZlibReader`] accept exactly one stream. Damage is an [`Error`] that says
//! which rule is broken and where: a wrong checksum, a wrong length, a stream cut short, a second
//! member and other bytes after the end are all told apart. With the feature `whole` there is
//! `inflate_whole` for the many small files that are vouched for otherwise; it needs a library in
//! C.
//!
//! The encoder is zlib-rs, used directly. A dependency that switches flate2 to another back end
//! (cargo features unify) cannot change what is written here; a test watches flate2 for the sake of
//! the crates that use it.
//!
//! Formats: RFC 1950 (zlib), RFC 1951 (deflate), RFC 1952 (gzip).
//!
//! ```
//! use std::io::{Read, Write};
//!
//! let mut writer = gzip::GzipWriter::new(Vec::new(), gzip::Level::Best);
//! writer.write_all(b"the same bytes on every machine")?;
//! let file = writer.finish()?;
//!
//! let mut text = String::new();
//! gzip::GzipReader::new(&file[..]).read_to_string(&mut text)?;
//! assert_eq!(text, "the same bytes on every machine");
//! # Ok::<(), std::io::Error>(())
//! ```

mod chunk;
mod error;
mod frame;
mod late;
mod level;
mod reader;
#[cfg(feature = "whole")]
mod whole;
mod workers;
mod writer;

pub use error::Error;
pub use late::LateGzipWriter;
pub use level::Level;
pub use reader::{GzipReader, ZlibReader};
#[cfg(feature = "whole")]
pub use whole::inflate_whole;
pub use writer::{GzipWriter, ZlibWriter};
