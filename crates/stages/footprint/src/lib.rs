//! What the bytes of a pool image are for.
//!
//! A ramdisk keeps the whole pool image in memory, so its size is what counts. [`Footprint`] says
//! where it goes: by package, by directory, by zone image, what the pool itself takes and what is
//! left. It can be kept as a *record*, and a later one compared with it.
//!
//! [`build`] is the verb: it has an image written, in the form with the smallest footprint if that
//! is asked for, and refuses one that exceeds its budget, naming what is largest and what grew.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let proto = proto::Proto::new(proto::Store::create("store")?);
//! use footprint::{Wish, build};
//! use zpool_image::{PoolOptions, plan};
//!
//! let options = PoolOptions::ramdisk();
//! let trees = [("ROOT/ramdisk", &proto)];
//! let out = "zfs.img".as_ref();
//! let wish = Wish { budget: Some(1200 << 20), ..Wish::default() };
//! let built = build(&trees, &options, &wish, out, |options| plan(&trees, options, out))?;
//! print!("{}", built.footprint.table());
//! # Ok(())
//! # }
//! ```

mod budget;
mod build;
mod error;
mod measure;
mod record;
mod table;
mod zones;

pub use budget::{Growth, Standing};
pub use build::{Built, Choice, Smallest, Wish, build};
pub use error::Error;
pub use measure::{Footprint, Pool, Tree};
pub use zones::Zones;
