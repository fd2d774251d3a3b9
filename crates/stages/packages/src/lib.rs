//! Looking at packages, wherever they are: in an image, a repository or a package archive.
//!
//! Every function takes [`ips::Packages`] and gives data that prints (`Display` or a `table`) as
//! the command of pkg(1) or pkgrepo(1) of the same name does, and serialises for machines. Nothing
//! is changed, and of an image nothing but its package metadata is read.
//!
//! ```no_run
//! let packages = ips::Packages::open("packages.p5p")?;
//! let wanted = packages::ContentsOptions { attributes: vec!["path".into()], ..Default::default() };
//! let contents = packages::contents(&packages, &["zones".to_owned()], &wanted)?;
//! print!("{}", contents.table(false));
//! # Ok::<(), ips::Error>(())
//! ```

mod contents;
mod diff;
mod info;
mod list;
mod search;

pub use contents::{Contents, ContentsOptions, contents, manifests};
pub use diff::{ActionChange, Diff, PackageChange, diff};
pub use info::{Info, info};
pub use list::{Listed, Listing, list};
pub use search::{Hit, search};
