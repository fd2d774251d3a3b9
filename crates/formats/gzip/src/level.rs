//! How hard to try.

/// Compression levels, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Level 1: for data that is soon read again and thrown away.
    Fast,
    /// Level 6.
    #[default]
    Normal,
    /// Level 9: for what is published.
    Best,
}

impl Level {
    /// zlib's number.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Normal => 6,
            Self::Best => 9,
        }
    }
}
