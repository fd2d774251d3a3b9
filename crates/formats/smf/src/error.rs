//! Errors of this crate.

/// Why a file is not a service bundle at all. Everything else that is wrong with one is a
/// [`crate::Finding`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The XML is not well-formed.
    #[error("{name}:{line}: not well-formed XML: {problem}")]
    Xml {
        /// The name of the file, as the caller gave it.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What the XML reader says.
        problem: String,
    },
    /// The bytes are not UTF-8, or declare another encoding.
    #[error("{name}:{line}: {problem}; save the file as UTF-8")]
    Encoding {
        /// The name of the file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What was found.
        problem: String,
    },
    /// The document is something else.
    #[error("{name}:{line}: {problem}; expected a `service_bundle` document")]
    NotABundle {
        /// The name of the file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What was found.
        problem: String,
    },
    /// Elements are nested deeper than any bundle needs.
    #[error("{name}:{line}: elements are nested more than {limit} deep")]
    TooDeep {
        /// The name of the file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
}
