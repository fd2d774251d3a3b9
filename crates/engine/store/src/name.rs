//! Names of blobs.

use proto::Digest;
use serde::{Deserialize, Serialize};

/// Under which name a blob is known: a kind and a key of that kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    kind: &'static str,
    key: String,
}

impl Name {
    /// A name. The kind becomes a directory: lower-case letters and `-`. The key may be any text.
    pub fn new(kind: &'static str, key: impl Into<String>) -> Self {
        debug_assert!(is_kind(kind), "{kind}");
        Self { kind, key: key.into() }
    }

    /// What sort of thing it is.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Which of that sort.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key as a file name.
    pub(crate) fn hashed(&self) -> String {
        Digest::of(self.key.as_bytes()).to_string()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// Whether a directory of names may be called so.
pub(crate) fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// What a store says of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The key of the name.
    pub key: String,
    /// The SHA-256 of the blob.
    pub digest: Digest,
    /// The size of the blob in bytes.
    pub size: u64,
}
