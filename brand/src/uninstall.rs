//! Removes a zone root, and the dataset that zoneadm made for it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::fs::FileType;

use crate::directory::{Directory, file_type};
use crate::remove::{check_mount_table, check_unmounted, remove};
use crate::stage::{REMOVING, ROOT, leftovers};
use crate::{Error, names};

/// Removes the zone root in a zonepath, and what killed runs have left there, and tells `say`
/// what was not removed.
///
/// The root gets another name first, so that there is never half a zone root. On a system with
/// zfs(8) the dataset of the zonepath is destroyed too, when it is mounted exactly there, nothing
/// foreign lies in it, and it has no children or snapshots (and so no clones).
///
/// # Errors
///
/// [`Error::Mounted`], before anything is removed; [`Error::Io`].
pub fn uninstall(
    system_root: &Path,
    zonepath: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    names::check_zonepath(zonepath)?;
    let root = OsStr::new(ROOT);
    let directory = match Directory::open(zonepath) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            say("there is no zonepath");
            return Ok(());
        }
        result => result?,
    };
    let mut names = leftovers(&directory)?;
    names.push(root.into());
    check_mounts(system_root, zonepath, &names)?;
    if let Some(stat) = directory.stat(root)? {
        if file_type(&stat) != FileType::Directory {
            let problem = io::Error::other("it is not a directory: remove it by hand");
            return Err(Error::io("remove", directory.join(root))(problem));
        }
        check_unmounted(&directory, root)?;
        let name = OsString::from(format!("{REMOVING}{}", std::process::id()));
        directory.rename(root, &name)?;
    }
    for name in leftovers(&directory)? {
        remove(&directory, &name)?;
    }
    destroy_dataset(system_root, zonepath, &directory, say)
}

/// Checks that nothing is mounted at or below names in a zonepath.
fn check_mounts(system_root: &Path, zonepath: &Path, names: &[OsString]) -> Result<(), Error> {
    let table = system_root.join("etc/mnttab");
    let table = match std::fs::read_to_string(&table) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", &table)(error)),
    };
    // the table has paths without links
    let real = zonepath.canonicalize().map_err(Error::io("resolve", zonepath))?;
    for name in names {
        for zonepath in [zonepath, &real] {
            check_mount_table(&table, &zonepath.join(name))?;
        }
    }
    Ok(())
}

fn destroy_dataset(
    system_root: &Path,
    zonepath: &Path,
    directory: &Directory,
    say: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let zfs = system_root.join("usr/sbin/zfs");
    if !zfs.is_file() {
        return Ok(());
    }
    let mut leave = |why: &str| say(&format!("leaving {}: {why}", zonepath.display()));
    let Some(found) = run(&zfs, &["list", "-H", "-o", "name,mountpoint"], Some(zonepath))? else {
        leave("it is in no dataset");
        return Ok(());
    };
    let dataset = match found.trim_end().split_once('\t') {
        Some((dataset, mountpoint)) if Path::new(mountpoint) == zonepath => dataset,
        _ => {
            leave("it is no dataset of its own");
            return Ok(());
        }
    };
    if let Some(name) = directory.names()?.first() {
        leave(&format!("there is {} in it", name.display()));
        return Ok(());
    }
    let Some(below) = run(&zfs, &["list", "-H", "-r", "-t", "all", "-o", "name", dataset], None)?
    else {
        leave("zfs could not list what is below it");
        return Ok(());
    };
    if let Some(other) = below.lines().find(|name| *name != dataset) {
        leave(&format!("there is {other}"));
    } else if run(&zfs, &["destroy", dataset], None)?.is_none() {
        leave(&format!("zfs could not destroy {dataset}"));
    }
    Ok(())
}

/// What zfs(8) prints; nothing when it fails, which it explains on standard error.
fn run(zfs: &Path, arguments: &[&str], path: Option<&Path>) -> Result<Option<String>, Error> {
    let output = Command::new(zfs)
        .args(arguments)
        .args(path)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Error::io("run", zfs))?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
