//! The omicron1 zone brand.
//!
//! The zones framework of illumos reaches a brand through the programs that its `config.xml`
//! names, the *brand hooks*. Here they are one program, `brand`; this library is all of it except
//! for reading the process environment and printing. What matters is [`install()`]: it
//! replicates `/usr`, `/lib` and `/sbin` of the global zone into a new zone root (most files
//! as links into `/system`, by the table in [`rules`]), unpacks the baseline and the layers over
//! it, and shows the result under its final name only when it is complete.
//!
//! Everything works on directory handles and follows no symbolic link below the zone root, since
//! layers come from elsewhere and the hook runs as root in the global zone. The tree that plays
//! `/` is a parameter, so the whole program runs and is tested on Linux as an ordinary user.
//!
//! The crate directory also holds the brand's data (`files/`, `man/`) and its package manifests
//! (`packages/`); [`packaging`] says how they become packages.
//!
//! Sources of the contract: illumos-gate's `zoneadm`, `zoneadmd`, `zonecfg` and `libbrand`, and
//! the behaviour of the published helios-omicron-brand.

pub mod arguments;
mod baseline;
mod copy;
mod defaults;
mod directory;
mod error;
mod exit;
mod install;
mod listing;
pub mod log;
pub mod names;
mod operands;
pub mod packaging;
mod plan;
mod remove;
mod replicate;
mod report;
pub mod rules;
mod stage;
pub mod state;
mod uninstall;
pub mod verify;

pub use defaults::Defaults;
pub use error::Error;
pub use exit::Exit;
pub use install::{Installation, install};
pub use listing::{ListedPath, ListedRule, Listing};
pub use operands::{Layer, Operands};
pub use plan::Plan;
pub use report::{Phase, Replicated, Report, Step};
pub use uninstall::uninstall;
