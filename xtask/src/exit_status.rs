//! What the exit status of `cargo xtask` means. Scripts may rely on the numbers.

use std::process::ExitCode;

/// The exit status of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: done, nothing found.
    Success,
    /// 1: the command ran and found problems (a bad repository, a failed test).
    Findings,
    /// 2: the command line or a configuration file is wrong; nothing was done. (clap uses it too.)
    Usage,
    /// 3: a job or an operation failed.
    Failed,
    /// 4: the repository is good but expired.
    Expired,
    /// 5: an input is missing.
    Missing,
    /// 6: another run holds the output.
    Locked,
    /// 7: the repository is good and will expire soon.
    Expiring,
    /// 130: interrupted.
    Interrupted,
}

/// The table that `--help` shows.
pub(crate) const TABLE: &str = "Exit status:
  0    done, nothing found
  1    the command ran and found problems
  2    the command line or a configuration file is wrong; nothing was done
  3    a job or an operation failed
  4    the repository is good but expired
  5    an input is missing
  6    another run holds the output directory
  7    the repository is good and expires within the given time
  130  interrupted";

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Findings => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Failed => 3,
            ExitStatus::Expired => 4,
            ExitStatus::Missing => 5,
            ExitStatus::Locked => 6,
            ExitStatus::Expiring => 7,
            ExitStatus::Interrupted => 130,
        })
    }
}
