//! `cargo xtask tuf check`: how long a repository is still good.

use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Check how long a repository is still good.
///
/// Only the container and the signed metadata are read, so this is quick on any size; `verify`
/// reads every target. Exit status 0: good for longer; 1: refused; 4: expired; 7: expires within
/// the given time.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf check repo.zip
  cargo xtask tuf check --expiring-within 30d --trust-root root.json repo.zip")]
pub(super) struct Check {
    /// Leave with status 7 when the repository expires within this time: days (30d), weeks (2w) or
    /// hours (12h)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expiring_within: Option<SignedDuration>,

    /// The trusted root; without one the repository's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// The time to judge expiry by (default: now)
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The repository: a zip, or a directory with the same files
    repository: PathBuf,
}

impl Check {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let listing = super::open(&self.repository, self.trust_root.as_deref(), printer)?.listing();
        let at = self.at.unwrap_or_else(Timestamp::now);
        let left = listing.expires.duration_since(at);
        let status = if left <= SignedDuration::ZERO {
            ExitStatus::Expired
        } else if self.expiring_within.is_some_and(|within| left <= within) {
            ExitStatus::Expiring
        } else {
            ExitStatus::Success
        };
        if self.json {
            printer.json(&serde_json::json!({
                "path": listing.path,
                "at": at,
                "expires": listing.expires,
                "seconds_left": left.as_secs(),
                "expiries": listing.expiries,
                "expired": status == ExitStatus::Expired,
                "expiring": status == ExitStatus::Expiring,
            }))?;
        } else {
            let word = match status {
                ExitStatus::Expired => "expired",
                _ => "expires",
            };
            let days = left.as_hours().abs() / 24;
            let side = if left.is_negative() { "ago" } else { "from now" };
            printer.result(format_args!(
                "{}: {word} {}, {days} days {side}",
                self.repository.display(),
                listing.expires
            ));
        }
        Ok(status)
    }
}

/// Reads `30d`, `2w` or `12h`.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let wanted = || format!("{text:?} is no time such as 30d, 2w or 12h");
    let unit = text.chars().last().ok_or_else(wanted)?;
    let hours: i64 = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return Err(wanted()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wanted())?;
    Ok(SignedDuration::from_hours(i64::from(count) * hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(duration("2w"), Ok(SignedDuration::from_hours(336)));
        assert_eq!(duration("4294967295w"), Ok(SignedDuration::from_hours(721_554_505_560)));
        for bad in ["", "d", "30", "-1d", "1.5d", "30 days", "1m", "30é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
