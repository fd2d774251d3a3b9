//! Image templates: the language of illumos image-builder, applied to a proto.
//!
//! A template is a JSON file with a list of steps (install packages, remove files, make links, set
//! modes ...), includes other templates, and is guarded and filled in by *features*. Here it runs
//! on a [`proto::Proto`], that is on a manifest: no disk tree, no ZFS, no root privileges, any
//! system. Running it has two halves:
//!
//! 1. [`load`] reads a template with all its includes for a set of features and checks all of it:
//!    unknown keys and steps, bad modes, unknown owners, missing files and includes, includes that
//!    go in a circle. Everything is found before the first step runs, with file and line.
//!    [`check`] gives the same as a list of [`Finding`]s. The resulting [`Plan`] is plain data and
//!    can [`Plan::explain`] itself.
//! 2. [`apply`] carries the plan out on a proto. It works on a copy: after an error the proto is
//!    what it was.
//!
//! Between them, [`rehearse`] does the steps on a proto whose packages are only foreseen, without
//! their contents, and tells of every step that would not find what it needs.
//!
//! ```
//! use image_templates::{Context, Features, Search, apply, load};
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path();
//! # std::fs::create_dir_all(root.join("sled"))?;
//! # std::fs::write(root.join("sled/host.json"), r#"{ "steps": [
//! #   { "t": "ensure_file", "file": "/nodename", "contents": "unknown\n",
//! #     "owner": "root", "group": "sys", "mode": "0644" } ] }"#)?;
//! let features = Features::from_specs(["recovery", "extra_packages+=/text/less"])?;
//! let plan = load(&Search::new(root, "sled"), "host", &features)?;
//! let mut proto = proto::Proto::new(proto::Store::create(root.join("store"))?);
//! let applied = apply(&plan, &mut proto, &mut Context::new(root))?;
//! assert_eq!(applied.steps, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//!
//! That of image-builder as the helios templates use it (illumos/image-builder and
//! oxidecomputer/helios), with these differences:
//!
//! * Unknown keys, several sections, several sources of one file are findings.
//! * Owners and groups come from the image's own `etc/passwd` and `etc/group`; the five names that
//!   image-builder knows work without.
//! * `devfsadm` lays down a fixed skeleton of directories and links (`data/devices.txt`), the same
//!   for every image, instead of copying the build machine's devices.
//! * `seed_smf` makes no repository: svccfg(8) does not run here. It checks the profiles, sets
//!   their links and leaves the import to the first boot, or passes through a repository made
//!   elsewhere ([`SmfSeed`]). With `"optional": true`, profiles may be absent.
//! * `onu` needs illumos and fails.
//! * `make_bootable` is recorded and installs nothing.
//! * `ufs`, `pcfs` and `iso` images are read and checked, and cannot be made.
//!
//! and these additions:
//!
//! * `remove_files` with `"optional": true`: what it names may be absent.
//! * `clone_snapshot` (`name`, `snapshot`): the image becomes the state that a dataset template
//!   left as its output snapshot, without the detour through a tar archive.
//!
//! The `pkg_*` steps go to whatever implements [`Packages`]; [`ImagePackages`] installs with the
//! `ips` crate, and [`resolve`] finds out what would be installed.

mod accounts;
mod apply;
mod error;
mod expand;
mod features;
mod fields;
mod finding;
mod genproto;
mod image_packages;
mod json;
mod packages;
mod plan;
mod plan_files;
mod read;
mod resolve;
mod search;
mod section;
mod step;

pub use apply::{Applied, Context, Missing, Note, Rehearsed, SmfSeed, apply, rehearse};
pub use error::Error;
pub use features::{FeatureError, Features};
pub use finding::{Finding, Severity};
pub use genproto::{Modes, genproto};
pub use image_packages::ImagePackages;
pub use packages::{Optional, Outcome, Packages};
pub use plan::{Origin, Plan, PlannedStep, check, describe_pool, load};
pub use resolve::{Resolution, resolve};
pub use search::Search;
pub use section::{Dataset, PoolDescription, Section};
pub use step::{Algorithm, PackageStep, Permissions, Removal, Source, Step};
