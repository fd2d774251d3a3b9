//! Pool features: what a pool of version 5000 may use beyond version 28, each by name.

use std::fmt;
use std::str::FromStr;

/// A feature that can be enabled when a pool is written.
///
/// An enabled feature may be used by the system that imports the pool. The writer itself uses
/// [`Lz4Compress`](Self::Lz4Compress), [`EmbeddedData`](Self::EmbeddedData),
/// [`LargeBlocks`](Self::LargeBlocks) and what they stand on. Source: `zpool-features(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of zpool-features(7)")]
pub enum Feature {
    AsyncDestroy,
    EmptyBpobj,
    Lz4Compress,
    MultiVdevCrashDump,
    SpacemapHistogram,
    EnabledTxg,
    HoleBirth,
    ExtensibleDataset,
    EmbeddedData,
    Bookmarks,
    FilesystemLimits,
    LargeBlocks,
    LargeDnode,
    Sha512,
    Skein,
    DeviceRemoval,
    ObsoleteCounts,
    ZpoolCheckpoint,
    SpacemapV2,
    AllocationClasses,
    ResilverDefer,
    BookmarkV2,
    UserobjAccounting,
    ProjectQuota,
    Livelist,
    BookmarkWritten,
}

/// What is known about a feature.
struct Known {
    feature: Feature,
    name: &'static str,
    organization: &'static str,
    /// What a system says of a feature that it does not know.
    description: &'static str,
    /// A system without the feature may still read the pool.
    read_only_compatible: bool,
    /// The pool's own objects cannot be read without it: labels name it.
    in_label: bool,
    /// In use from the moment it is enabled.
    at_once: bool,
    depends: &'static [Feature],
}

/// Shorthand for the table below.
const fn known(
    feature: Feature,
    name: &'static str,
    organization: &'static str,
    description: &'static str,
    depends: &'static [Feature],
) -> Known {
    let (read_only_compatible, in_label, at_once) = (false, false, false);
    Known {
        feature,
        name,
        organization,
        description,
        read_only_compatible,
        in_label,
        at_once,
        depends,
    }
}

impl Known {
    const fn read_only_compatible(self) -> Self {
        Self { read_only_compatible: true, ..self }
    }

    const fn in_label(self) -> Self {
        Self { in_label: true, ..self }
    }

    const fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }
}

use Feature::{
    AllocationClasses, AsyncDestroy, BookmarkV2, BookmarkWritten, Bookmarks, DeviceRemoval,
    EmbeddedData, EmptyBpobj, EnabledTxg, ExtensibleDataset, FilesystemLimits, HoleBirth,
    LargeBlocks, LargeDnode, Livelist, Lz4Compress, MultiVdevCrashDump, ObsoleteCounts,
    ProjectQuota, ResilverDefer, Sha512, Skein, SpacemapHistogram, SpacemapV2, UserobjAccounting,
    ZpoolCheckpoint,
};

/// In the order of their declaration, which is that of their history.
static FEATURES: [Known; 26] = [
    known(AsyncDestroy, "async_destroy", "com.delphix", "Datasets are destroyed later.", &[])
        .read_only_compatible(),
    known(EmptyBpobj, "empty_bpobj", "com.delphix", "Empty block lists take no space.", &[])
        .read_only_compatible(),
    known(Lz4Compress, "lz4_compress", "org.illumos", "Compression with LZ4.", &[]).at_once(),
    known(
        MultiVdevCrashDump,
        "multi_vdev_crash_dump",
        "com.joyent",
        "Crash dumps to several devices.",
        &[],
    ),
    known(
        SpacemapHistogram,
        "spacemap_histogram",
        "com.delphix",
        "Space maps with a histogram.",
        &[],
    )
    .read_only_compatible(),
    known(EnabledTxg, "enabled_txg", "com.delphix", "When features were enabled.", &[])
        .read_only_compatible(),
    known(HoleBirth, "hole_birth", "com.delphix", "Holes know their birth.", &[EnabledTxg])
        .in_label()
        .at_once(),
    known(ExtensibleDataset, "extensible_dataset", "com.delphix", "Datasets with fields.", &[]),
    known(EmbeddedData, "embedded_data", "com.delphix", "Small blocks in pointers.", &[])
        .in_label()
        .at_once(),
    known(Bookmarks, "bookmarks", "com.delphix", "Bookmarks for zfs send.", &[ExtensibleDataset])
        .read_only_compatible(),
    known(
        FilesystemLimits,
        "filesystem_limits",
        "com.joyent",
        "Limits on file systems and snapshots.",
        &[ExtensibleDataset],
    )
    .read_only_compatible(),
    known(
        LargeBlocks,
        "large_blocks",
        "org.open-zfs",
        "Blocks larger than 128 KiB.",
        &[ExtensibleDataset],
    ),
    known(
        LargeDnode,
        "large_dnode",
        "org.zfsonlinux",
        "Dnodes of variable size.",
        &[ExtensibleDataset],
    ),
    known(Sha512, "sha512", "org.illumos", "Checksum SHA-512/256.", &[ExtensibleDataset]),
    known(Skein, "skein", "org.illumos", "Checksum Skein.", &[ExtensibleDataset]),
    known(DeviceRemoval, "device_removal", "com.delphix", "Devices can be removed.", &[])
        .in_label(),
    known(
        ObsoleteCounts,
        "obsolete_counts",
        "com.delphix",
        "Less memory for removed devices.",
        &[ExtensibleDataset, DeviceRemoval],
    )
    .read_only_compatible(),
    known(ZpoolCheckpoint, "zpool_checkpoint", "com.delphix", "Checkpoints of the pool.", &[])
        .read_only_compatible(),
    known(SpacemapV2, "spacemap_v2", "com.delphix", "Space maps for large segments.", &[])
        .read_only_compatible()
        .at_once(),
    known(AllocationClasses, "allocation_classes", "org.zfsonlinux", "Allocation classes.", &[])
        .read_only_compatible(),
    known(ResilverDefer, "resilver_defer", "com.datto", "Deferred resilvers.", &[])
        .read_only_compatible(),
    known(
        BookmarkV2,
        "bookmark_v2",
        "com.datto",
        "Larger bookmarks.",
        &[ExtensibleDataset, Bookmarks],
    ),
    known(
        UserobjAccounting,
        "userobj_accounting",
        "org.zfsonlinux",
        "Objects are counted by user and group.",
        &[ExtensibleDataset],
    )
    .read_only_compatible(),
    known(
        ProjectQuota,
        "project_quota",
        "org.zfsonlinux",
        "Space and objects are counted by project.",
        &[ExtensibleDataset],
    )
    .read_only_compatible(),
    known(Livelist, "livelist", "com.delphix", "Clones are deleted faster.", &[ExtensibleDataset])
        .read_only_compatible(),
    known(
        BookmarkWritten,
        "bookmark_written",
        "com.delphix",
        "Space written since a bookmark.",
        &[ExtensibleDataset, Bookmarks, BookmarkV2],
    ),
];

impl Feature {
    /// Every feature, in the order of their history.
    pub fn all() -> impl Iterator<Item = Self> {
        FEATURES.iter().map(|known| known.feature)
    }

    /// The name, e.g. `lz4_compress`.
    pub fn name(self) -> &'static str {
        self.known().name
    }

    /// The identifier that pools keep, e.g. `org.illumos:lz4_compress`.
    pub fn identifier(self) -> String {
        let known = self.known();
        format!("{}:{}", known.organization, known.name)
    }

    /// The features without which this one cannot be enabled.
    pub fn depends(self) -> &'static [Self] {
        self.known().depends
    }

    pub(crate) fn description(self) -> &'static str {
        self.known().description
    }

    pub(crate) fn is_read_only_compatible(self) -> bool {
        self.known().read_only_compatible
    }

    pub(crate) fn is_in_label(self) -> bool {
        self.known().in_label
    }

    pub(crate) fn is_used_at_once(self) -> bool {
        self.known().at_once
    }

    fn known(self) -> &'static Known {
        &FEATURES[self as usize]
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// There is no feature of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no feature that can be enabled here; there are {}", all_names())]
pub struct UnknownFeature {
    name: String,
}

fn all_names() -> String {
    Feature::all().map(Feature::name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Feature {
    type Err = UnknownFeature;

    /// Takes a name with or without its organization.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|feature| feature.name() == name || feature.identifier() == name)
            .ok_or_else(|| UnknownFeature { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_names() {
        for (index, known) in FEATURES.iter().enumerate() {
            assert_eq!(known.feature as usize, index, "{}", known.name);
            assert!(known.depends.iter().all(|other| (*other as usize) < index), "{}", known.name);
            assert_eq!(known.name.parse(), Ok(known.feature));
            assert_eq!(known.feature.identifier().parse(), Ok(known.feature));
        }
        assert!("zstd_compress".parse::<Feature>().unwrap_err().to_string().contains("sha512"));
    }
}
