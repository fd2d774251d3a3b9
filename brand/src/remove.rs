//! Removes trees, and only what belongs to them.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{FileType, Mode, Stat};

use crate::Error;
use crate::directory::{Directory, Ownership, file_type, identity};

/// Removes whatever is at a name, links and not what they lead to. Absence is fine.
///
/// # Errors
///
/// [`Error::Mounted`] where another file system begins; what lies beside it may be gone by then.
pub(crate) fn remove(parent: &Directory, name: &OsStr) -> Result<(), Error> {
    match parent.stat(name)? {
        None => Ok(()),
        Some(stat) if file_type(&stat) == FileType::Directory => {
            let device = identity(&parent.own_stat()?).0;
            remove_directory(parent, name, &stat, device)
        }
        Some(_) => parent.remove_file(name),
    }
}

fn remove_directory(
    parent: &Directory,
    name: &OsStr,
    stat: &Stat,
    device: u64,
) -> Result<(), Error> {
    let path = parent.join(name);
    if identity(stat).0 != device {
        return Err(Error::Mounted { path });
    }
    if Ownership::of_process() == Ownership::Skipped
        && !Mode::from_raw_mode(stat.st_mode).contains(Mode::RWXU)
    {
        // an ordinary user cannot empty a directory that it may not write, even its own
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::chmodat(parent, name, Mode::RWXU, flags)
            .map_err(Error::io("set mode of", &path))?;
    }
    let directory = parent.child(name)?;
    for name in directory.names()? {
        match directory.stat(&name)? {
            Some(stat) if file_type(&stat) == FileType::Directory => {
                remove_directory(&directory, &name, &stat, device)?;
            }
            Some(_) => directory.remove_file(&name)?,
            None => {}
        }
    }
    parent.remove_directory(name)
}

/// Checks that no other file system begins below a directory, so that [`remove`] can succeed.
pub(crate) fn check_unmounted(parent: &Directory, name: &OsStr) -> Result<(), Error> {
    let device = identity(&parent.own_stat()?).0;
    walk(parent, name, device)
}

fn walk(parent: &Directory, name: &OsStr, device: u64) -> Result<(), Error> {
    let Some(stat) = parent.stat(name)? else { return Ok(()) };
    if file_type(&stat) != FileType::Directory {
        return Ok(());
    }
    if identity(&stat).0 != device {
        return Err(Error::Mounted { path: parent.join(name) });
    }
    let directory = parent.child(name)?;
    for name in directory.names()? {
        walk(&directory, &name, device)?;
    }
    Ok(())
}

/// Checks a mount table, in the form of illumos's `/etc/mnttab`, for mount points at or below a
/// path. A lofs mount may not show in device numbers.
pub(crate) fn check_mount_table(table: &str, path: &Path) -> Result<(), Error> {
    for line in table.lines() {
        if let Some(mounted) = line.split('\t').nth(1).map(Path::new)
            && mounted.starts_with(path)
        {
            return Err(Error::Mounted { path: mounted.into() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let (outside, tree) = (place.path().join("outside"), place.path().join("tree"));
        std::fs::create_dir(&outside)?;
        std::fs::write(outside.join("kept"), "")?;
        std::fs::create_dir_all(tree.join("a/b"))?;
        std::fs::write(tree.join("a/b/file"), "")?;
        std::os::unix::fs::symlink(&outside, tree.join("a/link"))?;
        std::fs::set_permissions(tree.join("a/b"), PermissionsExt::from_mode(0o500))?;
        std::fs::set_permissions(tree.join("a"), PermissionsExt::from_mode(0o000))?;

        let parent = Directory::open(place.path())?;
        remove(&parent, OsStr::new("tree"))?;
        remove(&parent, OsStr::new("tree"))?;
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());

        std::os::unix::fs::symlink(&outside, &tree)?;
        remove(&parent, OsStr::new("tree"))?;
        assert!(outside.join("kept").exists());
        Ok(())
    }

    #[test]
    fn a_mount_point_below_is_named() {
        let table =
            "rpool/x\t/zone/ntp2/root\tzfs\trw\t1\n/usr\t/zone/ntp/root/system/usr\tlofs\tro\t1\n";
        match check_mount_table(table, Path::new("/zone/ntp/root")) {
            Err(Error::Mounted { path }) => {
                assert_eq!(path, Path::new("/zone/ntp/root/system/usr"));
            }
            other => panic!("{other:?}"),
        }
        assert!(check_mount_table(table, Path::new("/zone/ntp3/root")).is_ok());
        assert!(check_mount_table("", Path::new("/")).is_ok());
    }
}
