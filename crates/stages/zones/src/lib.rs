//! Zone images.
//!
//! [`pack`] makes a layer of a directory: the archive that `zoneadm install` of an omicron1 zone
//! takes. The bytes depend on names, contents, links and permission to execute alone, not on who
//! packs, when, or with which umask.
//!
//! [`closure`] finds what programs need in a proto root: ELF interpreters and libraries as the
//! runtime linker of illumos finds them, the interpreters of scripts, and the plug-ins that
//! configuration files declare. [`Closure::why`] gives the chain that brought a path in,
//! [`Closure::tree`] all of it with sizes, and [`write_layer`] makes a layer of it. With a [`Boot`]
//! it becomes a root of its own ([`write_root`]) that init(8) starts without services. Programs
//! are never run.
//!
//! Files of illumos are recognised by what they ask for, not by the OS/ABI byte, which Go leaves 0.
//! The layer format is that of the omicron1 brand; see the crate `oxide-archive`. The rules of the
//! runtime linker are those that ld.so.1(1) documents.

mod boot;
mod closure;
mod error;
mod feature;
mod find;
mod linker;
mod minimal;
mod pack;
mod plugins;
mod root;

pub use boot::{Boot, Script};
pub use closure::{Closure, Member, Reason};
pub use error::Error;
pub use feature::{FEATURES, Feature};
pub use find::{Request, closure};
pub use minimal::{write_layer, write_root};
pub use pack::{PackOptions, Packed, pack};
