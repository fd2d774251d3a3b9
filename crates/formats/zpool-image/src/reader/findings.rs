//! What verification finds.

use std::fmt;

use proto::ProtoPath;

/// What [`Image::verify`](super::Image::verify) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Counts for the pool's own objects and then for every dataset and snapshot, by name.
    pub counts: Vec<Counts>,
    /// The space of the pool, as its space maps have it.
    pub space: Space,
    /// What is wrong. Empty when the image is sound.
    pub findings: Vec<Finding>,
}

/// The space maps of a pool, which say what is allocated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// Why the maps were not compared with the blocks that the pool leads to; `None` when they
    /// were.
    pub not_compared: Option<String>,
    /// Number of metaslabs, each with a map.
    pub metaslabs: u64,
    /// Bytes that the maps say are allocated.
    pub allocated: u64,
}

/// What one object set contains. Copies of a block count as one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// The dataset or snapshot; `None` for the pool's own objects.
    pub dataset: Option<String>,
    /// Objects.
    pub objects: u64,
    /// Blocks, those of metadata included.
    pub blocks: u64,
    /// Bytes read, all copies included.
    pub stored: u64,
    /// Bytes of the blocks after decompression.
    pub logical: u64,
    /// Names of regular files.
    pub files: u64,
    /// Directories, the root included.
    pub directories: u64,
    /// Names of anything else.
    pub others: u64,
    /// Bytes in regular files; a file with several names counts once.
    pub content: u64,
}

/// Something wrong in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The dataset or snapshot; `None` for the pool's own objects.
    pub dataset: Option<String>,
    /// The object, when it is known.
    pub object: Option<u64>,
    /// The path of the object, when it has one that can still be found.
    pub path: Option<ProtoPath>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dataset {
            Some(name) => write!(f, "dataset {name}")?,
            None => f.write_str("the pool's own objects")?,
        }
        if let Some(object) = self.object {
            write!(f, ", object {object}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", path {path}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
