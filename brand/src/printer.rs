//! The only door to standard output and standard error.
#![expect(clippy::print_stderr, reason = "this is the door")]

use std::io::Write as _;

/// Writes data to standard output. A reader that has gone away is no error of ours.
pub(crate) fn data(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a line of progress in the form that installations of zones have.
pub(crate) fn info(line: &str) {
    data(&format!("INFO: omicron: {line}\n"));
}

/// Prints an error and the chain of its causes.
pub(crate) fn error(error: &dyn std::error::Error) {
    let mut text = format!("ERROR: omicron: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    eprintln!("{text}");
}

/// Prints a problem and its fix.
pub(crate) fn finding(what: &str, fix: &str) {
    eprintln!("ERROR: omicron: {what}\nERROR: omicron:   change: {fix}");
}

/// Prints a line for somebody who looks for a problem in the brand itself.
pub(crate) fn debug(line: &str) {
    eprintln!("DEBUG: omicron: {line}");
}

/// Prints how the program is called.
pub(crate) fn usage(text: &str) {
    eprint!("{text}");
}
