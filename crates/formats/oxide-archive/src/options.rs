//! What a reader of archives accepts.

use proto::{Digest, ExtendedAttributes, Metadata, ProtoPath};

use crate::ArchiveType;

/// What is accepted and how it is unpacked.
#[derive(Debug, Clone)]
pub struct Options {
    /// What kind of archive it must be.
    pub expect: Expect,
    /// Only members below this are taken, and it is cut off their names; others are counted and
    /// skipped. The root takes everything. Names are compared by component: `rootkit` is not below
    /// `root`.
    pub prefix: ProtoPath,
    /// Where to stop.
    pub limits: Limits,
    /// Whether owners are set on disk. [`crate::Unpacked::manifest`] has them in any case.
    pub set_owners: SetOwners,
    /// The SHA-256 that the archive file must have, checked before anything is written.
    pub pinned: Option<Digest>,
    /// Whether to compute the SHA-256 of each file. A proto always gets them.
    pub digests: bool,
    /// If given, missing parents are made with this metadata; otherwise they are an error, as
    /// deployed zone brands treat them.
    pub make_parents: Option<Metadata>,
    /// Whether names and link texts may be in any encoding, instead of UTF-8.
    pub any_encoding: bool,
    /// Whether devices, pipes and sparse files are taken. Only a proto can have the first two.
    pub special_files: bool,
    /// Whether a later file, link or device of the same name and type takes the place of an
    /// earlier one, as tars that were appended to have it; otherwise that is an error. Another
    /// type always is.
    pub last_wins: bool,
    /// What happens to members with extended attributes or access control lists.
    pub extended_attributes: ExtendedAttributes,
}

/// What kind of archive is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// An Oxide archive of this type.
    Type(ArchiveType),
    /// An Oxide archive of any type.
    Any,
    /// A tar without metadata; `oxide.json` means nothing in it.
    Plain,
}

/// Limits that keep a hostile archive from filling the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most members.
    pub members: u64,
    /// The most bytes of data in all members together.
    pub bytes: u64,
    /// The longest path, in bytes; more than 1,023 is never possible.
    pub path: usize,
}

/// Whether owners and groups are set on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOwners {
    /// When this process is root.
    IfRoot,
    /// Always; failing to is an error.
    Always,
    /// Never.
    Never,
}

impl Default for Limits {
    fn default() -> Self {
        Self { members: 1_000_000, bytes: 64 << 30, path: 1023 }
    }
}

impl Options {
    /// For an archive of a type with its usual prefix: `root/` of baselines and layers, `image/` of
    /// OS archives.
    pub fn for_type(archive_type: ArchiveType) -> Self {
        let prefix = match archive_type {
            ArchiveType::Baseline | ArchiveType::Layer => "root",
            ArchiveType::Os => "image",
        };
        Self {
            expect: Expect::Type(archive_type),
            prefix: ProtoPath::new(prefix).unwrap_or_default(),
            ..Self::plain()
        }
    }

    /// For a tar without metadata, taken whole.
    pub fn plain() -> Self {
        Self {
            expect: Expect::Plain,
            prefix: ProtoPath::root(),
            limits: Limits::default(),
            set_owners: SetOwners::IfRoot,
            pinned: None,
            digests: false,
            make_parents: None,
            any_encoding: false,
            special_files: false,
            last_wins: false,
            extended_attributes: ExtendedAttributes::Drop,
        }
    }

    /// For a tar of a whole root file system that any program made, put into a proto: everything a
    /// proto can hold is taken, missing parents are made with this metadata, extended attributes
    /// are refused.
    pub fn whole_root(parents: Metadata) -> Self {
        Self {
            limits: Limits { members: 1 << 26, bytes: 1 << 50, path: 1023 },
            make_parents: Some(parents),
            any_encoding: true,
            special_files: true,
            last_wins: true,
            extended_attributes: ExtendedAttributes::Refuse,
            ..Self::plain()
        }
    }
}
