//! Proto roots as data.
//!
//! A *proto root* is a directory tree that will become a root file system. Here it is a
//! [`Manifest`] (every path with its type, mode, owner, group, time, link target, device and
//! delivering package, sorted) and the [`Contents`] of its regular files beside it, found by
//! digest in a [`Store`] or by path in a directory. A directory tree on disk is only ever an
//! import or an export, so nothing needs root privileges and the order of things is given.
//!
//! The written form is mtree(5), as FreeBSD's unprivileged builds keep it, so that `bsdtar` and
//! `makefs` read it too; see [`mtree`].
//!
//! ```
//! use proto::{Entry, Manifest, Metadata, ProtoPath};
//!
//! let mut manifest = Manifest::new();
//! manifest.insert(ProtoPath::root(), Entry::directory(Metadata::root(0o755)))?;
//! manifest.insert(ProtoPath::new("bin")?, Entry::symlink("./usr/bin", Metadata::root(0o777)))?;
//! assert_eq!(manifest.to_mtree(), "#mtree v2.0\n\
//!     . type=dir uid=0 gid=0 mode=0755 time=0.000000000\n\
//!     ./bin type=link uid=0 gid=0 mode=0777 time=0.000000000 link=./usr/bin\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod contents;
mod digest;
mod entry;
mod error;
mod export;
mod extended_attributes;
mod import;
mod import_listed;
mod manifest;
pub mod mtree;
mod path;
mod root;

pub use contents::{Contents, Store};
pub use digest::Digest;
pub use entry::{Device, Entry, FileContent, Kind, Metadata, Mtime};
pub use error::Error;
pub use extended_attributes::ExtendedAttributes;
pub use import::{Owners, import_directory, import_directory_with};
pub use import_listed::import_listed;
pub use manifest::Manifest;
pub use path::{PathError, ProtoPath};
pub use root::Proto;
