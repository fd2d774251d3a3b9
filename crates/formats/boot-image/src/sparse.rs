//! Writing what is not zero.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;

/// What file systems can leave out.
const PAGE: usize = 4096;

/// Writes to a new file one byte after another, but leaves pages of zeros out: they stay holes.
pub(crate) struct Sparse<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Sparse<'a> {
    /// Writes from a position on.
    pub(crate) fn new(file: &'a File, position: u64) -> Self {
        Self { file, position }
    }

    /// Makes the file as long as what was written, and tells its length.
    pub(crate) fn finish(self) -> io::Result<u64> {
        self.file.set_len(self.position)?;
        Ok(self.position)
    }
}

impl Write for Sparse<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < data.len() {
            let zeros = pages(&data[written..], true);
            let run = written + zeros;
            let length = pages(&data[run..], false);
            self.file.write_all_at(&data[run..run + length], self.position + run as u64)?;
            written = run + length;
        }
        self.position += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The length of the first pages that are zero, or are not.
fn pages(data: &[u8], zero: bool) -> usize {
    let is_zero = |page: &[u8]| page == &[0; PAGE][..page.len()];
    data.chunks(PAGE).take_while(|page| is_zero(page) == zero).map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_become_holes_and_the_bytes_are_the_same() {
        let mut bytes = vec![0; 4 << 20];
        for (index, length) in [(0, 1), (70_000, 9000), (2 << 20, PAGE)] {
            bytes[index..index + length].fill(7);
        }
        let directory = tempfile::tempdir().unwrap();
        for cut in [bytes.len(), PAGE, 1, 100_000] {
            let path = directory.path().join("file");
            let file = File::create(&path).unwrap();
            let mut sparse = Sparse::new(&file, 0);
            for piece in bytes.chunks(cut) {
                sparse.write_all(piece).unwrap();
            }
            assert_eq!(sparse.finish().unwrap(), bytes.len() as u64);
            assert!(std::fs::read(&path).unwrap() == bytes);
            assert!(file.metadata().unwrap().blocks() * 512 <= 256 << 10, "{cut}");
        }
    }
}
