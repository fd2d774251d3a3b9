//! Errors of this crate.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule that there is not.
    #[error("there is no rule {id}; the rules are {known}")]
    Rule {
        /// What was asked for.
        id: String,
        /// Those that there are.
        known: String,
    },
}
