//! Zone images and global-zone software, as omicron's `package-manifest.toml` describes them.
//!
//! [`plan()`] reads a manifest for one target and finds everything that goes into each package:
//! paths of a source tree, programs written in Rust, blobs, archives that others published, and
//! other packages. What a package lacks is a [`Problem`] of it, with what to do; it does not keep
//! the rest from being planned. [`Plan::graph`] makes jobs of what was asked for: cargo runs once,
//! what is fetched comes through the store and is compared with its digest, and every image is
//! written from its sources directly, also one that is composed of others.
//!
//! An image has each path once, directories before what is in them, sorted; everything belongs to
//! root, files are 0644 or 0755 and all times are the same, so the bytes depend on what goes in
//! alone. A later part takes a path over from an earlier one, as it would when the image that
//! omicron's own tool writes (which then has both) is installed. As there, links in the source are
//! followed. Other than there, symbolic links in archives stay links.
//!
//! The schema of the manifest is that of the crate `omicron-zone-package`.

mod artifact;
mod build;
mod consistency;
mod download;
mod error;
mod image;
mod local;
mod manifest;
mod pins;
mod plan;
mod planning;
mod problem;
mod request;
mod tree;

pub use artifact::{Artifact, Place};
pub use build::{FETCH, Image, Images};
pub use error::Error;
pub use fetch::Url;
pub use plan::{Output, Package, Part, Plan, Source, State};
pub use planning::plan;
pub use problem::Problem;
pub use request::{Programs, Request};

/// Where omicron's prebuilt archives are published.
pub const ARTIFACTS: &str = download::BUILDOMAT;

/// Where omicron's blobs without a commit are published.
pub const BLOBS: &str = "https://oxide-omicron-build.s3.amazonaws.com";
