//! The one way to external programs.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use crate::{Context, JobError};

impl Context {
    /// Runs a program to its end: the exact command line goes to the log, and so does everything
    /// the program says. It is killed when somebody asks to stop. A status other than 0 is an
    /// error that names the program; its last words are in the log.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, OsString)],
    ) -> Result<(), JobError> {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let mut line = String::from("$");
        for (name, value) in environment {
            line.push_str(&format!(" {name}={}", quote(value)));
        }
        for word in std::iter::once(OsStr::new(program)).chain(arguments.iter().map(|a| &**a)) {
            line.push(' ');
            line.push_str(&quote(word));
        }
        self.log(line);
        let output = self.file()?;
        let mut expression = duct::cmd(program, &arguments)
            .stdin_null()
            .stdout_file(output.try_clone()?)
            .stderr_file(output)
            .unchecked();
        for (name, value) in environment {
            expression = expression.env(name, value);
        }
        let child =
            expression.start().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let status = loop {
            if let Some(output) = child.wait_timeout(Duration::from_millis(50))? {
                break output.status;
            }
            if self.stop().requested() {
                child.kill()?;
                return Err(format!("`{program}` was stopped on request").into());
            }
        };
        if status.success() { Ok(()) } else { Err(format!("`{program}` failed: {status}").into()) }
    }
}

/// A word as a shell would need it.
fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_a_shell_would_need_it() {
        assert_eq!(quote(OsStr::new("--out=a/b")), "--out=a/b");
        assert_eq!(quote(OsStr::new("it's")), r"'it'\''s'");
        assert_eq!(quote(OsStr::new("")), "''");
    }
}
