//! Baselines: what every omicron1 zone begins with.
//!
//! A zone of the `omicron1` brand takes `/usr`, `/lib` and `/sbin` from the running global zone
//! and everything else from a *baseline*: [`ARCHIVE`], the files of a fresh zone without those
//! trees, and [`GZONLY`], the paths that a copy of those trees must lose again. [`generate`]
//! makes both from a proto root and the package metadata in it, with no pkg(7), network or
//! privileges.
//!
//! The archive is what pkg(7) would have made with `image-create --zone`, the exclude-patterns of
//! the brand, and `exact-install` of the proto's packages, and then:
//!
//! - `etc/svc/repository.db` is a seed ([`Seed`]), since nothing here can import manifests;
//! - the profile `platform_omicron1.xml` is added, and links put four profiles in force;
//! - root gets no password that could be typed;
//! - pkg's own files are left out.
//!
//! Files come from the proto where it has what was packaged. What only non-global zones get, or
//! what was edited in the proto, comes from [`Options::origins`]. Owners, groups and modes come
//! from the packages' actions alone, so that a proto on disk may belong to anyone.
//!
//! An archive is *sealed*: its `oxide.json` has a digest over the proto's package list. [`verify`]
//! tells whether an archive still belongs to a proto.
//!
//! ```no_run
//! use baseline::{Options, Seed, Selection, generate};
//! # fn make(proto: &proto::Proto, repository: &dyn ips::Origin) -> Result<(), baseline::Error> {
//! let report = generate(&Options {
//!     proto,
//!     origins: &[repository],
//!     output: "out/baseline".as_ref(),
//!     packages: Selection::Installed,
//!     seed: &Seed::Nonglobal,
//!     strict: false,
//!     allow_missing: false,
//!     epoch: None,
//! })?;
//! println!("{} paths", report.entries);
//! # Ok(())
//! # }
//! ```
//!
//! Source of the format: the baseline generator of the public helios-omicron-brand, restated.

mod accounts;
mod archive;
mod check;
mod error;
mod exclude;
mod finish;
mod generate;
mod gzonly;
mod options;
mod origins;
mod output;
mod payload;
mod plan;
mod seal;
mod select;
mod zone;

pub use error::{Error, Mismatch, PackagedPath};
pub use generate::generate;
pub use options::{Options, Report, Seed, Selection, Warning};
pub use origins::origins;
pub use seal::{Verified, verify};

/// The name of the archive.
pub const ARCHIVE: &str = "files.tar.gz";
/// The name of the list of paths that only global zones have.
pub const GZONLY: &str = "gzonly.txt";
