//! What can be wrong with a compressed stream.

use std::io;

/// Damage in a compressed stream. Offsets count compressed bytes from the start of the stream.
///
/// The readers give it inside an [`io::Error`]; [`Error::of`] takes it out again. There is no path
/// in it, for a stream has none: whoever opened the file adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are those of something else.
    #[error("not a {format} stream: it begins with {found}")]
    NotThisFormat {
        /// `gzip` or `zlib`.
        format: &'static str,
        /// The first bytes in hex.
        found: String,
    },
    /// The header has a field that no reader may accept.
    #[error("the {format} header {problem}")]
    Header {
        /// `gzip` or `zlib`.
        format: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The compressed data break the rules of deflate.
    #[error("the compressed data are damaged near byte {offset}: {problem}")]
    Deflate {
        /// Compressed offset.
        offset: u64,
        /// The decoder's words.
        problem: &'static str,
    },
    /// The stream ends too early.
    #[error("the {format} stream is cut short: it ends at byte {offset} inside {inside}")]
    Truncated {
        /// `gzip` or `zlib`.
        format: &'static str,
        /// The length of what is there.
        offset: u64,
        /// Which part was not complete.
        inside: &'static str,
    },
    /// The data are not those that were compressed.
    #[error("wrong {name}: the stream says {stated:08x}, its data give {computed:08x}")]
    Checksum {
        /// `CRC-32` or `Adler-32`.
        name: &'static str,
        /// The value in the stream.
        stated: u32,
        /// The value of the data.
        computed: u32,
    },
    /// The length field of a gzip member is wrong.
    #[error(
        "wrong length field: the member says {stated} bytes (modulo 2^32), its data are {actual}"
    )]
    Length {
        /// The value in the member, modulo 2^32.
        stated: u32,
        /// The length of the data.
        actual: u64,
    },
    /// A second gzip member follows. Deployed readers would silently leave it out.
    #[error(
        "a second gzip member begins at byte {offset}; readers in the field stop after the first, \
         so compress everything as one member"
    )]
    SecondMember {
        /// Where it begins.
        offset: u64,
    },
    /// Something else follows the stream.
    #[error("bytes that do not belong to the {format} stream follow it from byte {offset} on")]
    TrailingGarbage {
        /// `gzip` or `zlib`.
        format: &'static str,
        /// Where they begin.
        offset: u64,
    },
}

impl Error {
    /// The damage that an I/O error of one of the readers stands for, if it is that.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
