//! The result set, which appears by one rename.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;

/// The end of the name of a set that is being built.
const PARTIAL: &str = ".partial";

/// A result set being built beside its final place. Dropped before [`ResultSet::publish`] it
/// leaves nothing behind but, after [`ResultSet::keep_logs`], the logs.
#[derive(Debug)]
pub(crate) struct ResultSet {
    out: PathBuf,
    stage: TempDir,
    _lock: File,
}

impl ResultSet {
    /// Takes the output directory for this run and makes the place to build in.
    pub(crate) fn begin(out: &Path) -> Result<Self, Failure> {
        let name = out.file_name().ok_or_else(|| {
            Failure::usage(format!("--out {}: expected a directory's name", out.display()))
        })?;
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if out.exists() && !is_replaceable(out) {
            return Err(Failure::usage(format!(
                "{} exists and is not the result of an earlier run; it is left alone",
                out.display()
            ))
            .hint("give another directory with --out, or remove it yourself"));
        }
        fs::create_dir_all(parent)
            .map_err(|error| format!("cannot create {}: {error}", parent.display()))?;
        let parent = parent
            .canonicalize()
            .map_err(|error| format!("cannot find {}: {error}", parent.display()))?;
        let lock = lock(&parent.join(format!(".{}.lock", name.to_string_lossy())), out)?;
        let prefix = format!(".{}.", name.to_string_lossy());
        remove_abandoned(&parent, &prefix);
        let stage = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(PARTIAL)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&parent)
            .map_err(|error| {
                format!("cannot create a directory in {}: {error}", parent.display())
            })?;
        let set = Self { out: parent.join(name), stage, _lock: lock };
        for directory in [set.directory(), set.work()] {
            fs::create_dir(&directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        }
        Ok(set)
    }

    /// Where results go until they are published.
    pub(crate) fn directory(&self) -> PathBuf {
        self.stage.path().join("set")
    }

    /// Where intermediate files go; never published.
    pub(crate) fn work(&self) -> PathBuf {
        self.stage.path().join("work")
    }

    /// The final place.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// Puts the whole set in its final place by one rename; an earlier set is there until that
    /// moment and gone after it.
    pub(crate) fn publish(self) -> Result<PathBuf, Failure> {
        let directory = self.directory();
        let fail = |error: std::io::Error| {
            format!("cannot move the results to {}: {error}", self.out.display())
        };
        if self.out.exists() {
            // The earlier set takes the place of the new one and is removed with the stage.
            renameat_with(CWD, &directory, CWD, &self.out, RenameFlags::EXCHANGE)
                .map_err(|error| fail(error.into()))?;
        } else {
            fs::rename(&directory, &self.out).map_err(fail)?;
        }
        Ok(self.out.clone())
    }

    /// Keeps the logs of a failed run in `OUT.failed/` and returns where a log went.
    pub(crate) fn keep_logs(&self, log: &Path) -> PathBuf {
        let mut failed = self.out.clone().into_os_string();
        failed.push(".failed");
        let failed = PathBuf::from(failed);
        let logs = self.directory().join("logs");
        let kept = (|| {
            if failed.exists() {
                fs::remove_dir_all(&failed)?;
            }
            fs::create_dir_all(&failed)?;
            fs::rename(&logs, failed.join("logs"))
        })();
        match (kept, log.strip_prefix(&logs)) {
            (Ok(()), Ok(name)) => failed.join("logs").join(name),
            _ => log.to_owned(),
        }
    }
}

/// Removes what runs left that were killed. The lock is held: nobody is using them.
fn remove_abandoned(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(PARTIAL) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a directory is what an earlier run left (or is empty), so that it may be replaced.
fn is_replaceable(out: &Path) -> bool {
    out.join("summary.json").is_file()
        || fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes an output directory for this run alone, by a lock on a file.
pub(crate) fn lock(path: &Path, out: &Path) -> Result<File, Failure> {
    let fail = |error: std::io::Error| format!("cannot lock {}: {error}", path.display());
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(fail)?;
            writeln!(file, "process {}", std::process::id()).map_err(fail)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(path).unwrap_or_default();
            Err(Failure::new(format!(
                "another run ({}) is building {}",
                holder.trim(),
                out.display()
            ))
            .with_status(ExitStatus::Locked)
            .hint("wait for it, or give another directory with --out"))
        }
        Err(TryLockError::Error(error)) => Err(fail(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpublished_set_leaves_the_previous_one_alone() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("releng");
        let first = ResultSet::begin(&out).unwrap();
        fs::write(first.directory().join("summary.json"), "first").unwrap();
        first.publish().unwrap();
        drop(ResultSet::begin(&out).unwrap());
        assert_eq!(fs::read_to_string(out.join("summary.json")).unwrap(), "first");

        let second = ResultSet::begin(&out).unwrap();
        fs::write(second.directory().join("summary.json"), "second").unwrap();
        second.publish().unwrap();
        assert_eq!(fs::read_to_string(out.join("summary.json")).unwrap(), "second");
        let left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn somebody_elses_directory_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.tex"), "").unwrap();
        assert_eq!(ResultSet::begin(directory.path()).unwrap_err().status, ExitStatus::Usage);
    }

    #[test]
    fn two_runs_do_not_share_an_output() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("releng");
        let _first = ResultSet::begin(&out).unwrap();
        assert_eq!(ResultSet::begin(&out).unwrap_err().status, ExitStatus::Locked);
    }
}
