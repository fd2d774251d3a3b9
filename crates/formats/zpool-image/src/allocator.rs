//! Where the next block goes: ascending, and never across two metaslabs.

/// Hands out space from the begin of the device upwards.
///
/// Every metaslab is used from its begin without gaps, so that one run describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allocator {
    ashift: u32,
    metaslab_shift: u32,
    /// Bytes used of each metaslab that has any.
    used: Vec<u64>,
}

impl Allocator {
    pub(crate) fn new(ashift: u32, metaslab_shift: u32) -> Self {
        Self { ashift, metaslab_shift, used: Vec::new() }
    }

    /// Allocates room for `size` bytes, at most a metaslab: the offset, and the bytes taken.
    pub(crate) fn allocate(&mut self, size: u64) -> (u64, u64) {
        let taken = size.next_multiple_of(1 << self.ashift);
        match self.used.last_mut() {
            Some(used) if *used + taken <= 1 << self.metaslab_shift => *used += taken,
            _ => self.used.push(taken),
        }
        let begin = (self.used.len() as u64 - 1) << self.metaslab_shift;
        (begin + self.used[self.used.len() - 1] - taken, taken)
    }

    /// Bytes used of each metaslab, from the first; the last ones of the device may be missing.
    pub(crate) fn used(&self) -> &[u64] {
        &self.used
    }

    /// Bytes allocated.
    pub(crate) fn allocated(&self) -> u64 {
        self.used.iter().sum()
    }

    pub(crate) fn ashift(&self) -> u32 {
        self.ashift
    }

    pub(crate) fn metaslab_shift(&self) -> u32 {
        self.metaslab_shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_crosses_a_metaslab() {
        let mut allocator = Allocator::new(9, 20);
        assert_eq!(allocator.allocate(1000), (0, 1024));
        for _ in 0..7 {
            allocator.allocate(128 << 10);
        }
        assert_eq!(allocator.allocate(128 << 10), (1 << 20, 128 << 10));
        assert_eq!(allocator.used(), [1024 + (7 << 17), 128 << 10]);
        assert_eq!(allocator.allocated(), 1024 + (8 << 17));
    }
}
