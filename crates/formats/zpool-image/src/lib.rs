//! ZFS pool images written without ZFS.
//!
//! A proto root goes in; a file comes out that any ZFS imports as an exported pool with one
//! device. No privileges, no kernel and no loop device are needed, and the same input gives the
//! same bytes.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let proto = proto::Proto::new(proto::Store::create("store")?);
//! use zpool_image::{PoolOptions, write};
//!
//! let report = write(&proto, &PoolOptions::ramdisk(), "zfs.img".as_ref())?;
//! println!("{} bytes, {} of them in use", report.size, report.allocated);
//! # Ok(())
//! # }
//! ```
//!
//! # How a pool is laid out
//!
//! Four *labels*, two at each end of the device, say what the pool is; each holds an
//! *uberblock*, the pointer to the pool's own object set (the *MOS*). In there are the datasets,
//! each a pointer to an object set of its own, and the *space maps* that say what is allocated.
//! An object set is a file of *dnodes*; a dnode points to an object's blocks, through indirect
//! blocks when there are many. A directory is a *ZAP* object from names to object numbers. All
//! pointers carry a checksum of the block they point to, so everything is written from the leaves
//! up: records of files, dnodes, object sets, MOS, and the labels last.
//!
//! Everything is born in one transaction group. Space is taken from the begin of the device
//! upwards, which leaves each metaslab with a single run, and only the space maps need care: they
//! describe also the blocks that hold them. The MOS is therefore written a few times for nothing
//! until what it says of itself is true; its blocks are not compressed, so that this ends.
//!
//! By default the pool has version 5000 and no features: it can be upgraded on any system. Source
//! of the format: the OpenZFS and illumos sources, and pools that OpenZFS made.

mod acl;
mod allocator;
mod block_pointer;
mod bytes;
mod checksum;
mod compression;
mod device;
mod dnode;
mod dsl;
mod error;
mod features;
mod file_system;
mod identity;
mod label;
mod mos;
mod nvlist;
mod object_set;
mod options;
mod plan;
pub mod reader;
mod records;
mod report;
mod sa;
mod space_map;
mod tree;
mod uberblock;
mod writer;
mod zap;

pub use checksum::{Checksum, fletcher_4};
pub use compression::{Compression, DENSEST, Effort, UnknownCompression};
pub use error::Error;
pub use features::{Feature, UnknownFeature};
pub use options::{CanMount, Dataset, Failmode, PoolOptions, Property, Size, Version};
pub use report::{Outcome, Report, TreeUsage};
pub use writer::{Draft, draft, plan, write, write_at, write_trees};
