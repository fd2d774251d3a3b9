//! Oxide archives: `oxide.json`, then a tar, in one gzip member.
//!
//! Three types are in use: the *baseline* of the omicron1 zone brand and the *layers* put over it
//! carry what goes into a zone root below `root/`; an *os* archive carries a host or trampoline
//! image below `image/`. [`Writer`] writes them (and plain tars) so that the bytes depend on the
//! entries alone: members in the caller's order, ustar headers, pax records only where a value does
//! not fit, numeric owners, times as given.
//!
//! Whatever reads an archive in this project reads it here. [`TarReader`] knows ustar, pax and the
//! GNU long names and says at which byte of which member an archive is damaged. [`unpack`] puts one
//! below a directory and [`into_proto`] into a [`proto::Proto`]; both go through the same checks of
//! every member (see [`Options`]), so that nothing can be written outside the destination:
//!
//! - absolute names, `..`, `.`, empty components, names that are not UTF-8 and over-long ones are
//!   refused, and so are devices, pipes and unknown types;
//! - every directory on the way to a member is opened by handle without following symbolic links;
//! - a hard link must name a regular file that the same archive brought before;
//! - no path comes twice, except directories;
//! - a gzip member must be whole and alone, and the tar's end must be the end.
//!
//! The deployed format is that of the omicron1 brand and of the helios image tools.
//!
//! ```
//! use oxide_archive::{ArchiveType, Metadata, TarReader, Writer};
//!
//! let metadata = Metadata::new(ArchiveType::Layer).with_info("name", "example")?;
//! let mut writer = Writer::new(Vec::new(), "example.tar".as_ref(), &metadata, 0)?;
//! writer.directory("root", proto::Metadata::root(0o755))?;
//! writer.file("root/motd", proto::Metadata::root(0o644), 6, &b"hello\n"[..])?;
//! let tar = writer.finish()?;
//!
//! let mut reader = TarReader::new(&tar[..], "example.tar");
//! let mut names = Vec::new();
//! while let Some(member) = reader.next_member()? {
//!     names.push(member.display_name());
//! }
//! assert_eq!(names, ["oxide.json", "root/", "root/motd"]);
//! # Ok::<(), oxide_archive::Error>(())
//! ```

mod ahead;
mod destination;
mod error;
mod header;
mod into_proto;
mod member;
mod metadata;
mod options;
mod output;
mod reader;
mod sparse;
mod tar_reader;
mod unpack;
mod walk;
mod writer;

pub use error::Error;
pub use into_proto::{into_proto, into_proto_stream};
pub use member::{Member, MemberKind};
pub use metadata::{ArchiveType, InfoError, METADATA_NAME, Metadata};
pub use options::{Expect, Limits, Options, SetOwners};
pub use output::{OutputFile, Written};
pub use reader::{open, open_stream, read_metadata};
pub use tar_reader::TarReader;
pub use unpack::{Unpacked, check, check_stream, unpack};
pub use writer::Writer;
