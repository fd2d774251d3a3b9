//! The older format: `artifacts.json`, and composite artifacts that are archives of several files.
//!
//! Deployed racks read it; [`build_v1`] writes it from a [`V1Manifest`]. Every target is
//! `<kind>-<name>-<version>.tar.gz`, whatever it is, and consistent snapshots put its hash before
//! its name. Hosts, trampolines, roots of trust and the control plane are gzip tars made here, or
//! taken as they are.

mod build;
mod check;
mod composite;
mod document;
mod kind;
mod manifest;
mod stand_in;

pub use build::{V1BuildOptions, build_v1};
pub(crate) use check::{Good, check, read_document};
pub use manifest::{V1Artifact, V1Manifest, V1Part, V1Source, V1Zone};
