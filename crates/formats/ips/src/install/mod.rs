//! Installing packages into a proto.

#[allow(dead_code, reason = "the installer follows")]
pub(crate) mod accounts;
#[allow(dead_code, reason = "the installer follows")]
mod drivers;

use proto::{Metadata, ProtoPath};

use crate::{Action, Owners};

/// The path a hard link names: from the root if it is absolute, else from the directory that the
/// link is in, worked out as text.
pub(crate) fn hardlink_target(action: &Action, path: &ProtoPath) -> Result<ProtoPath, String> {
    let target = action.get("target").ok_or("has no `target`")?;
    let (mut components, rest): (Vec<&[u8]>, &str) = match target.strip_prefix('/') {
        Some(rest) => (Vec::new(), rest),
        None => {
            let mut above: Vec<&[u8]> = path.components().collect();
            above.pop();
            (above, target)
        }
    };
    for component in rest.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or_else(|| format!("target `{target}` leads outside"))?;
            }
            name => components.push(name.as_bytes()),
        }
    }
    ProtoPath::new(components.join(&b'/')).map_err(|error| format!("target: {error}"))
}

/// Owner, group and mode that a `dir` or `file` action asks for.
pub(crate) fn metadata_of(action: &Action, owners: &Owners) -> Result<Metadata, String> {
    let attribute = |key: &str| action.get(key).ok_or_else(|| format!("has no `{key}`"));
    let mode = attribute("mode")?;
    let bits = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777 && !mode.starts_with(['+', '-']))
        .ok_or_else(|| format!("mode `{mode}` is not three or four octal digits"))?;
    let owner = attribute("owner")?;
    let group = attribute("group")?;
    let uid = owners.uid(owner).ok_or_else(|| format!("owner `{owner}` is unknown"))?;
    let gid = owners.gid(group).ok_or_else(|| format!("group `{group}` is unknown"))?;
    Ok(Metadata::owned(bits, uid, gid))
}
