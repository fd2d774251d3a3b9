//! Update repositories: the signed zip that a rack takes.
//!
//! [`build`] turns OS images, zones and the other artifacts into one zip that holds a TUF
//! repository: `repo/metadata/` with the four signed roles and `repo/targets/` with the files they
//! vouch for, among them `artifacts-v2.json`, which says what each file is. [`verify`] is the other
//! direction: it takes a zip from anywhere and says everything that is wrong with it.
//! [`Repository`] opens one to list it and take files out, [`refresh`] gives it a new expiry,
//! [`edit`] changes what is in it, [`merge`] puts several into one, and [`diff`] compares two.
//!
//! ```no_run
//! use std::path::Path;
//! use tuf::{BuildOptions, Input, Variant, VerifyOptions};
//!
//! let built = tuf::build(&BuildOptions {
//!     system_version: "20.0.0-0.local+git0123456".to_owned(),
//!     inputs: vec![
//!         Input::OsImages { directory: "out/host".into(), variant: Variant::Host },
//!         Input::OsImages { directory: "out/trampoline".into(), variant: Variant::Recovery },
//!         Input::zone("out/zones/ntp.tar.gz"),
//!     ],
//!     keys: Vec::new(), // a throwaway key; say so loudly
//!     roots: Vec::new(), // a root made of the keys
//!     expires_days: 7,
//!     build_time: "2026-11-20T15:13:08Z".parse()?,
//!     out: "out/repo.zip".into(),
//!     installinator_document: true,
//! })?;
//! let report = tuf::verify(Path::new("out/repo.zip"), &VerifyOptions::at(built.build_time))?;
//! assert!(report.outcome().is_ok(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`build_v1`] writes the older format, which deployed racks read; [`verify`] reads both.
//!
//! # Words
//!
//! A *target* is a file the metadata signs for; an *artifact* is a target that `artifacts-v2.json`
//! describes by a kind, further tags and a version. Targets that are no artifacts are legal.
//! What is wrong with a repository is a [`Problem`], data with a stable [`ProblemId`]; an [`Error`]
//! is only what kept this program from doing its work.
//!
//! # Bytes
//!
//! Nothing but the options and the inputs reaches the output: no clock, no host, no folder order,
//! no thread count. With Ed25519 keys two builds are identical; with ECDSA P-256 and RSA-PSS the
//! signatures, and so the hashes over them, differ. Every input is read once for the zip; only the
//! few kilobytes that its tags need are read before, and a file that changed in between is an
//! error.
//!
//! Signing goes through the `Sign` trait of `tough`, which is asynchronous because keys may live
//! behind a network. The calls here are synchronous: each signing step runs on a small runtime of
//! its own, on its own thread, so callers may be inside a runtime or not.
//!
//! Sources of the format: the TUF specification 1.0, and Oxide's `tufaceous` for the zip layout,
//! `artifacts-v2.json` and the installinator document.

mod artifact;
mod assemble;
mod build;
mod compression;
mod diff;
mod documents;
mod edit;
mod error;
mod fakes;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod in_place;
mod inputs;
mod keys;
mod merge;
mod metadata;
mod names;
mod output;
mod phase2;
mod plan;
mod problem;
mod refresh;
mod repository;
mod signing;
mod strict_json;
mod v1;
mod verify;
mod zip;

pub use artifact::{Artifact, Kind, Slot, Tags, Variant};
pub use assemble::{BuildReport, BuiltTarget};
pub use build::{BuildOptions, build};
pub use diff::{ArtifactDifference, Change, Difference, FileDifference, Side, diff};
pub use documents::{ArtifactsDocument, InstallinatorArtifact, InstallinatorDocument};
pub use edit::{EditOptions, edit};
pub use error::Error;
pub use fakes::STAND_IN;
pub use inputs::{BOARDS, Firmware, Input};
pub use keys::Key;
pub use merge::{MergeOptions, merge};
pub use metadata::RootChange;
pub use problem::{Problem, ProblemId, problem_lines};
pub use refresh::{RefreshOptions, RefreshReport, refresh};
pub use repository::{ListedTarget, Listing, Repository};
pub use signing::{SigningRoot, check_signers};
pub use v1::{V1Artifact, V1BuildOptions, V1Manifest, V1Part, V1Source, V1Zone, build_v1};
pub use verify::{Outcome, Target, Trust, VerifyOptions, VerifyReport, verify};
