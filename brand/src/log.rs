//! The log of hook calls: best effort, bounded, never a reason for a hook to fail.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the log lies in the tree that plays `/`.
pub const PATH: &str = "var/log/omicron-brand.log";

/// The size, in bytes, at which the log is renamed to `NAME.0` and begun anew.
pub const LIMIT: u64 = 1 << 20;

/// The most bytes of one line; a longer one ends in `...`.
const MAX_LINE: usize = 4096;

/// Adds one line for this call: milliseconds since the epoch, the process, the arguments.
///
/// Nothing is reported, since there is nobody to report it to: zoneadmd takes whatever a hook
/// prints for a message about the zone.
pub fn record(path: &Path, arguments: &[OsString]) {
    let milliseconds =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis());
    let mut line = format!("{milliseconds} [{}] {arguments:?}", std::process::id());
    if line.len() > MAX_LINE {
        let mut end = MAX_LINE;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str("...");
    }
    line.push('\n');

    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() + line.len() as u64 > LIMIT) {
        let mut old = path.as_os_str().to_owned();
        old.push(".0");
        let _ = std::fs::rename(path, old);
    }
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        // one write, so that lines of hooks that run at the same time do not mix
        let _ = file.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_call_and_no_more_than_two_files_of_the_limit() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("log");
        record(&path, &["-z".into(), "a\nb".into()]);
        let text = std::fs::read_to_string(&path)?;
        assert!(
            text.ends_with(&format!("[{}] [\"-z\", \"a\\nb\"]\n", std::process::id())),
            "{text}"
        );

        let long = [OsString::from("\u{e9}".repeat(MAX_LINE))];
        for _ in 0..2 * LIMIT / MAX_LINE as u64 + 10 {
            record(&path, &long);
        }
        let mut names: Vec<_> = std::fs::read_dir(directory.path())?
            .map(|entry| entry.map(|e| (e.file_name(), e.metadata().map_or(0, |m| m.len()))))
            .collect::<Result<_, _>>()?;
        names.sort();
        assert_eq!(names.len(), 2);
        assert!(names.iter().all(|(_, size)| *size <= LIMIT), "{names:?}");
        Ok(())
    }

    #[test]
    fn a_log_that_cannot_be_written_is_left_out() {
        record(Path::new("/nonexistent/log"), &[]);
    }
}
