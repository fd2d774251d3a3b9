//! From a template's pool to the pool writer's options.

use image_templates::PoolDescription;
use zpool_image::{CanMount, Compression, Dataset, Failmode, PoolOptions, Property, Size};

use super::config;
use crate::failure::Failure;

/// Room that a running system gets beyond the contents when the size follows from them.
const HEADROOM: u64 = 64 << 20;

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
