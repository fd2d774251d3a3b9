//! The only door to standard output and standard error.
//!
//! A reader that has gone away is no error of ours: failures to print are left aside.

use std::io::Write as _;

/// Writes data to standard output.
pub(crate) fn data(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn message(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints a line of progress in the form that installations of zones have.
pub(crate) fn info(line: &str) {
    data(&format!("INFO: omicron: {line}\n"));
}

/// Prints a line of progress beside data.
pub(crate) fn progress(line: &str) {
    message(&format!("INFO: omicron: {line}\n"));
}

/// Prints data for a program, on one line.
pub(crate) fn json(value: &impl serde::Serialize) {
    let mut out = std::io::stdout().lock();
    let _ = serde_json::to_writer(&mut out, value).map(|()| out.write_all(b"\n"));
}

/// Prints an error and the chain of its causes.
pub(crate) fn error(error: &dyn std::error::Error) {
    let mut text = format!("ERROR: omicron: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        // some messages have their cause in them
        let next_text = next.to_string();
        if !text.ends_with(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        cause = next.source();
    }
    message(&format!("{text}\n"));
}

/// Prints a problem and its fix.
pub(crate) fn finding(what: &str, fix: &str) {
    message(&format!("ERROR: omicron: {what}\nERROR: omicron:   change: {fix}\n"));
}

/// Prints a line for somebody who looks for a problem in the brand itself.
pub(crate) fn debug(line: &str) {
    message(&format!("DEBUG: omicron: {line}\n"));
}

/// Prints how the program is called.
pub(crate) fn usage(text: &str) {
    message(text);
}
