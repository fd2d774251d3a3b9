//! What a running job can reach.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, JobError, Stop};

/// A running job's log and its way to external programs.
#[derive(Debug, Clone)]
pub struct Context {
    log: Arc<Mutex<File>>,
    path: PathBuf,
    stop: Stop,
}

impl Context {
    pub(crate) fn create(path: PathBuf, stop: Stop) -> Result<Self, Error> {
        let file =
            File::create(&path).map_err(|source| Error::Log { path: path.clone(), source })?;
        Ok(Self { log: Arc::new(Mutex::new(file)), path, stop })
    }

    /// Writes a line to the job's log. A log that cannot be written must not fail the job.
    pub fn log(&self, line: impl Display) {
        let mut file = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(file, "{line}");
    }

    /// The log file.
    pub(crate) fn log_path(&self) -> &Path {
        &self.path
    }

    /// Returns an error once somebody asked to stop; call it between steps of long work.
    pub fn check_stop(&self) -> Result<(), JobError> {
        if self.stop.requested() { Err("stopped on request".into()) } else { Ok(()) }
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(crate) fn file(&self) -> std::io::Result<File> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).try_clone()
    }

    pub(crate) fn tail(&self, lines: usize) -> Vec<String> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }
}
