//! A tree of real program files: those of this machine.
//!
//! What compresses like an operating system is an operating system. The files are taken evenly from
//! the sorted list of all, so that the tree is the same as long as the machine's files are; its
//! digest tells whether two measurements had the same one.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use super::Plan;
use crate::failure::Failure;

/// Where programs and what belongs to them are, on most systems.
pub(crate) const DIRECTORIES: [&str; 8] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/include",
    "/usr/share",
    "/usr/local",
];

/// How many bytes a tree may have more or less than was asked for: one in this many.
const TOLERANCE: u64 = 20;

/// What was collected.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Collected {
    /// Where from.
    pub(crate) from: Vec<PathBuf>,
    /// Regular files.
    pub(crate) files: u64,
    /// Bytes in all of them.
    pub(crate) bytes: u64,
    /// How many of the files repeat another one with rotated bytes: the machine has too few.
    pub(crate) repeated: u64,
    /// SHA-256 of all paths, sizes and bytes.
    pub(crate) sha256: String,
}

/// A file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    size: u64,
    /// How often it is in the tree before.
    round: u64,
}

/// Copies files of these directories to a tree until it has as many as the plan says, and about as
/// many bytes.
pub(crate) fn collect(from: &[PathBuf], plan: Plan, tree: &Path) -> Result<Collected, Failure> {
    let all = candidates(from);
    if all.is_empty() {
        let names: Vec<_> = from.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::usage(format!("no readable files in {}", names.join(", "))));
    }
    let chosen = choose(&all, plan);
    let mut digest = Sha256::new();
    let (mut bytes, mut repeated) = (0, 0);
    for candidate in &chosen {
        let name = candidate.path.strip_prefix("/").unwrap_or(&candidate.path);
        let below = match candidate.round {
            0 => name.to_owned(),
            round => Path::new(&format!("again-{round}")).join(name),
        };
        let data = copy(candidate, &tree.join(&below)).map_err(|error| {
            format!("cannot copy {} to {}: {error}", candidate.path.display(), tree.display())
        })?;
        digest.update(below.as_os_str().as_bytes());
        digest.update([0]);
        digest.update((data.len() as u64).to_le_bytes());
        digest.update(&data);
        bytes += data.len() as u64;
        repeated += u64::from(candidate.round > 0);
    }
    Ok(Collected {
        from: from.to_owned(),
        files: chosen.len() as u64,
        bytes,
        repeated,
        sha256: hex::encode(digest.finalize()),
    })
}

/// All regular files that can be read, by path.
fn candidates(from: &[PathBuf]) -> Vec<Candidate> {
    let mut all = Vec::new();
    for entry in from.iter().flat_map(WalkDir::new).flatten() {
        if !entry.file_type().is_file() || fs::File::open(entry.path()).is_err() {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        all.push(Candidate { path: entry.into_path(), size: metadata.size(), round: 0 });
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    all.dedup_by(|one, other| one.path == other.path);
    all
}

/// Takes files evenly from the list, passing over those that are too large for what is left.
fn choose(all: &[Candidate], plan: Plan) -> Vec<Candidate> {
    let wanted = usize::try_from(plan.files).unwrap_or(usize::MAX);
    let rounds = wanted.div_ceil(all.len());
    let list: Vec<Candidate> = (0..rounds as u64)
        .flat_map(|round| all.iter().map(move |one| Candidate { round, ..one.clone() }))
        .collect();
    // Whole rounds but the last, which is thinned out.
    let thinned = |index: usize| index * wanted / list.len() != (index + 1) * wanted / list.len();
    let (mut chosen, mut passed): (Vec<usize>, Vec<usize>) =
        (0..list.len()).partition(|&index| thinned(index));
    let key = |index: &usize| (list[*index].size, *index);
    chosen.sort_by_key(key);
    passed.sort_by_key(key);
    let mut sum: u64 = chosen.iter().map(|&index| list[index].size).sum();
    // Too much: the largest make room for middling ones. Too little: the smallest for the largest.
    let most = plan.bytes + plan.bytes / TOLERANCE;
    let least = plan.bytes - plan.bytes / TOLERANCE;
    while sum > most && !passed.is_empty() {
        let Some(large) = chosen.pop() else { break };
        let middle = passed.remove(passed.len() / 2);
        sum = sum - list[large].size + list[middle].size;
        chosen.insert(chosen.partition_point(|other| key(other) < key(&middle)), middle);
    }
    while sum < least
        && let Some(large) = passed.pop()
    {
        if sum + list[large].size > most {
            continue;
        }
        let small = chosen.remove(0);
        sum = sum - list[small].size + list[large].size;
        chosen.push(large);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|index| list[index].clone()).collect()
}

/// Copies a file, rotated when it is there already, and gives its bytes.
fn copy(candidate: &Candidate, to: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = fs::read(&candidate.path)?;
    if !data.is_empty() {
        let by = candidate.round * 4096 % data.len() as u64;
        data.rotate_left(usize::try_from(by).unwrap_or(0));
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::File::create(to)?;
    file.write_all(&data)?;
    let mode = fs::metadata(&candidate.path)?.permissions().mode() & 0o777;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.set_modified(
        SystemTime::UNIX_EPOCH + Duration::from_secs(super::stage::TIME.unsigned_abs()),
    )?;
    Ok(data)
}

/// Writes files of a hundred bytes, a hundred in a directory: entries with hardly any contents.
pub(crate) fn entries(tree: &Path, count: u64) -> Result<(), Failure> {
    for number in 0..count {
        let directory = tree.join(format!("directory-{:04}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        let text = format!("{number:>99}\n");
        fs::write(directory.join(format!("file-{number:06}")), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(sizes: impl IntoIterator<Item = u64>) -> Vec<Candidate> {
        let sizes = sizes.into_iter().enumerate();
        sizes
            .map(|(n, size)| Candidate { path: format!("/{n:05}").into(), size, round: 0 })
            .collect()
    }

    #[test]
    fn numbers_are_met_from_many_files_and_from_few() {
        let sizes = |count: u64| (0..count).map(|n| n * n % 7919 + n % 3 * 1000);
        for (count, files, bytes) in [
            (5000, 1000, 4_000_000),
            (5000, 1000, 7_000_000),
            (5000, 1000, 2_000_000),
            (30, 100, 140_000),
        ] {
            let chosen = choose(&list(sizes(count)), Plan { files, bytes });
            assert_eq!(chosen.len() as u64, files);
            let sum: u64 = chosen.iter().map(|one| one.size).sum();
            assert!(sum.abs_diff(bytes) <= bytes / TOLERANCE, "{count}: {sum} instead of {bytes}");
            assert_eq!(chosen.iter().any(|one| one.round > 0), count < files);
            let mut unique = chosen.clone();
            unique.dedup();
            assert_eq!(unique.len(), chosen.len());
        }
    }

    #[test]
    fn the_same_files_give_the_same_tree() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        for number in 0..30u32 {
            fs::create_dir_all(from.join(format!("{}", number % 3))).unwrap();
            let bytes: Vec<u8> = (0..number * 97).map(|n| n as u8).collect();
            fs::write(from.join(format!("{}/{number}", number % 3)), bytes).unwrap();
        }
        let plan = Plan { files: 50, bytes: 60_000 };
        let collected = |name: &str| {
            collect(std::slice::from_ref(&from), plan, &directory.path().join(name)).unwrap()
        };
        let (one, other) = (collected("one"), collected("other"));
        assert_eq!((one.files, one.repeated > 10), (50, true));
        assert_eq!(one.sha256, other.sha256);
        assert!(collect(&[directory.path().join("none")], plan, &from).is_err());
    }
}
