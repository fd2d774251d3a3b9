//! IPS packages, as illumos' pkg(7) knows them, without pkg(7).
//!
//! A package is a [`Manifest`]: a list of [`Action`]s, each with a kind and [`Attributes`]. It is
//! named by an [`Fmri`] with a [`Version`]. Which of its actions an image takes follows from the
//! image's [`Variants`] and [`Facets`].
//!
//! Packages come from an [`Origin`]: a file [`Repository`] (version 4) or a [`PackageArchive`]
//! (`.p5p`); [`open_origin`] opens whichever is there. Both are written here as well: [`publish()`]
//! turns manifests in source form ([`Mogrify`]: macros, includes, transforms) and files into
//! packages of a repository, [`PackageArchive::write`] and [`Repository::copy_packages`] copy
//! packages from any origin, [`republish()`] passes them through transforms on the way. Payloads
//! are checked against their manifests whenever they are read. Nothing that is written depends on
//! the clock, on directory order or on the number of threads.
//!
//! A [`Lock`] settles which packages a build takes, with the digests of their manifests.
//!
//! An installed [`Image`] is a [`proto::Proto`] with package metadata. [`import_root`] makes one
//! from a directory; [`create_image`], [`set_publisher`] and [`install`] make one from packages,
//! whose versions [`solve()`] chooses. A call that fails leaves the proto as it was.
//!
//! ```
//! use ips::{Action, Fmri, Manifest};
//!
//! let manifest = Manifest::parse("hello.p5m", "\
//!     set name=pkg.fmri value=pkg://example/hello@1.0,5.11:20260102T030405Z\n\
//!     dir path=usr owner=root group=sys mode=0755\n")?;
//! assert_eq!(manifest.fmri()?.stem, "hello");
//! assert_eq!(manifest.actions().last().unwrap().to_string(),
//!     "dir group=sys mode=0755 owner=root path=usr");
//! # Ok::<(), ips::Error>(())
//! ```

mod action;
mod archive;
mod archive_writer;
mod atomic;
mod attributes;
mod catalog;
mod elf;
mod error;
mod facets;
mod fmri;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod grammar;
mod image;
mod import;
mod install;
mod json;
mod link;
mod located;
mod location;
mod lock;
mod manifest;
mod mogrify;
mod operands;
mod origin;
mod packages;
mod payload;
mod publish;
mod repository;
mod republish;
mod solve;
mod standing;
mod timestamp;
mod transform;
mod validate;
mod variants;
mod version;

pub use action::{Action, ActionKind};
pub use archive::PackageArchive;
pub use attributes::Attributes;
pub use catalog::{Catalog, CatalogAttributes, CatalogEntry, catalog_files};
pub use error::{Error, Missing};
pub use facets::Facets;
pub use fmri::{Fmri, FmriError, quote, unquote};
pub use grammar::GrammarError;
pub use image::{
    Freeze, Image, ImageConfig, InstalledPackage, Mediation, Owners, Publisher, State, system_gid,
    system_uid,
};
pub use import::{ImportOptions, Unpackaged, import_root};
pub use install::{
    InstallOptions, Report, approve_ca_certificate, change_facets, change_variants, create_image,
    foresee, foresee_facets, foresee_variants, install, install_chosen, optional_dependencies,
    purge_history, set_properties, set_publisher, uninstall,
};
pub use link::{link_target, normal_path};
pub use located::Located;
pub use location::Location;
pub use lock::{Change, ChangeKind, Lock, LockOrigin, LockedOrigin, LockedPackage, diff};
pub use manifest::{Line, Manifest};
pub use mogrify::{Mogrified, Mogrify};
pub use origin::{Origin, StoredPayload, Wanted, newest, open_origin};
pub use packages::Packages;
pub use payload::{Payload, PayloadReader};
pub use publish::{Publication, publish};
pub use repository::Repository;
pub use republish::{Republication, Republished, republish};
pub use solve::{Chosen, Solution, SolveOptions, match_stems, solve, solve_removal, solve_with};
pub use standing::Standing;
pub use timestamp::{Timestamp, TimestampError};
pub use variants::Variants;
pub use version::{DotSequence, Version, VersionError};
