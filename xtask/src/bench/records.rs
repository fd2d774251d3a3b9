//! The records of a tree's files, and what compressing them alone takes.
//!
//! What the writer is compared with: the same work without a pool around it.

use std::fs;
use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};
use walkdir::WalkDir;
use zpool_image::DENSEST;

use crate::failure::Failure;

/// Bytes of a record, as the writer and ZFS have it unless told otherwise.
const RECORD: usize = 128 << 10;
/// Bytes of the smallest block.
const SECTOR: usize = 512;

/// All records of a tree that are not zero throughout.
pub(crate) fn of(tree: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let mut records = Vec::new();
    for entry in WalkDir::new(tree).sort_by_file_name() {
        let entry = entry.map_err(|error| format!("cannot list {}: {error}", tree.display()))?;
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path())?;
            // A file of one block has a smaller one; the last of several is filled up.
            let block = bytes.len().next_multiple_of(SECTOR).clamp(SECTOR, RECORD);
            for record in bytes.chunks(block) {
                let mut record = record.to_vec();
                record.resize(block, 0);
                if record.iter().any(|byte| *byte != 0) {
                    records.push(record);
                }
            }
        }
    }
    Ok(records)
}

/// Bytes that the records take when a compressor may store each in at most the bytes it is given,
/// and gives the length: what does not save an eighth is stored as it is, all in whole sectors.
pub(crate) fn allocated(
    records: &[Vec<u8>],
    mut compress: impl FnMut(&[u8], usize) -> Option<usize>,
) -> u64 {
    let one = |record: &Vec<u8>| {
        let limit = record.len() - record.len() / 8;
        let length = compress(record, limit).map_or(record.len(), |n| n.next_multiple_of(SECTOR));
        length.min(record.len()) as u64
    };
    records.iter().map(one).sum()
}

/// The library that the writer uses.
pub(crate) fn libdeflate() -> Result<impl FnMut(&[u8], usize) -> Option<usize>, Failure> {
    let level = CompressionLvl::new(DENSEST)
        .map_err(|error| format!("libdeflate has no level {DENSEST}: {error:?}"))?;
    let mut compressor = Compressor::new(level);
    let mut room = vec![0; RECORD];
    Ok(move |record: &[u8], limit: usize| compressor.zlib_compress(record, &mut room[..limit]).ok())
}

/// zlib-rs at level 9, standing in for the zlib that OpenZFS uses for gzip-9.
pub(crate) fn zlib() -> impl FnMut(&[u8], usize) -> Option<usize> {
    let mut room = vec![0; RECORD];
    move |record: &[u8], limit: usize| {
        let mut encoder = zlib_rs::Deflate::new(9, true, 15);
        let status = encoder.compress(record, &mut room[..limit], zlib_rs::DeflateFlush::Finish);
        let ended = status.is_ok_and(|status| status == zlib_rs::Status::StreamEnd);
        ended.then(|| usize::try_from(encoder.total_out()).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_as_the_writer_cuts_them() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("a"), [7; 600]).unwrap();
        fs::write(tree.path().join("b"), [7; RECORD + 1]).unwrap();
        fs::write(tree.path().join("c"), [0; 5000]).unwrap();
        fs::write(tree.path().join("d"), "").unwrap();
        let records = of(tree.path()).unwrap();
        assert_eq!(Vec::from_iter(records.iter().map(Vec::len)), [1024, RECORD, RECORD]);
        assert_eq!(allocated(&records, libdeflate().unwrap()), 3 * 512);
        assert_eq!(allocated(&records, zlib()), 3 * 512);
        assert_eq!(allocated(&records, |_, _| None), 1024 + 2 * RECORD as u64);
    }
}
