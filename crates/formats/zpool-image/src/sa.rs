//! System attributes: what a file system keeps of a file beside its data.

use proto::{Device, Metadata};

use crate::acl;
use crate::block_pointer::BIRTH;
use crate::bytes::{put_u16, put_u32, put_words};
use crate::dnode::{BONUS_BESIDE_SPILL, LARGEST_BONUS};

const MAGIC: u32 = 0x2F_505A;

// Numbers of the layouts in `LAYOUTS`.
const LAYOUT_COMMON: u16 = 2;
const LAYOUT_SPILLED_SYMLINK: u16 = 3;
const LAYOUT_SYMLINK: u16 = 4;
const LAYOUT_DEVICE: u16 = 5;

/// Bytes of the common attributes before the access control list.
const COMMON_SIZE: usize = 136;

/// Every attribute: name, length (0: stored with each use) and how its bytes swap. The place is
/// the number.
const REGISTRY: [(&str, u64, u64); 22] = [
    ("ZPL_ATIME", 16, 0),
    ("ZPL_MTIME", 16, 0),
    ("ZPL_CTIME", 16, 0),
    ("ZPL_CRTIME", 16, 0),
    ("ZPL_GEN", 8, 0),
    ("ZPL_MODE", 8, 0),
    ("ZPL_SIZE", 8, 0),
    ("ZPL_PARENT", 8, 0),
    ("ZPL_LINKS", 8, 0),
    ("ZPL_XATTR", 8, 0),
    ("ZPL_RDEV", 8, 0),
    ("ZPL_FLAGS", 8, 0),
    ("ZPL_UID", 8, 0),
    ("ZPL_GID", 8, 0),
    ("ZPL_PAD", 32, 0),
    ("ZPL_ZNODE_ACL", 88, 3),
    ("ZPL_DACL_COUNT", 8, 0),
    ("ZPL_SYMLINK", 0, 3),
    ("ZPL_SCANSTAMP", 32, 3),
    ("ZPL_DACL_ACES", 0, 4),
    ("ZPL_DXATTR", 0, 3),
    ("ZPL_PROJID", 8, 0),
];

/// The layouts in use: the attributes of each in their order. Boot readers know the places of
/// size, parent and symlink text in this order by heart.
pub(crate) const LAYOUTS: [(u16, &[u16]); 4] = [
    (LAYOUT_COMMON, &[5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19]),
    (LAYOUT_SPILLED_SYMLINK, &[17]),
    (LAYOUT_SYMLINK, &[5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19, 17]),
    (LAYOUT_DEVICE, &[5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 10, 16, 19]),
];

// Flags of a file.
const MODIFIED: u64 = 0x400_0000_0000;
const ARCHIVE: u64 = 0x8_0000_0000;
const TRIVIAL_ACL: u64 = 0x4;
const NO_EXECS_DENIED: u64 = 0x100;
const INHERITS: u64 = 0x40;

/// The attributes of one file.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    /// Mode bits, owner, group and time.
    pub(crate) metadata: Metadata,
    /// The type, as the top four bits of the mode.
    pub(crate) file_type: FileType,
    /// Bytes, or what the type counts instead.
    pub(crate) size: u64,
    /// The object of the containing directory.
    pub(crate) parent: u64,
    /// Names of a file; for a directory also the `..` of each subdirectory.
    pub(crate) links: u64,
    /// Of a device.
    pub(crate) device: Option<Device>,
    /// Text of a symbolic link.
    pub(crate) symlink: Option<&'a [u8]>,
}

/// The type of a file, as modes and directory entries number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileType {
    Fifo = 1,
    CharacterDevice = 2,
    Directory = 4,
    BlockDevice = 6,
    Regular = 8,
    Symlink = 10,
    Socket = 12,
}

/// Attributes as they are stored: in the dnode, and what does not fit there.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bonus: Vec<u8>,
    pub(crate) spill: Option<Vec<u8>>,
}

/// The registry's names and values.
pub(crate) fn registry() -> impl Iterator<Item = (&'static str, u64)> {
    REGISTRY
        .iter()
        .zip(0u64..)
        .map(|((name, length, swap), number)| (*name, length << 24 | swap << 16 | number))
}

impl Attributes<'_> {
    /// The stored form.
    pub(crate) fn store(&self) -> Stored {
        let is_directory = self.file_type == FileType::Directory;
        let permissions = match self.file_type {
            FileType::Symlink => 0o777,
            _ => self.metadata.mode & 0o7777,
        };
        let mut flags = MODIFIED | ARCHIVE | TRIVIAL_ACL;
        if permissions & 0o111 == 0o111 {
            flags |= NO_EXECS_DENIED;
        }
        if is_directory {
            flags |= INHERITS;
        }
        let time = [self.metadata.mtime.seconds as u64, self.metadata.mtime.nanoseconds.into()];
        let mut words = vec![
            (self.file_type as u64) << 12 | u64::from(permissions),
            self.size,
            BIRTH,
            self.metadata.uid.into(),
            self.metadata.gid.into(),
            self.parent,
            flags,
        ];
        words.extend(time.repeat(4));
        words.push(self.links);
        if let Some(device) = self.device {
            words.push(u64::from(device.major) << 32 | u64::from(device.minor));
        }
        let list = acl::trivial(permissions, is_directory);
        words.push((list.len() / acl::ENTRY_SIZE) as u64);
        let mut attributes = vec![0; 8 * words.len()];
        put_words(&mut attributes, 0, &words);
        attributes.extend_from_slice(&list);

        let lengths = [list.len() as u16];
        match self.symlink {
            Some(text) if 16 + COMMON_SIZE + list.len() + text.len() <= LARGEST_BONUS => {
                attributes.extend_from_slice(text);
                let lengths = [lengths[0], text.len() as u16];
                Stored { bonus: with_header(LAYOUT_SYMLINK, &lengths, &attributes), spill: None }
            }
            Some(text) => {
                let mut bonus = with_header(LAYOUT_COMMON, &lengths, &attributes);
                bonus.resize(BONUS_BESIDE_SPILL, 0);
                let mut spill = with_header(LAYOUT_SPILLED_SYMLINK, &[text.len() as u16], text);
                spill.resize(spill.len().next_multiple_of(512), 0);
                Stored { bonus, spill: Some(spill) }
            }
            None => {
                let layout = if self.device.is_some() { LAYOUT_DEVICE } else { LAYOUT_COMMON };
                Stored { bonus: with_header(layout, &lengths, &attributes), spill: None }
            }
        }
    }
}

/// The attributes behind the header that says their layout and the lengths that vary.
fn with_header(layout: u16, lengths: &[u16], attributes: &[u8]) -> Vec<u8> {
    let size = (6 + 2 * lengths.len()).next_multiple_of(8);
    let mut out = vec![0; size];
    put_u32(&mut out, 0, MAGIC);
    put_u16(&mut out, 4, (size as u16 / 8) << 10 | layout);
    for (index, length) in lengths.iter().enumerate() {
        put_u16(&mut out, 6 + 2 * index, *length);
    }
    out.extend_from_slice(attributes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symlink(text: &[u8]) -> Stored {
        Attributes {
            metadata: Metadata::root(0o777),
            file_type: FileType::Symlink,
            size: text.len() as u64,
            parent: 6,
            links: 1,
            device: None,
            symlink: Some(text),
        }
        .store()
    }

    #[test]
    fn registry_values_are_those_of_a_kernel() {
        let all: Vec<_> = registry().collect();
        assert_eq!(all[0], ("ZPL_ATIME", 0x1000_0000));
        assert_eq!(all[15], ("ZPL_ZNODE_ACL", 0x5803_000f));
        assert_eq!(all[19], ("ZPL_DACL_ACES", 0x40013));
    }

    #[test]
    fn symlinks_spill_beyond_144_bytes() {
        assert_eq!(symlink(b"short").bonus.len(), 181);
        let longest = symlink(&[b'x'; 144]);
        assert_eq!((longest.bonus.len(), longest.spill), (320, None));
        let spilled = symlink(&[b'x'; 145]);
        assert_eq!(spilled.bonus.len(), 192);
        assert_eq!(spilled.spill.map(|s| s.len()), Some(512));
    }
}
