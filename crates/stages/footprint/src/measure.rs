//! Adds up what the paths of an image take.

use std::collections::BTreeMap;

use proto::{Entry, Manifest, Proto, ProtoPath};
use serde::{Deserialize, Serialize};
use zpool_image::Outcome;

use crate::Zones;

/// Where the bytes of a pool image go. All numbers are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// The version of the written form.
    pub v: u32,
    /// The image as a whole.
    pub pool: Pool,
    /// What belongs to no path: dnodes, space maps, the pool's own objects.
    pub metadata: u64,
    /// What the paths that packages deliver take, by the stem of the package.
    pub packages: BTreeMap<String, u64>,
    /// What everything takes by directory, two levels deep (three below `opt`). In an image with
    /// several trees the dataset stands before the directory.
    pub directories: BTreeMap<String, u64>,
    /// What zone images take, by zone.
    pub zones: BTreeMap<String, u64>,
    /// Every path once: by its zone, else its package, else its directory.
    pub parts: BTreeMap<String, u64>,
}

/// The size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The image, and with it the memory of a ramdisk.
    pub size: u64,
    /// The smallest image that would hold the same.
    pub smallest: u64,
    /// Allocated in the pool.
    pub allocated: u64,
    /// What can be written after import.
    pub available: u64,
}

/// The paths of one dataset.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    /// The dataset's name below the pool.
    pub dataset: &'a str,
    /// The paths.
    pub manifest: &'a Manifest,
    /// What each takes, in the manifest's order.
    pub allocated: &'a [u64],
}

/// The version of the written form.
pub(crate) const VERSION: u32 = 1;

impl Footprint {
    /// The footprint of an image that was written or planned from these trees.
    pub fn of(outcome: &Outcome, trees: &[(&str, &Proto)], zones: &Zones) -> Self {
        let report = &outcome.report;
        let pool = Pool {
            size: report.size,
            smallest: report.smallest,
            allocated: report.allocated,
            available: report.available,
        };
        let trees: Vec<Tree<'_>> = trees
            .iter()
            .filter_map(|&(dataset, proto)| {
                let usage = outcome.usage.iter().find(|usage| usage.dataset == dataset)?;
                Some(Tree { dataset, manifest: &proto.manifest, allocated: &usage.allocated })
            })
            .collect();
        Self::measure(pool, &trees, zones)
    }

    /// Adds up the paths of trees.
    pub fn measure(pool: Pool, trees: &[Tree<'_>], zones: &Zones) -> Self {
        let mut footprint = Self {
            v: VERSION,
            pool,
            metadata: pool.allocated,
            packages: BTreeMap::new(),
            directories: BTreeMap::new(),
            zones: BTreeMap::new(),
            parts: BTreeMap::new(),
        };
        for tree in trees {
            let label = (trees.len() > 1).then_some(tree.dataset);
            for ((path, entry), &bytes) in tree.manifest.iter().zip(tree.allocated) {
                footprint.add(path, entry, bytes, label, zones);
            }
        }
        footprint
    }

    fn add(
        &mut self,
        path: &ProtoPath,
        entry: &Entry,
        bytes: u64,
        dataset: Option<&str>,
        zones: &Zones,
    ) {
        if bytes == 0 {
            return;
        }
        self.metadata = self.metadata.saturating_sub(bytes);
        let directory = directory(path, entry, dataset);
        let zone = zones.zone_of(path);
        let part = match (zone, &entry.package) {
            (Some(zone), _) => format!("zone {zone}"),
            (None, Some(package)) => format!("package {package}"),
            (None, None) => format!("directory {directory}"),
        };
        *self.parts.entry(part).or_default() += bytes;
        *self.directories.entry(directory).or_default() += bytes;
        if let Some(package) = &entry.package {
            *self.packages.entry(package.to_string()).or_default() += bytes;
        }
        if let Some(zone) = zone {
            *self.zones.entry(zone.to_owned()).or_default() += bytes;
        }
    }

    /// What all paths together take.
    pub fn contents(&self) -> u64 {
        self.pool.allocated - self.metadata
    }
}

/// The directory that a path counts for.
fn directory(path: &ProtoPath, entry: &Entry, dataset: Option<&str>) -> String {
    let mut components: Vec<&[u8]> = path.components().collect();
    if !entry.is_directory() {
        components.pop();
    }
    components.truncate(if components.first() == Some(&&b"opt"[..]) { 3 } else { 2 });
    let name = String::from_utf8_lossy(&components.join(&b'/')).into_owned();
    let name = if name.is_empty() { "/".to_owned() } else { name };
    match dataset {
        Some(dataset) => format!("{dataset}:{name}"),
        None => name,
    }
}
