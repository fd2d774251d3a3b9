//! Errors of a graph and of its jobs.

use std::path::PathBuf;

/// What a job's own code returns when it fails.
pub type JobError = Box<dyn std::error::Error + Send + Sync>;

/// Why a graph cannot run, or did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two jobs make the same file.
    #[error("jobs `{first}` and `{second}` both make {}", .path.display())]
    MadeTwice {
        /// The file.
        path: PathBuf,
        /// The job that was there first.
        first: String,
        /// The other.
        second: String,
    },
    /// Two jobs of one name; their logs would be one file.
    #[error("two jobs are named `{0}`")]
    SameName(String),
    /// Nobody makes an input and it is not there.
    #[error("job `{job}` reads {}, which no job makes and which is not there", .path.display())]
    NoInput {
        /// The job.
        job: String,
        /// The missing file.
        path: PathBuf,
    },
    /// Jobs wait for each other in a circle.
    #[error("jobs wait for each other: {}", .jobs.join(" -> "))]
    Circle {
        /// The jobs in the circle, in order.
        jobs: Vec<String>,
    },
    /// A job ended without making what it said.
    #[error("job `{job}` ended without making {}", .path.display())]
    NotMade {
        /// The job.
        job: String,
        /// The missing file.
        path: PathBuf,
    },
    /// A job failed.
    #[error("job `{job}` failed")]
    Failed {
        /// The job.
        job: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of its log.
        tail: Vec<String>,
        /// Why it failed.
        source: JobError,
    },
    /// Somebody asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// A log file could not be written.
    #[error("cannot write {}", .path.display())]
    Log {
        /// The log file or the directory of logs.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}
