//! The top-level section of a main template: what the steps make.

/// What a template makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Section {
    /// A state of a work dataset, handed on by snapshots.
    Dataset(Dataset),
    /// A ZFS pool.
    Pool(PoolDescription),
    /// A UFS file system. Read and checked; nothing here writes one.
    Ufs {
        /// MiB.
        size: u64,
        /// Bytes per inode.
        inode_density: u64,
    },
    /// A FAT file system. Read and checked; nothing here writes one.
    Pcfs {
        /// The volume's label.
        label: String,
        /// MiB.
        size: u64,
    },
    /// An ISO 9660 file system. Read and checked; nothing here writes one.
    Iso {
        /// The boot image for BIOS machines.
        boot_bios: Option<String>,
        /// The boot image for UEFI machines.
        boot_uefi: Option<String>,
        /// The volume's name.
        volume_id: Option<String>,
        /// Both boot stages of a hybrid image.
        hybrid: Option<(String, String)>,
    },
}

/// A state of a work dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The dataset's name.
    pub name: String,
    /// The state to begin with.
    pub input_snapshot: Option<String>,
    /// The state to leave.
    pub output_snapshot: Option<String>,
}

/// A ZFS pool as its template describes it; the pool's writer takes it from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolDescription {
    /// The pool's name.
    pub name: String,
    /// The boot environment's name, below `POOL/ROOT`.
    pub bename: Option<String>,
    /// The sector size as a power of two.
    pub ashift: u32,
    /// Whether there is an EFI system partition.
    pub uefi: bool,
    /// MiB.
    pub size: u64,
    /// Whether only the partition's contents are wanted.
    pub partition_only: bool,
    /// Whether no feature is enabled.
    pub no_features: bool,
    /// The `compression` property of the root dataset.
    pub compression: String,
    /// Whether the disk has a label.
    pub label: bool,
    /// Whether the pool grows with its disk.
    pub autoexpand: bool,
    /// Whether freed space is trimmed at the end.
    pub trim: bool,
    /// Pool properties, `NAME=VALUE`.
    pub options: Vec<String>,
    /// Root dataset properties, `NAME=VALUE`.
    pub fsoptions: Vec<String>,
    /// Whether a `create_be` step ran.
    pub boot_environment: bool,
    /// Whether a `make_bootable` step ran.
    pub bootable: bool,
    /// What `create_dataset` steps made, in order: name and mountpoint.
    pub datasets: Vec<(String, Option<String>)>,
}
