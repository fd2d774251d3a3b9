//! Ways to misbehave.

use std::time::Duration;

/// What is done to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error status, perhaps with `Retry-After` in seconds.
    Status {
        /// The status.
        status: u16,
        /// The seconds.
        retry_after: Option<u64>,
    },
    /// The connection ends after so many bytes of the body; more were announced.
    Truncate(usize),
    /// The connection ends after so many bytes of the body; nothing was announced, so that this
    /// looks like the end.
    TruncateUnannounced(usize),
    /// The connection is reset after so many bytes of the body.
    Reset(usize),
    /// These bytes are sent in place of the right ones.
    Wrong(Vec<u8>),
    /// One bit of the body is another.
    FlippedBit,
    /// Nothing more comes after so many bytes of the body, and the connection stays open.
    Stall(usize),
    /// The body comes in pieces with pauses.
    Slow {
        /// Bytes in a piece.
        piece: usize,
        /// The pause after each.
        pause: Duration,
    },
    /// Redirected to itself.
    RedirectLoop,
    /// The whole body although a part was asked for.
    IgnoreRange,
    /// The beginning of the body in place of the part that was asked for, said openly.
    WrongRange,
    /// Zeros without end.
    Endless,
    /// Something that is not HTTP.
    Garbage,
}
