//! Members that are whole in memory.

use std::cell::RefCell;

use libdeflater::Decompressor;

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Fills `data` with what a gzip file in memory holds. `false` when that is damaged or not exactly
/// as long: what is wrong, a [`GzipReader`](crate::GzipReader) tells.
///
/// Twice as fast as the reader, and meant for files whose digest was checked: checksum and length
/// are compared, but what follows the first member passes unseen.
pub fn inflate_whole(file: &[u8], data: &mut [u8]) -> bool {
    let size = data.len();
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.gzip_decompress(file, data).is_ok_and(|written| written == size)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{GzipWriter, Level};

    fn member(data: &[u8]) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new(), Level::Best);
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_right_length_and_no_other() {
        let data: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let file = member(&data);
        let mut found = vec![1; data.len()];
        assert!(inflate_whole(&file, &mut found));
        assert_eq!(found, data);
        assert!(!inflate_whole(&file, &mut vec![0; data.len() - 1]));
        assert!(!inflate_whole(&file, &mut vec![0; data.len() + 1]));
        assert!(inflate_whole(&member(b""), &mut []));
    }

    #[test]
    fn damage_is_seen() {
        let data = b"a member of a file, with a checksum and a length behind it".repeat(20);
        let file = member(&data);
        let mut found = vec![0; data.len()];
        for at in [0, 2, 20, file.len() - 8, file.len() - 1] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(!inflate_whole(&damaged, &mut found), "byte {at}");
        }
        for length in [0, 5, 18, file.len() - 1] {
            assert!(!inflate_whole(&file[..length], &mut found), "{length} bytes");
        }
    }
}
