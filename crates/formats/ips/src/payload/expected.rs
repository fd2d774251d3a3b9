//! What actions say of the hashes of their payloads.

use std::io;

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512_256};

use super::invalid;
use crate::Action;

/// A hash that an action names, and the bytes seen so far.
pub(super) enum Expected {
    Sha512t256(String, Sha512_256),
    Sha256(String, Sha256),
    Sha1(String, Sha1),
}

/// How actions name a hash: the beginning of a value of `pkg.content-hash` and the key of older
/// packages, for SHA-512/256 and for SHA-256.
pub(super) type Names = [(&'static str, &'static str); 2];

/// Of the contents.
pub(super) const CONTENTS: Names =
    [("file:sha512t_256:", "pkg.hash.sha512t_256"), ("file:sha256:", "pkg.hash.sha256")];

/// Of the stored bytes. `chash` is left out: it is a SHA-1.
pub(super) const STORED: Names =
    [("gzip:sha512t_256:", "pkg.chash.sha512t_256"), ("gzip:sha256:", "pkg.chash.sha256")];

impl Expected {
    /// The strongest hash that is named, SHA-1 aside.
    pub(super) fn of(action: &Action, [sha512t_256, sha256]: &Names) -> Option<Self> {
        let named = |(prefix, key): &(&str, &str)| {
            let values = action.attributes.list("pkg.content-hash");
            let new = values.iter().find_map(|value| value.strip_prefix(prefix));
            new.or_else(|| action.get(key)).map(str::to_owned)
        };
        let longer = named(sha512t_256).map(|hash| Self::Sha512t256(hash, Sha512_256::new()));
        longer.or_else(|| named(sha256).map(|hash| Self::Sha256(hash, Sha256::new())))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha512t256(_, hash) => hash.update(bytes),
            Self::Sha256(_, hash) => hash.update(bytes),
            Self::Sha1(_, hash) => hash.update(bytes),
        }
    }

    pub(super) fn check(self) -> io::Result<()> {
        let (name, expected, actual) = match self {
            Self::Sha512t256(expected, hash) => {
                ("sha512t_256", expected, hex::encode(hash.finalize()))
            }
            Self::Sha256(expected, hash) => ("sha256", expected, hex::encode(hash.finalize())),
            Self::Sha1(expected, hash) => ("sha-1", expected, hex::encode(hash.finalize())),
        };
        if expected == actual {
            Ok(())
        } else {
            Err(invalid(format!("its {name} is {actual}; its manifest says {expected}")))
        }
    }
}
