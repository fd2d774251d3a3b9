//! The only door to standard output and standard error.

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::path::Path;

use baseline::{Report, Verified, Warning};

/// What was made, on standard output; what was not as it should be, on standard error.
pub(crate) fn report(report: &Report) {
    for fmri in &report.global_only {
        line(&mut stdout(), &format!("left out, for global zones only: {}", fmri.short()));
    }
    for warning in &report.warnings {
        self::warning(warning);
    }
    for file in [&report.archive, &report.gzonly] {
        line(&mut stdout(), &format!("{} {} {}", file.sha256, file.size, file.path.display()));
    }
    line(
        &mut stdout(),
        &format!(
            "{} packages, {} paths, {} paths of global zones only",
            report.packages.len(),
            report.entries,
            report.gzonly_paths
        ),
    );
}

fn warning(warning: &Warning) {
    line(&mut stderr(), &format!("warning: {warning}"));
}

/// Whether an archive belongs to a proto.
pub(crate) fn verified(archive: &Path, verified: &Verified) {
    let archive = archive.display();
    let text = if verified.belongs() {
        format!("{archive} belongs to this image")
    } else if verified.sealed != verified.proto {
        format!("{archive} was made from other packages than this image has; make it anew")
    } else {
        format!("{archive}: the gzonly.txt beside it is from another run; make both anew")
    };
    line(&mut stdout(), &text);
}

/// A line that tells what is going on.
pub(crate) fn note(text: &str) {
    line(&mut stderr(), text);
}

/// An error with its causes.
pub(crate) fn error(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    line(&mut stderr(), &text);
}

/// A reader that has gone away is no reason to fail.
fn line(to: &mut dyn Write, text: &str) {
    let _ = writeln!(to, "{text}");
}
