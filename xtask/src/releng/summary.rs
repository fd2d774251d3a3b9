//! `summary.json`: what a run made, written last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use jobs::Finished;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::pool::PoolRecord;
use crate::environment::Checkout;
use crate::failure::Failure;

/// The contents of `summary.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The version of this form.
    pub(crate) v: u32,
    /// The version of the tool that ran.
    pub(crate) tool: &'static str,
    /// Whether the embedded sample was built.
    pub(crate) sample: bool,
    /// The system version of the repository.
    pub(crate) system_version: String,
    /// The time of the build, seconds since the epoch.
    pub(crate) build_time: i64,
    /// The commit of this workspace.
    pub(crate) source: Checkout,
    /// What anybody who uses the results must know.
    pub(crate) notices: Vec<String>,
    /// The jobs, sorted by name.
    pub(crate) jobs: Vec<JobRecord>,
    /// The pool images that this run made, by image: where their bytes go, which a later run can
    /// compare with.
    pub(crate) images: BTreeMap<&'static str, PoolRecord>,
    /// Every file of the set but the logs and this one, sorted by path.
    pub(crate) files: BTreeMap<String, FileRecord>,
}

/// A finished job.
#[derive(Debug, Serialize)]
pub(crate) struct JobRecord {
    pub(crate) name: String,
    /// Left out when `SOURCE_DATE_EPOCH` is given, so that the same inputs give the same summary;
    /// `logs/times.json` always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) milliseconds: Option<u64>,
}

/// A file of the set.
#[derive(Debug, Serialize)]
pub(crate) struct FileRecord {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// The jobs of a run, and their times into `logs/times.json`.
pub(crate) fn job_records(
    done: &[Finished],
    logs: &Path,
    reproducible: bool,
) -> Result<Vec<JobRecord>, Failure> {
    let milliseconds = |job: &Finished| job.time.as_millis() as u64;
    let times: BTreeMap<&str, u64> =
        done.iter().map(|job| (&*job.name, milliseconds(job))).collect();
    let path = logs.join("times.json");
    fs::write(&path, serde_json::to_string_pretty(&times)? + "\n")
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let record = |(name, time): (&str, u64)| JobRecord {
        name: name.to_owned(),
        milliseconds: (!reproducible).then_some(time),
    };
    Ok(times.into_iter().map(record).collect())
}

/// Size and digest of every file below a result set but its logs.
pub(crate) fn file_records(set: &Path) -> Result<BTreeMap<String, FileRecord>, Failure> {
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(set).sort_by_file_name() {
        let entry = entry.map_err(|error| format!("cannot list {}: {error}", set.display()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.into_path();
        let name = path.strip_prefix(set)?.to_string_lossy().into_owned();
        if !name.starts_with("logs/") && name != "summary.json" {
            paths.push((name, path));
        }
    }
    paths
        .into_par_iter()
        .map(|(name, path)| {
            let record = digest(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Ok((name, record))
        })
        .collect()
}

fn digest(path: &Path) -> io::Result<FileRecord> {
    let mut file = File::open(path)?;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    Ok(FileRecord { size, sha256: hex::encode(hasher.finalize()) })
}

impl Summary {
    /// Writes the file, complete or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let directory = path.parent().unwrap_or(Path::new("."));
        (|| -> io::Result<()> {
            let mut file = tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(directory)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        })()
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }
}
