//! Files that look like those of an operating system, the same bytes each time.
//!
//! Half of the files are text (few frequent words, many rare ones), most others are like machine
//! code (few operations, operands of any kind, tables of zeros), and one in ten is compressed
//! already. Sizes spread over five orders of magnitude with many small files and few large ones,
//! as they do below `/usr`. Everything is integer arithmetic on a generator that is seeded by the
//! number of the file, so that no platform, library or order of things matters.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Regular files.
    pub(crate) files: u64,
    /// Bytes in all of them.
    pub(crate) bytes: u64,
}

/// A file to be generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    /// Its path below the root.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    number: u64,
}

/// Files of one directory.
const DIRECTORY: u64 = 100;

impl Plan {
    /// All files; their sizes add up to the plan's bytes.
    pub(crate) fn list(self) -> Vec<PlannedFile> {
        let sizes: Vec<u64> = (0..self.files).map(|number| Numbers::new(number).size()).collect();
        let sum: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
        let mut before: u128 = 0;
        let mut given: u64 = 0;
        let mut list = Vec::new();
        for (number, size) in (0..self.files).zip(sizes) {
            before += u128::from(size);
            let until = u64::try_from(before * u128::from(self.bytes) / sum).unwrap_or(given);
            let path = format!("opt/bench/{:03}/file-{number:06}", number / DIRECTORY);
            list.push(PlannedFile { path, size: until - given, number });
            given = until;
        }
        list
    }

    /// Writes all files below a directory.
    pub(crate) fn write(self, root: &Path) -> Result<Vec<PlannedFile>, String> {
        let words = Words::new();
        let list = self.list();
        list.iter().try_for_each(|planned| planned.write(root, &words))?;
        Ok(list)
    }
}

impl PlannedFile {
    /// Writes the file below a directory.
    pub(super) fn write(&self, root: &Path, words: &Words) -> Result<(), String> {
        let path = root.join(&self.path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            File::create(&path)?.write_all(&self.content(words))
        };
        write().map_err(|error: io::Error| format!("cannot write {}: {error}", path.display()))
    }

    pub(super) fn content(&self, words: &Words) -> Vec<u8> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size + 64);
        let mut numbers = Numbers::new(!self.number);
        let kind = numbers.below(10);
        while bytes.len() < size {
            match kind {
                0..=4 => words.line(&mut numbers, &mut bytes),
                5..=8 => instruction(&mut numbers, &mut bytes),
                _ => bytes.extend(numbers.next().to_le_bytes()),
            }
        }
        bytes.truncate(size);
        bytes
    }
}

/// Something like a machine instruction: the operation decides how long it is and what its
/// operand looks like; now and then a table.
fn instruction(numbers: &mut Numbers, bytes: &mut Vec<u8>) {
    let operation = numbers.skewed(96);
    let code = Numbers::new(operation << 32).next().to_le_bytes();
    bytes.extend(&code[..1 + (operation % 3) as usize]);
    match operation % 8 {
        0 => bytes.extend((numbers.next() as u32 & 0xffff).to_le_bytes()),
        1..=3 => bytes.push(numbers.next() as u8 & 0x3f),
        4 => bytes.extend((numbers.skewed(4096) as u32 * 16).to_le_bytes()),
        5 if numbers.below(64) == 0 => bytes.extend([0; 64]),
        _ => {}
    }
}

/// The words that texts are made of.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new() -> Self {
        let mut numbers = Numbers::new(u64::MAX);
        let word = |_| {
            let length = 2 + numbers.below(9);
            (0..length).map(|_| char::from(b'a' + numbers.skewed(26) as u8)).collect()
        };
        Self((0..6000).map(word).collect())
    }

    fn line(&self, numbers: &mut Numbers, bytes: &mut Vec<u8>) {
        for _ in 0..4 + numbers.below(10) {
            let index = numbers.skewed(self.0.len() as u64) as usize;
            bytes.extend(self.0[index].as_bytes());
            bytes.push(b' ');
        }
        bytes.push(b'\n');
    }
}

/// SplitMix64.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Small numbers are more frequent than large ones.
    pub(super) fn skewed(&mut self, limit: u64) -> u64 {
        let (a, b, c) = (self.below(limit), self.below(limit), self.below(limit));
        a.min(b).min(c)
    }

    /// The size of a file, before all are scaled: its logarithm is a sum of coin tosses.
    pub(super) fn size(&mut self) -> u64 {
        let power = 1 << (self.next() & 0xff_ffff).count_ones();
        power + self.below(power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(plan: Plan) -> String {
        let directory = tempfile::tempdir().unwrap();
        let list = plan.write(directory.path()).unwrap();
        let mut all = Vec::new();
        for planned in &list {
            let bytes = fs::read(directory.path().join(&planned.path)).unwrap();
            assert_eq!(bytes.len() as u64, planned.size, "{}", planned.path);
            all.extend(planned.path.as_bytes());
            all.extend(bytes);
        }
        proto::Digest::of(&all).to_string()
    }

    #[test]
    fn the_same_bytes_each_time() {
        let plan = Plan { files: 250, bytes: 2_000_000 };
        // Measurements of different days are of the same files only while this holds.
        assert_eq!(
            digest(plan),
            "6cdf7a2901af6a7a476907e5efbc888ec128c5ad657270690f0f15f26efd72a5"
        );
        assert_ne!(digest(plan), digest(Plan { files: 251, ..plan }));
    }

    #[test]
    fn sizes_spread_and_add_up() {
        let plan = Plan { files: 20_000, bytes: 400_000_000 };
        let mut sizes: Vec<u64> = plan.list().iter().map(|planned| planned.size).collect();
        sizes.sort_unstable();
        assert_eq!(sizes.iter().sum::<u64>(), plan.bytes);
        assert!(
            sizes[2000] < 2_000 && sizes[19_980] > 500_000,
            "{} {}",
            sizes[2000],
            sizes[19_980]
        );
    }
}
