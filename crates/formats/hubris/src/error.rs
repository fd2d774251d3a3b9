//! Errors of this crate.

/// Why bytes are no archive, caboose or CoRIM. The caller knows the path and adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The zip cannot be read, or has no member that it needs.
    #[error("is no Hubris build archive: {0}")]
    Archive(String),
    /// The firmware cannot be read.
    #[error("its img/final.elf cannot be read: {0}")]
    Image(String),
    /// There is no caboose where the firmware says, or it is damaged.
    #[error("its caboose cannot be read: {0}")]
    Caboose(String),
    /// The caboose lacks a text, or holds it in an odd form.
    #[error("its caboose has {problem} {tag}")]
    Tag {
        /// The four letters of the tag.
        tag: &'static str,
        /// `no`, or what is wrong with it.
        problem: &'static str,
    },
    /// The document is no CoRIM.
    #[error("is no CoRIM: {0}")]
    Corim(String),
}
