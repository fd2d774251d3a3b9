//! Space maps: the allocated runs of one metaslab.

/// Blocks of a space map object, in bytes.
pub(crate) const BLOCK_SIZE: usize = 4096;
/// The longest run of one entry, in sectors.
const LONGEST_RUN: u64 = 1 << 15;

/// The entries that say: this many bytes from the begin of the metaslab are allocated.
pub(crate) fn entries(used: u64, ashift: u32) -> Vec<u8> {
    let sectors = used >> ashift;
    let mut out = Vec::new();
    let mut offset = 0;
    while offset < sectors {
        let run = (sectors - offset).min(LONGEST_RUN);
        let entry = offset << 16 | (run - 1); // bit 15 clear: allocated
        out.extend_from_slice(&entry.to_le_bytes());
        offset += run;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_take_several_entries() {
        assert!(entries(0, 9).is_empty());
        assert_eq!(entries(512, 9), 0u64.to_le_bytes());
        let two = entries((LONGEST_RUN + 3) << 9, 9);
        assert_eq!(two[..8], (LONGEST_RUN - 1).to_le_bytes());
        assert_eq!(two[8..], (LONGEST_RUN << 16 | 2).to_le_bytes());
    }
}
