//! The options of a pool: from a template or a description, and flags over that.

use std::path::{Path, PathBuf};

use clap::Args;
use footprint::Choice;
use image_templates::{Features, Search, describe_pool};
use zpool_image::{CanMount, Compression, Dataset, Effort, PoolOptions, Property, Size, Version};

use super::description::{self, Description};
use super::source::Source;
use crate::failure::Failure;
use crate::releng::config;
use crate::releng::pool::{from_template, set_pool_option};

/// Flags about the pool.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pool")]
pub(super) struct Flags {
    /// Take the pool's options from an image template
    #[arg(long, value_name = "FILE", conflicts_with = "description")]
    template: Option<PathBuf>,

    /// Template features: f, f=v, f+=v, f-=v, ^f; may be repeated
    #[arg(long, value_name = "FEATURE", requires = "template")]
    template_feature: Vec<String>,

    /// Take the pool, its datasets and their trees from a file; see below
    #[arg(long, value_name = "FILE")]
    description: Option<PathBuf>,

    /// The pool's name [default: rpool]
    #[arg(long)]
    name: Option<String>,

    /// A dataset with properties (mountpoint, canmount, compression, recordsize, snapshot, user
    /// properties) and perhaps its own tree, manifest, owners or tar; may be repeated. Without a
    /// template or description these are all datasets; parents are made
    #[arg(long, value_name = "NAME[:KEY=VALUE,...]")]
    dataset: Vec<String>,

    /// The image: auto (from the contents), or a size that must suffice
    #[arg(long, value_name = "auto|MIB", value_parser = size)]
    size: Option<config::Size>,

    /// With --size auto: room to write after import, beyond what ZFS keeps [default: 32]
    #[arg(long, value_name = "MIB")]
    headroom: Option<u64>,

    /// off, lz4 (needs --feature lz4_compress), zle, gzip-1 to gzip-9, or auto: whatever makes the
    /// smaller ramdisk
    #[arg(long, value_name = "WORD")]
    compression: Option<String>,

    /// Compress with the least time: for images that are tried and thrown away
    #[arg(long)]
    fast: bool,

    /// 5000, or 28 for systems before 2012
    #[arg(long, value_name = "VERSION")]
    pool_version: Option<u64>,

    /// Enable a feature of version 5000 and what it needs; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    feature: Vec<String>,

    /// Binary logarithm of the sector size, 9 to 13
    #[arg(long, value_name = "BITS")]
    ashift: Option<u32>,

    /// 512 to 128K, or to 1M with --feature large_blocks
    #[arg(long, value_name = "BYTES")]
    record_size: Option<String>,

    /// The dataset to boot from, or none
    #[arg(long, value_name = "DATASET")]
    bootfs: Option<String>,

    /// A pool property: failmode or autoexpand; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,

    /// Take a snapshot of the dataset that gets the tree or tar
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// The pool's identifier, from which all others follow (default: from the contents)
    #[arg(long, value_name = "NUMBER")]
    guid: Option<String>,

    /// Make identifiers differ from those of an image with the same contents
    #[arg(long, value_name = "TEXT")]
    salt: Option<String>,
}

/// What is to be built.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) options: PoolOptions,
    pub(super) choice: Choice,
    /// What goes into datasets, by name.
    pub(super) sources: Vec<(String, Source)>,
}

impl Flags {
    /// Puts everything together. `given` is what the flags name for one dataset, `into`.
    pub(super) fn wanted(
        &self,
        given: Option<Source>,
        into: Option<&str>,
        time: u32,
    ) -> Result<Wanted, Failure> {
        let description = match &self.description {
            Some(path) => Description::read(path)?,
            None => Description::default(),
        };
        let mut options = match &self.template {
            Some(template) => {
                let pool = self.template_pool(template)?;
                from_template(&pool, self.size.as_ref(), time.into())?
            }
            None => PoolOptions { timestamp: time.into(), ..PoolOptions::ramdisk() },
        };
        let more = self.dataset.iter().map(|text| description::Dataset::parse(text));
        let more = more.collect::<Result<Vec<_>, _>>()?;
        let own_datasets = !description.datasets.is_empty() || !more.is_empty();
        if own_datasets && self.template.is_none() {
            options.datasets.clear();
            options.bootfs = None;
        }
        let mut choice = Choice::AsGiven;
        let flags = self.over(description.pool);
        apply(&mut options, &mut choice, &flags)?;
        for property in &self.property {
            set_pool_option(&mut options, property)?;
        }

        let mut sources = Vec::new();
        for described in description.datasets.iter().chain(&more) {
            set_dataset(&mut options, described)?;
            if let Some(source) = described.source()? {
                put(&mut sources, described.name.clone(), source)?;
            }
        }
        match flags.bootfs.as_deref() {
            Some("none") => options.bootfs = None,
            Some(name) => options.bootfs = Some(name.to_owned()),
            None => {}
        }
        let default = options
            .bootfs
            .clone()
            .or_else(|| sources.first().map(|(dataset, _): &(String, Source)| dataset.clone()))
            .or_else(|| description.datasets.iter().chain(&more).next().map(|d| d.name.clone()))
            .unwrap_or_else(|| options.tree.clone());
        options.tree = into.map_or(default, str::to_owned);
        if let Some(source) = given {
            put(&mut sources, options.tree.clone(), source)?;
        }
        if let Some(snapshot) = &self.snapshot {
            let tree = options.tree.clone();
            dataset(&mut options, &tree).snapshot = Some(snapshot.clone());
        }
        if self.fast {
            options.effort = Effort::Fast;
        }
        Ok(Wanted { options, choice, sources })
    }

    /// The flags, and where they say nothing the description.
    fn over(&self, pool: description::Pool) -> description::Pool {
        let or = |flag: &Option<String>, key: Option<String>| flag.clone().or(key);
        description::Pool {
            name: or(&self.name, pool.name),
            version: self.pool_version.or(pool.version),
            features: pool.features.into_iter().chain(self.feature.iter().cloned()).collect(),
            size: self.size.clone().or(pool.size),
            headroom: self.headroom.or(pool.headroom),
            ashift: self.ashift.or(pool.ashift),
            compression: or(&self.compression, pool.compression),
            record_size: or(&self.record_size, pool.record_size),
            failmode: pool.failmode,
            autoexpand: pool.autoexpand,
            bootfs: or(&self.bootfs, pool.bootfs),
            salt: or(&self.salt, pool.salt),
            guid: or(&self.guid, pool.guid),
        }
    }

    /// The pool of a template, which stands as `NAME.json` in a group's directory.
    fn template_pool(&self, file: &Path) -> Result<image_templates::PoolDescription, Failure> {
        if !file.is_file() {
            return Err(Failure::missing(format!("{} is missing", file.display())));
        }
        let file = std::path::absolute(file)?;
        let name = file.file_stem().and_then(|name| name.to_str());
        let group = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let root = file.parent().and_then(Path::parent);
        let (Some(name), Some(group), Some(root)) = (name, group, root) else {
            return Err(Failure::usage(format!("{}: is no template", file.display()))
                .hint("templates are files ROOT/GROUP/NAME.json"));
        };
        let features = Features::from_specs(&self.template_feature).map_err(Failure::usage)?;
        describe_pool(&Search::new(root, group), name, &features).map_err(Failure::usage)
    }
}

fn apply(
    options: &mut PoolOptions,
    choice: &mut Choice,
    pool: &description::Pool,
) -> Result<(), Failure> {
    if let Some(name) = &pool.name {
        options.name.clone_from(name);
    }
    match pool.version {
        None => {}
        Some(5000) => options.version = Version::V5000,
        Some(28) => options.version = Version::V28,
        Some(other) => {
            return Err(Failure::usage(format!(
                "a pool of version {other} cannot be written here"
            ))
            .hint("5000 and 28 can"));
        }
    }
    for feature in &pool.features {
        options.enable(feature.parse().map_err(Failure::usage)?);
    }
    match (&pool.size, pool.headroom, options.size) {
        (Some(config::Size::Mebibytes(_)), Some(_), _) => {
            return Err(Failure::usage("headroom is for a size that follows from the contents")
                .hint("give --size or --headroom, not both"));
        }
        (Some(config::Size::Mebibytes(size)), None, _) => {
            options.size = Size::Bytes(mebibytes(*size)?);
        }
        (_, Some(headroom), _) => options.size = Size::Auto { headroom: mebibytes(headroom)? },
        _ => {}
    }
    if let Some(ashift) = pool.ashift {
        options.ashift = ashift;
    }
    match pool.compression.as_deref() {
        Some("auto") => *choice = Choice::Smallest,
        Some(name) => options.compression = compression(name)?,
        None => {}
    }
    if let Some(size) = &pool.record_size {
        options.record_size = record_size(size)?;
    }
    if let Some(failmode) = &pool.failmode {
        set_pool_option(options, &format!("failmode={failmode}"))?;
    }
    if let Some(autoexpand) = pool.autoexpand {
        options.autoexpand = autoexpand;
    }
    if let Some(salt) = &pool.salt {
        options.salt.clone_from(salt);
    }
    if let Some(guid) = &pool.guid {
        let number = match guid.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => guid.parse(),
        };
        let number = number.map_err(|_| {
            Failure::usage(format!("guid {guid}: expected a number below 2^64, or one after 0x"))
        })?;
        options.guid = Some(number);
    }
    Ok(())
}

fn mebibytes(number: u64) -> Result<u64, Failure> {
    number
        .checked_mul(1 << 20)
        .ok_or_else(|| Failure::usage(format!("{number} MiB are more than any pool has")))
}

/// Two sources for one dataset are an error.
fn put(sources: &mut Vec<(String, Source)>, name: String, source: Source) -> Result<(), Failure> {
    if sources.iter().any(|(other, _)| *other == name) {
        return Err(Failure::usage(format!("dataset {name}: two trees or tars are to go into it")));
    }
    let from_input = |s: &Source| matches!(s, Source::Tar(path) if path.as_os_str() == "-");
    if from_input(&source) && sources.iter().any(|(_, other)| from_input(other)) {
        return Err(Failure::usage("standard input can be read only once"));
    }
    sources.push((name, source));
    Ok(())
}

/// The dataset of a name, made with its parents if need be.
fn dataset<'a>(options: &'a mut PoolOptions, name: &str) -> &'a mut Dataset {
    let parents = name.match_indices('/').map(|(index, _)| &name[..index]);
    for parent in parents {
        if !options.datasets.iter().any(|dataset| dataset.name == parent) {
            options.datasets.push(Dataset::new(parent).can_mount(CanMount::Off));
        }
    }
    let index = options.datasets.iter().position(|dataset| dataset.name == name);
    let index = index.unwrap_or_else(|| {
        options.datasets.push(Dataset::new(name));
        options.datasets.len() - 1
    });
    &mut options.datasets[index]
}

fn set_dataset(options: &mut PoolOptions, described: &description::Dataset) -> Result<(), Failure> {
    let in_dataset = |mut failure: Failure| {
        failure.error = format!("dataset {}: {}", described.name, failure.error).into();
        failure
    };
    let dataset = dataset(options, &described.name);
    if let Some(name) = &described.compression {
        dataset.compression = Some(compression(name).map_err(in_dataset)?);
    }
    if let Some(size) = &described.record_size {
        dataset.record_size = Some(record_size(size).map_err(in_dataset)?);
    }
    if described.snapshot.is_some() {
        dataset.snapshot.clone_from(&described.snapshot);
    }
    for (name, value) in &described.properties {
        let value = property(name, value).map_err(in_dataset)?;
        dataset.properties.retain(|(other, _)| other != name);
        dataset.properties.push((name.clone(), value));
    }
    Ok(())
}

/// The stored form of a dataset property.
fn property(name: &str, value: &str) -> Result<Property, Failure> {
    let refuse = |expected: &str| {
        Err(Failure::usage(format!("property {name}={value}: expected {expected}")))
    };
    Ok(match (name, value) {
        ("canmount", "on") => Property::Number(CanMount::On as u64),
        ("canmount", "off") => Property::Number(CanMount::Off as u64),
        ("canmount", "noauto") => Property::Number(CanMount::NoAuto as u64),
        ("canmount", _) => return refuse("on, off or noauto"),
        ("mountpoint", "legacy" | "none") => Property::Text(value.to_owned()),
        ("mountpoint", path) if path.starts_with('/') => Property::Text(value.to_owned()),
        ("mountpoint", _) => return refuse("an absolute path, legacy or none"),
        ("atime" | "devices" | "exec" | "readonly" | "setuid", "off") => Property::Number(0),
        ("atime" | "devices" | "exec" | "readonly" | "setuid", "on") => Property::Number(1),
        ("atime" | "devices" | "exec" | "readonly" | "setuid", _) => return refuse("on or off"),
        ("org.opensolaris.libbe:uuid", "auto") => Property::Uuid,
        _ if name.contains(':') => Property::Text(value.to_owned()),
        _ => {
            return Err(Failure::usage(format!("property {name} cannot be set here")).hint(
                "mountpoint, canmount, atime, devices, exec, readonly, setuid and user properties \
                 (with a `:`) can",
            ));
        }
    })
}

fn compression(name: &str) -> Result<Compression, Failure> {
    name.parse().map_err(Failure::usage)
}

/// Bytes, as a number or with K or M.
fn record_size(text: &str) -> Result<u32, Failure> {
    let (digits, factor) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(|| {
        Failure::usage(format!("record size {text}: expected bytes, or a number with K or M"))
    })
}

fn size(text: &str) -> Result<config::Size, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(config::Size::Auto),
        (_, Ok(size)) if size > 0 => Ok(config::Size::Mebibytes(size)),
        _ => Err("expected auto or a number of MiB".to_owned()),
    }
}
