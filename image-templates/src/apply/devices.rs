//! The device skeleton that takes the place of devfsadm(8).
//!
//! devfsadm fills `/dev` from the running kernel, and so copies the build machine's devices into
//! the image. Here `/dev` gets a fixed list of directories and links instead, the same for every
//! image; the rest comes at first boot, for which `/reconfigure` asks.

use proto::{Entry, Metadata, ProtoPath};

use super::Failure;
use super::image::Image;
use crate::Permissions;

/// One entry per line: `dir PATH OWNER GROUP MODE` or `link PATH TARGET`.
const SKELETON: &str = include_str!("../../data/devices.txt");

/// Adds what is missing of the skeleton; what is there is left alone.
pub(super) fn populate(image: &mut Image) -> Result<(), Failure> {
    for line in SKELETON.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (path, entry) = match words[..] {
            ["dir", path, owner, group, mode] => {
                let mode = u32::from_str_radix(mode, 8)
                    .map_err(|_| Failure::new(format!("the device skeleton has `{line}`")))?;
                let permissions =
                    Permissions { owner: owner.to_owned(), group: group.to_owned(), mode };
                (path, Entry::directory(image.metadata(&permissions)?))
            }
            ["link", path, target] => {
                (path, Entry::symlink(target, Metadata::root(0o777).at(image.mtime)))
            }
            _ => return Err(Failure::new(format!("the device skeleton has `{line}`"))),
        };
        let path = ProtoPath::new(path)?;
        if image.get(&path).is_none() {
            let place = image.place(&path)?;
            image.put(&place, entry)?;
        }
    }
    Ok(())
}
