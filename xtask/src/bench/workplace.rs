//! Where measurements are made: in memory, so that no disk is measured.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::Failure;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";

const PREFIX: &str = "releng-bench-";

/// A directory to work in, gone when it is dropped; with the given one or memory as its parent, and
/// elsewhere if memory has not this many bytes of room.
///
/// Its name has the number of this process in it: what processes left that were killed is removed
/// here, the next time.
pub(crate) fn workplace(parent: Option<&Path>, bytes: u64) -> Result<TempDir, Failure> {
    let memory = Path::new(MEMORY);
    if parent.is_none() {
        remove_abandoned(memory);
    }
    let parent = match parent {
        Some(parent) => parent.to_owned(),
        None if has_room(memory, bytes) => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    remove_abandoned(&parent);
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir_in(&parent)
        .map_err(|error| format!("cannot work in {}: {error}", parent.display()).into())
}

fn has_room(directory: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) > bytes)
}

/// Removes the directories of processes that are no more.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if let Some((number, _)) = process
            && number.parse::<u32>().is_ok()
            && !Path::new("/proc").join(number).exists()
        {
            // What cannot be removed belongs to somebody else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let ours = workplace(Some(parent.path()), 0).unwrap();
        let names =
            [format!("{PREFIX}4294967295-abc"), format!("{PREFIX}mine"), "4294967295-x".into()];
        let [dead, other, file] = names.map(|name| parent.path().join(name));
        for directory in [&dead, &other, &file] {
            fs::create_dir_all(directory.join("below")).unwrap();
        }
        let second = workplace(Some(parent.path()), 0).unwrap();
        assert!(!dead.exists());
        assert!(other.exists() && file.exists() && ours.path().exists());
        drop(second);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 3);
    }
}
