//! What the caller may choose about a pool.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Compression, Effort, Error, Feature};

/// Largest record without a feature.
pub(crate) const LARGEST_PLAIN_RECORD: u32 = 128 << 10;
/// Largest record with the feature `large_blocks`.
const LARGEST_RECORD: u32 = 1 << 20;

/// The pool to write. [`PoolOptions::ramdisk`] is the pool of a ramdisk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// The pool's name.
    pub name: String,
    /// The version of the pool.
    pub version: Version,
    /// The enabled features, with all that they depend on; none for version 28.
    pub features: BTreeSet<Feature>,
    /// The size of the image.
    pub size: Size,
    /// Binary logarithm of the device's sector in bytes, 9 to 13.
    pub ashift: u32,
    /// Compression of the root dataset, which the others inherit.
    pub compression: Compression,
    /// How much time compression may take, where the stored form leaves that open.
    pub effort: Effort,
    /// Bytes in a record of the root dataset, a power of two from 512 to 128 KiB, or to 1 MiB with
    /// the feature `large_blocks`; inherited.
    pub record_size: u32,
    /// What the system does when the device fails.
    pub failmode: Failmode,
    /// Whether the pool grows when its device does.
    pub autoexpand: bool,
    /// The datasets below the root dataset, parents before children.
    pub datasets: Vec<Dataset>,
    /// The dataset that gets the proto, by its name below the pool, e.g. `ROOT/ramdisk`.
    pub tree: String,
    /// The dataset the pool property `bootfs` names, by its name below the pool.
    pub bootfs: Option<String>,
    /// When everything was created, in seconds since the epoch.
    pub timestamp: u64,
    /// The identifier of the pool, from which all others follow. Without one, all follow from the
    /// contents.
    pub guid: Option<u64>,
    /// Mixed into all identifiers: images of the same contents with different salts are different
    /// pools. Empty for the identifiers that follow from the contents alone.
    pub salt: String,
}

/// The version of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// Version 28, the last one without features: for systems before 2012.
    V28,
    /// Version 5000, which every present system reads and can upgrade feature by feature.
    #[default]
    V5000,
}

/// The size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As large as the contents need, with room for a running system to write this many bytes
    /// beyond what ZFS itself keeps free.
    Auto {
        /// Bytes that can be written after import.
        headroom: u64,
    },
    /// Exactly this many bytes; too few are an error.
    Bytes(u64),
}

/// The pool property `failmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Failmode {
    /// Wait until the device answers again.
    #[default]
    Wait,
    /// Fail new writes.
    Continue,
    /// Panic.
    Panic,
}

/// A dataset of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The name below the pool, e.g. `ROOT/ramdisk`.
    pub name: String,
    /// Its own compression; otherwise inherited.
    pub compression: Option<Compression>,
    /// Its own record size in bytes; otherwise inherited.
    pub record_size: Option<u32>,
    /// A snapshot of it, taken when everything is written.
    pub snapshot: Option<String>,
    /// Further properties set on it, by name.
    pub properties: Vec<(String, Property)>,
}

/// The value of a dataset property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// A number, or the index of a choice.
    Number(u64),
    /// Text; all user properties (with a `:` in their names) are text.
    Text(String),
    /// A UUID as text that follows from the contents of the pool.
    Uuid,
}

/// The property `canmount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanMount {
    /// The dataset cannot be mounted.
    Off = 0,
    /// It is mounted when the pool is imported.
    On = 1,
    /// It is mounted only when asked for.
    NoAuto = 2,
}

impl Dataset {
    /// A dataset that inherits everything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            compression: None,
            record_size: None,
            snapshot: None,
            properties: Vec::new(),
        }
    }

    /// Takes a snapshot of it.
    pub fn snapshot(self, name: impl Into<String>) -> Self {
        Self { snapshot: Some(name.into()), ..self }
    }

    /// Sets `canmount`.
    pub fn can_mount(self, value: CanMount) -> Self {
        self.property("canmount", Property::Number(value as u64))
    }

    /// Sets `mountpoint`: a path, `legacy` or `none`.
    pub fn mountpoint(self, value: &str) -> Self {
        self.property("mountpoint", Property::Text(value.to_owned()))
    }

    /// Sets a property.
    pub fn property(mut self, name: &str, value: Property) -> Self {
        self.properties.push((name.to_owned(), value));
        self
    }
}

impl Version {
    /// The number that pools keep.
    pub fn number(self) -> u64 {
        match self {
            Self::V28 => 28,
            Self::V5000 => 5000,
        }
    }
}

impl PoolOptions {
    /// The pool of a ramdisk image: `rpool/ROOT/ramdisk`, a boot environment with a legacy mount
    /// point, not compressed, with some room to write.
    pub fn ramdisk() -> Self {
        let tree = "ROOT/ramdisk".to_owned();
        Self {
            name: "rpool".to_owned(),
            version: Version::default(),
            features: BTreeSet::new(),
            size: Size::Auto { headroom: 32 << 20 },
            ashift: 9,
            compression: Compression::Off,
            effort: Effort::default(),
            record_size: LARGEST_PLAIN_RECORD,
            failmode: Failmode::Panic,
            autoexpand: true,
            datasets: vec![
                Dataset::new("ROOT").can_mount(CanMount::Off).mountpoint("legacy"),
                Dataset::new(tree.clone())
                    .can_mount(CanMount::NoAuto)
                    .mountpoint("legacy")
                    .property("org.opensolaris.libbe:uuid", Property::Uuid)
                    .property("org.opensolaris.libbe:policy", Property::Text("static".to_owned())),
            ],
            bootfs: Some(tree.clone()),
            tree,
            timestamp: 0,
            guid: None,
            salt: String::new(),
        }
    }

    /// Refuses what no pool can have; `path` is the image, for messages.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Error> {
        let refuse =
            |option, problem: String| Err(Error::Option { path: path.to_owned(), option, problem });
        if !is_name(&self.name) || !self.name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name = &self.name;
            return refuse(
                "name",
                format!("`{name}` is no pool name: a letter, then letters, digits and `-_.: `"),
            );
        }
        if !(9..=13).contains(&self.ashift) {
            return refuse("ashift", format!("{} is not from 9 to 13", self.ashift));
        }
        if self.guid == Some(0) {
            return refuse("guid", "0 is no identifier".to_owned());
        }
        self.check_features().or_else(|problem| refuse("features", problem))?;
        let compressions =
            self.datasets.iter().filter_map(|d| d.compression).chain([self.compression]);
        for compression in compressions {
            match compression {
                Compression::Gzip(level) if !(1..=9).contains(&level) => {
                    let problem = format!("gzip-{level} is not from gzip-1 to gzip-9");
                    return refuse("compression", problem);
                }
                Compression::Lz4 if !self.has(Feature::Lz4Compress) => {
                    let problem = "lz4 needs the feature `lz4_compress`".to_owned();
                    return refuse("compression", problem);
                }
                _ => {}
            }
        }
        let largest = match self.has(Feature::LargeBlocks) {
            true => LARGEST_RECORD,
            false => LARGEST_PLAIN_RECORD,
        };
        let sizes = self.datasets.iter().filter_map(|d| d.record_size).chain([self.record_size]);
        for size in sizes {
            if !size.is_power_of_two() || !(512..=largest).contains(&size) {
                let mut problem = format!("{size} is not a power of two from 512 to {largest}");
                if size.is_power_of_two() && (largest..=LARGEST_RECORD).contains(&size) {
                    problem += "; the feature `large_blocks` allows 1048576";
                }
                return refuse("record_size", problem);
            }
        }
        for (index, dataset) in self.datasets.iter().enumerate() {
            let name = &dataset.name;
            if !name.split('/').all(is_name) {
                return refuse("datasets", format!("`{name}` is no dataset name"));
            }
            if let Some(snapshot) = &dataset.snapshot
                && !is_name(snapshot)
            {
                return refuse("datasets", format!("`{name}@{snapshot}` is no snapshot name"));
            }
            let before = &self.datasets[..index];
            if before.iter().any(|other| other.name == *name) {
                return refuse("datasets", format!("`{name}` is there twice"));
            }
            if let Some((parent, _)) = name.rsplit_once('/')
                && !before.iter().any(|other| other.name == parent)
            {
                let problem = format!("the parent `{parent}` must be listed before `{name}`");
                return refuse("datasets", problem);
            }
            for (index, (property, _)) in dataset.properties.iter().enumerate() {
                if property.is_empty() || property.contains('\0') {
                    let problem = format!("`{name}` has a property without a proper name");
                    return refuse("datasets", problem);
                }
                if dataset.properties[..index].iter().any(|(other, _)| other == property) {
                    let problem = format!("`{name}` sets `{property}` twice");
                    return refuse("datasets", problem);
                }
            }
        }
        for (option, name) in [("tree", Some(&self.tree)), ("bootfs", self.bootfs.as_ref())] {
            if let Some(name) = name
                && self.dataset_index(name).is_none()
            {
                return refuse(option, format!("there is no dataset `{name}`"));
            }
        }
        Ok(())
    }

    fn check_features(&self) -> Result<(), String> {
        if let (Version::V28, Some(feature)) = (self.version, self.features.first()) {
            return Err(format!("a pool of version 28 cannot have `{feature}`"));
        }
        for feature in &self.features {
            if let Some(missing) = feature.depends().iter().find(|d| !self.features.contains(d)) {
                return Err(format!("`{feature}` needs `{missing}`, too"));
            }
        }
        Ok(())
    }

    /// Whether a feature is enabled.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Enables a feature and everything it depends on.
    pub fn enable(&mut self, feature: Feature) {
        if self.features.insert(feature) {
            feature.depends().iter().for_each(|other| self.enable(*other));
        }
    }

    /// The place of a dataset in the list.
    pub(crate) fn dataset_index(&self, name: &str) -> Option<usize> {
        self.datasets.iter().position(|dataset| dataset.name == name)
    }

    /// A value that a dataset has or inherits.
    pub(crate) fn inherited<T>(
        &self,
        dataset: &Dataset,
        own: impl Fn(&Dataset) -> Option<T>,
        root: T,
    ) -> T {
        let mut name = dataset.name.as_str();
        loop {
            let here = self.dataset_index(name).map(|index| &self.datasets[index]);
            if let Some(value) = here.and_then(&own) {
                return value;
            }
            match name.rsplit_once('/') {
                Some((parent, _)) => name = parent,
                None => return root,
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 200
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.: ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_are_named() {
        let problem = |change: fn(&mut PoolOptions)| {
            let mut options = PoolOptions::ramdisk();
            change(&mut options);
            options.check(Path::new("pool.img")).unwrap_err().to_string()
        };
        assert!(PoolOptions::ramdisk().check(Path::new("pool.img")).is_ok());
        assert!(problem(|o| o.ashift = 8).contains("`ashift`: 8 is not"));
        assert!(problem(|o| o.name = "9p".to_owned()).contains("`9p` is no pool name"));
        assert!(problem(|o| o.record_size = 1000).contains("`record_size`: 1000"));
        assert!(problem(|o| o.compression = Compression::Gzip(0)).contains("gzip-0"));
        assert!(problem(|o| o.datasets[1].name = "a/b".to_owned()).contains("the parent `a`"));
        assert!(problem(|o| o.datasets[1].name = "ROOT".to_owned()).contains("there twice"));
        assert!(problem(|o| o.record_size = 1 << 20).contains("`large_blocks` allows 1048576"));
        assert!(problem(|o| o.compression = Compression::Lz4).contains("`lz4_compress`"));
        assert!(
            problem(|o| {
                o.version = Version::V28;
                o.enable(Feature::AsyncDestroy);
            })
            .contains("version 28 cannot have `async_destroy`")
        );
        assert!(
            problem(|o| {
                o.features.insert(Feature::LargeBlocks);
            })
            .contains("`large_blocks` needs `extensible_dataset`")
        );
        assert!(problem(|o| o.datasets[1].snapshot = Some("a@b".to_owned())).contains("@a@b`"));
        assert!(problem(|o| o.bootfs = Some("x".to_owned())).contains("no dataset `x`"));
    }

    #[test]
    fn values_are_inherited_from_the_nearest_ancestor() {
        let mut options = PoolOptions::ramdisk();
        options.compression = Compression::Gzip(1);
        let effective =
            |o: &PoolOptions| o.inherited(&o.datasets[1], |d| d.compression, o.compression);
        assert_eq!(effective(&options), Compression::Gzip(1));
        options.datasets[0].compression = Some(Compression::Gzip(9));
        assert_eq!(effective(&options), Compression::Gzip(9));
        options.datasets[1].compression = Some(Compression::Off);
        assert_eq!(effective(&options), Compression::Off);
    }
}
