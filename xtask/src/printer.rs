//! The only door to standard output and standard error.
//!
//! Standard output carries results (paths, reports, JSON); everything that is talk goes to
//! standard error. Colours carry no meaning of their own and follow `NO_COLOR` and
//! `CLICOLOR_FORCE`.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Prints.
#[derive(Debug)]
pub(crate) struct Printer(());

impl Printer {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// A result, on standard output. A reader that went away is not an error.
    pub(crate) fn result(&self, text: impl Display) {
        let _ = writeln!(anstream::stdout(), "{text}");
    }

    /// The bytes of a file, on standard output. A reader that went away is not an error.
    pub(crate) fn copy(&self, file: &mut impl io::Read) -> io::Result<()> {
        // Nothing comes between: these bytes may be anything, not only text.
        let mut out = io::stdout().lock();
        match io::copy(file, &mut out).and_then(|_| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Standard output for a result that is bytes.
    pub(crate) fn bytes(&self) -> impl io::Write {
        io::BufWriter::with_capacity(256 << 10, io::stdout())
    }

    /// Talk, on standard error.
    pub(crate) fn say(&self, text: impl Display) {
        eprintln!("{text}");
    }

    /// Something went well.
    pub(crate) fn good(&self, word: &str, text: impl Display) {
        eprintln!("{GOOD}{word:>9}{GOOD:#} {text}");
    }

    /// Something the user should know.
    pub(crate) fn warn(&self, text: impl Display) {
        eprintln!("{WARNING}warning{WARNING:#}: {text}");
    }

    /// A value as one line of JSON on standard output.
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        println!("{}", serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// One event as a line of JSON on standard error.
    pub(crate) fn event(&self, value: &serde_json::Value) {
        eprintln!("{value}");
    }

    /// The last thing that is printed when a command fails.
    pub(crate) fn failure(&self, failure: &Failure) {
        eprintln!("{ERROR}error{ERROR:#}: {}", failure.error);
        let mut source = failure.error.source();
        while let Some(cause) = source {
            eprintln!("  {FAINT}because{FAINT:#} {cause}");
            source = cause.source();
        }
        if let Some((tail, path)) = &failure.log {
            if !tail.is_empty() {
                eprintln!("{FAINT}last lines of its log:{FAINT:#}");
            }
            for line in tail {
                eprintln!("  {line}");
            }
            eprintln!("{FAINT}log{FAINT:#}: {}", path.display());
        }
        for hint in &failure.hints {
            eprintln!("{HINT}hint{HINT:#}: {hint}");
        }
    }
}

/// A duration as people read it.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A size as people read it.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        0..=9_999 => format!("{size} B"),
        10_000..=9_999_999 => format!("{:.1} kB", size as f64 / 1e3),
        _ => format!("{:.1} MB", size as f64 / 1e6),
    }
}
