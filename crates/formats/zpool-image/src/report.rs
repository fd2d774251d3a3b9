//! What was written.

/// An image and where its bytes went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The image.
    pub report: Report,
    /// Every dataset below the root dataset, in the order of the options.
    pub usage: Vec<TreeUsage>,
}

/// What the paths of one dataset take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeUsage {
    /// The name below the pool, e.g. `ROOT/ramdisk`.
    pub dataset: String,
    /// Bytes allocated for the blocks of each path, in the order of the tree's manifest: records
    /// and indirect blocks of a file, the table of a directory. Further names of a file take
    /// none; what all paths share (dnodes, space maps, the pool's own objects) is not in here.
    pub allocated: Vec<u64>,
}

/// Numbers about a written image, for summaries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bytes of the image.
    pub size: u64,
    /// Bytes of the smallest image that holds these contents, without any room to write.
    pub smallest: u64,
    /// Bytes allocated in the pool.
    pub allocated: u64,
    /// Bytes that can be written after import, beyond what ZFS keeps free for itself.
    pub available: u64,
    /// The pool's identifier.
    pub guid: u64,
    /// Regular files; further names are not counted.
    pub files: u64,
    /// Directories, with the root of every dataset.
    pub directories: u64,
    /// Objects of all datasets.
    pub objects: u64,
    /// Blocks, those of metadata included.
    pub blocks: u64,
    /// Bytes in regular files.
    pub content: u64,
}
