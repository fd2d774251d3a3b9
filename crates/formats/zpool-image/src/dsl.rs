//! Datasets and directories of datasets, as the pool keeps them.

use crate::block_pointer::{BIRTH, BlockPointer};
use crate::bytes::{put_u64, put_words};
use crate::device::Account;

/// Bytes of a dataset directory.
const DIR_SIZE: usize = 256;
/// Bytes of a dataset.
const DATASET_SIZE: usize = 320;
/// Bytes of the header of a list of dead blocks.
pub(crate) const DEADLIST_SIZE: usize = 320;
/// The directory says how its space divides.
const FLAG_BREAKDOWN: u64 = 1;
/// The bytes unique to a dataset are known.
const FLAG_UNIQUE_ACCURATE: u64 = 4;
/// The transaction group of the snapshot from which every dataset stems.
pub(crate) const ORIGIN_BIRTH: u64 = 1;
/// The transaction group of snapshots: everything in them was born before.
pub(crate) const SNAPSHOT_BIRTH: u64 = BIRTH + 1;

/// A directory of datasets: a dataset with its children and properties.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) creation_time: u64,
    /// The dataset, if it has one.
    pub(crate) head: u64,
    pub(crate) parent: u64,
    /// The snapshot it stems from.
    pub(crate) origin: u64,
    pub(crate) child_map: u64,
    pub(crate) properties: u64,
    pub(crate) clones: u64,
    /// Of the dataset itself.
    pub(crate) own: Account,
    /// Of all below.
    pub(crate) children: Account,
}

/// A dataset, or a snapshot.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) directory: u64,
    pub(crate) previous_snapshot: u64,
    pub(crate) previous_snapshot_birth: u64,
    pub(crate) next_snapshot: u64,
    pub(crate) snapshot_names: u64,
    /// Of a snapshot: how many datasets stem from it.
    pub(crate) children: u64,
    pub(crate) creation_time: u64,
    pub(crate) creation_birth: u64,
    pub(crate) deadlist: u64,
    pub(crate) account: Account,
    /// Bytes that no snapshot shares.
    pub(crate) unique: u64,
    pub(crate) fsid: u64,
    pub(crate) guid: u64,
    pub(crate) pointer: BlockPointer,
    pub(crate) next_clones: u64,
}

impl Directory {
    /// The directory as it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut total = self.own;
        total.add(self.children);
        let mut bytes = vec![0; DIR_SIZE];
        put_words(
            &mut bytes,
            0,
            &[self.creation_time, self.head, self.parent, self.origin, self.child_map],
        );
        put_words(&mut bytes, 40, &[total.used, total.compressed, total.uncompressed]);
        put_words(&mut bytes, 80, &[self.properties, 0, FLAG_BREAKDOWN]);
        put_words(&mut bytes, 104, &[self.own.used, 0, self.children.used]);
        put_u64(&mut bytes, 144, self.clones);
        bytes
    }
}

impl Dataset {
    /// The dataset as it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let account = self.account;
        let mut bytes = vec![0; DATASET_SIZE];
        put_words(
            &mut bytes,
            0,
            &[
                self.directory,
                self.previous_snapshot,
                self.previous_snapshot_birth,
                self.next_snapshot,
                self.snapshot_names,
                self.children,
                self.creation_time,
                self.creation_birth,
                self.deadlist,
                account.used,
                account.compressed,
                account.uncompressed,
                self.unique,
                self.fsid,
                self.guid,
                FLAG_UNIQUE_ACCURATE,
            ],
        );
        bytes[128..256].copy_from_slice(&self.pointer.to_bytes());
        put_u64(&mut bytes, 256, self.next_clones);
        bytes
    }
}
