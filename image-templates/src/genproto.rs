//! A directory laid over an image, with the ownership rules of helios-build.
//!
//! `helios-build image -P DIR` writes a template for the tree it is given, to be included through
//! the feature `genproto`. The same steps are made here in memory, sorted, with the origin of each
//! in the tree itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::ProtoPath;

use crate::{Error, Origin, Permissions, Plan, PlannedStep, Search, Source, Step};

/// What becomes of the modes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// Kept, without the setuid, setgid and sticky bits, as helios-build does it.
    AsOnDisk,
    /// 0755 for directories and what its owner may execute, 0644 for other files: for trees of a
    /// version control system, where the rest comes from whoever checked them out.
    Normal,
}

/// The plan that lays a directory over an image. Whoever owns the files on disk, they become
/// root's, with the group that helios-build gives by path.
pub fn genproto(directory: &Path, modes: Modes) -> Result<Plan, Error> {
    let mut steps = Vec::new();
    add(directory, &ProtoPath::root(), modes, &mut steps)?;
    let search = Search::default().external(directory);
    Ok(Plan { template: Arc::from(directory), section: None, steps, skipped: 0, search })
}

fn add(
    on_disk: &Path,
    path: &ProtoPath,
    modes: Modes,
    steps: &mut Vec<PlannedStep>,
) -> Result<(), Error> {
    let mut names = fs::read_dir(on_disk)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map(|names: Vec<_>| names)
        .map_err(Error::io("list", on_disk))?;
    names.sort();
    for name in names {
        let on_disk = on_disk.join(&name);
        let refuse = |reason: &str| Error::Overlay { path: on_disk.clone(), reason: reason.into() };
        let Some(name) = name.to_str() else {
            return Err(refuse("its name is not UTF-8, which no template can write"));
        };
        let path = path.join(name).map_err(|error| refuse(&error.to_string()))?;
        if path.as_bytes() == b"bin" {
            return Err(refuse("/bin is a link in every image; put its files into usr/bin"));
        }
        let found = fs::symlink_metadata(&on_disk).map_err(Error::io("examine", &on_disk))?;
        let mode = match (modes, found.permissions().mode()) {
            (Modes::AsOnDisk, mode) => mode & 0o777,
            (Modes::Normal, _) if found.is_dir() => 0o755,
            (Modes::Normal, mode) if mode & 0o100 != 0 => 0o755,
            (Modes::Normal, _) => 0o644,
        };
        let permissions =
            |group: &str| Permissions { owner: "root".into(), group: group.into(), mode };
        let step = if found.is_symlink() {
            let target = fs::read_link(&on_disk).map_err(Error::io("read", &on_disk))?;
            let Some(target) = target.to_str() else {
                return Err(refuse("its link text is not UTF-8, which no template can write"));
            };
            Step::EnsureSymlink {
                link: path.clone(),
                target: target.to_owned(),
                owner: "root".into(),
                group: "root".into(),
            }
        } else if found.is_dir() {
            Step::EnsureDirectory { dir: path.clone(), permissions: permissions(group(&path)) }
        } else if found.is_file() {
            Step::EnsureFile {
                file: path.clone(),
                source: Source::External(path.to_string()),
                permissions: permissions("root"),
            }
        } else {
            return Err(refuse("only files, directories and links can be laid over an image"));
        };
        let origin = Origin { file: Arc::from(PathBuf::from(&on_disk)), line: 1 };
        steps.push(PlannedStep { origin, step });
        if found.is_dir() {
            add(&on_disk, &path, modes, steps)?;
        }
    }
    Ok(())
}

/// The group of a directory.
fn group(path: &ProtoPath) -> &'static str {
    let below = |tops: &[&str]| {
        tops.iter().any(|top| ProtoPath::new(top).is_ok_and(|top| path.starts_with(&top)))
    };
    let exactly = |paths: &[&str]| paths.iter().any(|p| p.as_bytes() == path.as_bytes());
    if below(&[
        "var",
        "etc",
        "lib/svc/manifest",
        "platform",
        "kernel",
        "usr/platform",
        "usr/kernel",
    ]) || exactly(&["usr", "usr/share", "opt"])
    {
        "sys"
    } else if below(&["lib", "usr"]) {
        "bin"
    } else {
        "root"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_path() {
        for (path, expected) in [
            ("var", "sys"),
            ("var/tmp", "sys"),
            ("lib", "bin"),
            ("lib/svc/manifest/site", "sys"),
            ("lib/svc/method", "bin"),
            ("usr", "sys"),
            ("usr/lib", "bin"),
            ("usr/share", "sys"),
            ("usr/share/man", "bin"),
            ("opt", "sys"),
            ("opt/oxide", "root"),
            ("root", "root"),
        ] {
            assert_eq!(group(&ProtoPath::new(path).unwrap()), expected, "{path}");
        }
    }
}
