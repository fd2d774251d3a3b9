//! Identifiers that follow from the contents.

use sha2::{Digest as _, Sha256};

use crate::block_pointer::BlockPointer;

/// Gives identifiers: the same for the same contents, different for anything else.
///
/// The root block pointers of the file systems hold checksums over checksums of everything below
/// them, so that their digest stands for all contents.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    hasher: Sha256,
    /// The identifier of the pool, where it was given.
    pool: Option<u64>,
}

impl Identity {
    /// Identifiers that follow from texts and root pointers, or instead of the latter from the
    /// identifier of the pool.
    pub(crate) fn new<'a>(
        pool: Option<u64>,
        texts: impl IntoIterator<Item = &'a str>,
        roots: impl IntoIterator<Item = BlockPointer>,
    ) -> Self {
        let mut hasher = Sha256::new();
        for text in texts {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        match pool {
            Some(pool) => hasher.update(pool.to_le_bytes()),
            None => roots.into_iter().for_each(|root| hasher.update(root.to_bytes())),
        }
        Self { hasher, pool }
    }

    /// The identifier of the pool.
    pub(crate) fn pool(&self) -> u64 {
        self.pool.unwrap_or_else(|| self.guid("pool"))
    }

    fn digest(&self, purpose: &str) -> [u8; 32] {
        self.hasher.clone().chain_update(purpose).finalize().into()
    }

    /// A 64-bit identifier, never zero.
    pub(crate) fn guid(&self, purpose: &str) -> u64 {
        let digest = self.digest(purpose);
        let (groups, _) = digest.as_chunks::<8>();
        u64::from_le_bytes(groups[0]).max(1)
    }

    /// A 56-bit identifier, never zero.
    pub(crate) fn fsid(&self, purpose: &str) -> u64 {
        (self.guid(purpose) >> 8).max(1)
    }

    /// A UUID as text, marked as made from a digest (version 8).
    pub(crate) fn uuid(&self, purpose: &str) -> String {
        let digest = self.digest(purpose);
        let mut text = String::with_capacity(36);
        for (index, byte) in digest[..16].iter().enumerate() {
            if [4, 6, 8, 10].contains(&index) {
                text.push('-');
            }
            let byte = match index {
                6 => byte & 0x0f | 0x80,
                8 => byte & 0x3f | 0x80,
                _ => *byte,
            };
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_by_purpose_and_contents() {
        let one = Identity::new(None, ["rpool"], []);
        let other = Identity::new(None, ["rpool", "salt"], []);
        let given = Identity::new(Some(7), ["rpool"], []);
        assert_ne!(one.pool(), one.guid("device"));
        assert_ne!(one.pool(), other.pool());
        assert_eq!(given.pool(), 7);
        assert_ne!(given.guid("device"), one.guid("device"));
        assert!(one.fsid("a") < 1 << 56);
        let uuid = one.uuid("boot environment");
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"));
    }
}
