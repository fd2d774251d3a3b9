//! The pool of an image: from a template's description to a pool image that fits.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use footprint::{Choice, Footprint, Standing, Wish, Zones};
use image_templates::PoolDescription;
use jobs::JobError;
use proto::Proto;
use serde::{Deserialize, Serialize};
use zpool_image::{CanMount, Compression, Dataset, Effort, Failmode, PoolOptions, Property, Size};

use super::config;
use crate::failure::Failure;

/// Room that a running system gets beyond the contents when the size follows from them.
const HEADROOM: u64 = 64 << 20;

/// What the config says about an image's pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wants {
    pub(crate) size: Option<config::Size>,
    pub(crate) compression: Option<config::Compression>,
    /// Bytes.
    pub(crate) budget: Option<u64>,
    /// What an earlier run recorded.
    pub(crate) earlier: Option<Footprint>,
    pub(crate) salt: Option<String>,
    pub(crate) fast: bool,
}

/// What `summary.json` keeps of a pool image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PoolRecord {
    /// The compression of the pool.
    pub(crate) compression: String,
    /// Why, where that was to be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The largest the image may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget_bytes: Option<u64>,
    /// What is to be said of the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
    /// Where the bytes go.
    pub(crate) footprint: Footprint,
}

impl Wants {
    /// From the config of an image; `name` is what `summary.json` calls it.
    pub(crate) fn read(config: &config::Image, name: &str, fast: bool) -> Result<Self, Failure> {
        let budget = config.budget.map(|mebibytes| mebibytes.get().saturating_mul(1 << 20));
        Ok(Self {
            size: config.size.clone(),
            compression: config.compression,
            budget,
            earlier: config.record.as_deref().map(|path| earlier(path, name)).transpose()?,
            salt: config.salt.clone(),
            fast: fast || config.fast,
        })
    }

    /// Whether the container compresses the image: under the config's compression if the pool does
    /// not, else as the templates mean it.
    pub(crate) fn container(&self, pool: Compression, default: bool) -> bool {
        match self.compression {
            Some(_) => pool == Compression::Off,
            None => default,
        }
    }

    /// Writes the pool of a proto into a file from the byte `start` on; `name` is what the image
    /// is called if it does not fit.
    pub(crate) fn write(
        &self,
        description: &PoolDescription,
        proto: &Proto,
        build_time: i64,
        name: &Path,
        (path, start): (&Path, u64),
    ) -> Result<(Compression, PoolRecord), JobError> {
        let mut options = from_template(description, self.size.as_ref(), build_time)
            .map_err(|failure| failure.error)?;
        let mut wish = Wish {
            budget: self.budget,
            zones: Zones::default(),
            earlier: self.earlier.clone(),
            ..Wish::default()
        };
        match self.compression {
            Some(config::Compression::Auto) => wish.compression = Choice::Smallest,
            Some(config::Compression::Fixed(given)) => options.compression = given,
            None => {}
        }
        if self.fast {
            options.effort = Effort::Fast;
        }
        options.salt = self.salt.clone().unwrap_or_default();
        let trees = [(&*options.tree, proto)];
        let built = footprint::build(&trees, &options, &wish, name, |options| {
            let file = File::create(path).map_err(|source| zpool_image::Error::Io {
                doing: "create",
                path: path.to_owned(),
                source,
            })?;
            zpool_image::write_at(&trees, options, &file, start, path)
        })?;
        let warning = match (built.standing, self.budget) {
            (Some(Standing::Near { percent }), Some(budget)) => {
                Some(format!("{percent} % of the budget of {} MiB are taken", budget >> 20))
            }
            _ => None,
        };
        let record = PoolRecord {
            compression: built.compression.to_string(),
            reason: built.smallest.map(|smallest| smallest.to_string()),
            budget_bytes: self.budget,
            warning,
            footprint: built.footprint,
        };
        Ok((built.compression, record))
    }
}

impl PoolRecord {
    /// Where it is beside the other results of an image, and its tables.
    pub(crate) fn files(set: &Path) -> [PathBuf; 2] {
        ["size.json", "size.txt"].map(|name| set.join(name))
    }

    /// Writes the record and its tables into an image's results.
    pub(crate) fn save(&self, set: &Path, earlier: Option<&Footprint>) -> Result<(), JobError> {
        let [json, text] = Self::files(set);
        fs::write(json, serde_json::to_string_pretty(self)? + "\n")?;
        let mut tables = format!("compression {}\n", self.compression);
        for line in [&self.reason, &self.warning].into_iter().flatten() {
            tables += &format!("{line}\n");
        }
        tables += &format!("\n{}\n{}\n", self.footprint.table(), self.footprint.explain(earlier));
        fs::write(text, tables)?;
        Ok(())
    }

    /// Reads what a job left; nothing if the image was not made in this run.
    pub(crate) fn load(set: &Path) -> Result<Option<Self>, Failure> {
        let [json, _] = Self::files(set);
        if !json.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&json)
            .map_err(|error| format!("cannot read {}: {error}", json.display()))?;
        let record = serde_json::from_str(&text)
            .map_err(|error| format!("{}: is no record: {error}", json.display()))?;
        Ok(Some(record))
    }
}

/// The footprint of an image in an earlier `summary.json`, where it has this name, in a
/// `size.json`, or in a record of `image build`.
pub(crate) fn earlier(path: &Path, name: &str) -> Result<Footprint, Failure> {
    let refuse = |problem: String| {
        Failure::usage(format!("{}: {problem}", path.display())).hint(
            "a record is the summary.json or HOST/size.json of an earlier run, or what \
                   `image build --write-record` wrote",
        )
    };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::missing(format!("cannot read {}: {error}", path.display())))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    let footprint = match value.get("images") {
        Some(images) => images
            .get(name)
            .and_then(|image| image.get("footprint"))
            .ok_or_else(|| refuse(format!("it has no footprint of the {name} image")))?,
        None => value.get("footprint").unwrap_or(&value),
    };
    Footprint::deserialize(footprint)
        .map_err(|error| refuse(format!("it has no footprint that can be read: {error}")))
}

/// Options for the pool that a template describes. `size` is the config's; without one the
/// contents decide, as the template's own size is what somebody once found sufficient.
pub(crate) fn from_template(
    pool: &PoolDescription,
    size: Option<&config::Size>,
    build_time: i64,
) -> Result<PoolOptions, Failure> {
    let bename = pool.bename.as_deref().unwrap_or("ramdisk");
    let tree = format!("ROOT/{bename}");
    let mut options = PoolOptions {
        name: pool.name.clone(),
        ashift: pool.ashift,
        compression: compression(&pool.compression)?,
        autoexpand: pool.autoexpand,
        failmode: Failmode::Wait,
        size: match size {
            None | Some(config::Size::Auto) => Size::Auto { headroom: HEADROOM },
            Some(config::Size::Mebibytes(size)) => Size::Bytes(size << 20),
        },
        timestamp: u64::try_from(build_time).unwrap_or(0),
        bootfs: Some(tree.clone()),
        tree: tree.clone(),
        ..PoolOptions::ramdisk()
    };
    for dataset in &mut options.datasets {
        if dataset.name == "ROOT/ramdisk" {
            dataset.name.clone_from(&tree);
        }
    }
    for (name, mountpoint) in &pool.datasets {
        let dataset = Dataset::new(name).can_mount(CanMount::On);
        options.datasets.push(match mountpoint {
            Some(mountpoint) => dataset.mountpoint(mountpoint),
            None => dataset,
        });
    }
    for option in &pool.options {
        set_pool_option(&mut options, option)?;
    }
    for option in &pool.fsoptions {
        let (name, value) = split(option)?;
        match name {
            "compression" => options.compression = compression(value)?,
            _ if name.contains(':') => {
                let property = Property::Text(value.to_owned());
                for dataset in options.datasets.iter_mut().filter(|d| d.name == "ROOT") {
                    dataset.properties.push((name.to_owned(), property.clone()));
                }
            }
            _ => {
                return Err(Failure::usage(format!(
                    "fsoptions: `{option}` cannot be set on a pool that is written here"
                ))
                .hint("compression and user properties (with a `:`) can"));
            }
        }
    }
    Ok(options)
}

/// Sets a pool property that a pool can be written with.
pub(crate) fn set_pool_option(options: &mut PoolOptions, option: &str) -> Result<(), Failure> {
    match split(option)? {
        ("failmode", "panic") => options.failmode = Failmode::Panic,
        ("failmode", "wait") => options.failmode = Failmode::Wait,
        ("failmode", "continue") => options.failmode = Failmode::Continue,
        ("autoexpand", "on") => options.autoexpand = true,
        ("autoexpand", "off") => options.autoexpand = false,
        _ => {
            return Err(Failure::usage(format!(
                "options: `{option}` cannot be set on a pool that is written here"
            ))
            .hint("failmode and autoexpand can"));
        }
    }
    Ok(())
}

fn split(option: &str) -> Result<(&str, &str), Failure> {
    option
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("pool option `{option}`: expected NAME=VALUE")))
}

fn compression(value: &str) -> Result<Compression, Failure> {
    match value {
        // What `on` chooses differs between releases; gzip is what every release can read.
        "on" => Ok(Compression::Gzip(6)),
        _ => value.parse().map_err(Failure::usage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions() {
        assert_eq!(compression("gzip-9").unwrap(), Compression::Gzip(9));
        assert_eq!(compression("off").unwrap(), Compression::Off);
        assert!(compression("gzip-10").is_err());
        assert!(compression("zstd").is_err());
    }

    #[test]
    fn unknown_options_are_named() {
        let mut options = PoolOptions::ramdisk();
        set_pool_option(&mut options, "failmode=continue").unwrap();
        assert_eq!(options.failmode, Failmode::Continue);
        let failure = set_pool_option(&mut options, "multihost=on").unwrap_err();
        assert!(failure.error.to_string().contains("multihost=on"));
    }
}
