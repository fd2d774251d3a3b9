//! One member of a tar.

use proto::Device;

/// A member: everything about it but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name as it stands in the archive. A directory's ends with `/`.
    pub name: Vec<u8>,
    /// The type, with what only that type has.
    pub kind: MemberKind,
    /// Length of the data in bytes; 0 unless it is a file.
    pub size: u64,
    /// Mode (low twelve bits), owner, group and time.
    pub metadata: proto::Metadata,
    /// The names of extended attributes in its headers; `ACL` stands for an access control list.
    pub extended_attributes: Vec<String>,
    /// Whether it is stored without its runs of zeros. Its size and data are those of the file.
    pub sparse: bool,
    /// Where its header begins in the tar, extension headers included.
    pub offset: u64,
}

/// The type of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The text of the link.
        target: Vec<u8>,
    },
    /// A further name of a file of the same archive.
    Hardlink {
        /// The name of that member.
        target: Vec<u8>,
    },
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
}

impl Member {
    /// The name made printable.
    pub fn display_name(&self) -> String {
        printable(&self.name)
    }
}

impl MemberKind {
    /// The word for this type in messages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink { .. } => "symlink",
            Self::Hardlink { .. } => "hard link",
            Self::CharacterDevice(_) => "character device",
            Self::BlockDevice(_) => "block device",
            Self::Fifo => "fifo",
        }
    }
}

/// A name from an archive as text for a terminal: no control characters, not endless.
pub(crate) fn printable(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
