//! The one way to external programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Context, JobError};

/// A command line that a job is going to run; made by [`Context::command`].
#[derive(Debug)]
pub struct Command<'a> {
    context: &'a Context,
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
}

impl Context {
    /// A command line for an external program.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command {
            context: self,
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
        }
    }
}

impl Command<'_> {
    /// Adds arguments.
    #[must_use]
    pub fn arguments<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the program's environment, or removes it.
    #[must_use]
    pub fn environment(mut self, name: impl AsRef<OsStr>, value: Option<&OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.map(OsStr::to_owned)));
        self
    }

    /// Runs the program in a directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Runs the program to its end: the exact command line goes to the log, and so does
    /// everything the program says. It is killed when somebody asks to stop. A status other than
    /// 0 is an error that names the program; its last words are in the log.
    pub fn run(self) -> Result<(), JobError> {
        self.context.log(self.line());
        let program = self.program.to_string_lossy().into_owned();
        let output = self.context.file()?;
        let mut expression = duct::cmd(&self.program, &self.arguments)
            .stdin_null()
            .stdout_file(output.try_clone()?)
            .stderr_file(output)
            .unchecked();
        if let Some(directory) = &self.directory {
            expression = expression.dir(directory);
        }
        for (name, value) in &self.environment {
            expression = match value {
                Some(value) => expression.env(name, value),
                None => expression.env_remove(name),
            };
        }
        let child =
            expression.start().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let status = loop {
            if let Some(output) = child.wait_timeout(Duration::from_millis(50))? {
                break output.status;
            }
            if self.context.stop().requested() {
                child.kill()?;
                return Err(format!("`{program}` was stopped on request").into());
            }
        };
        if status.success() { Ok(()) } else { Err(format!("`{program}` failed: {status}").into()) }
    }

    /// The command line as it could be typed into a shell.
    fn line(&self) -> String {
        let mut line = String::from("$");
        if let Some(directory) = &self.directory {
            line.push_str(&format!(" cd {} &&", quote(directory.as_os_str())));
        }
        if !self.environment.is_empty() {
            line.push_str(" env");
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => {
                    line.push_str(&format!(" {}={}", name.to_string_lossy(), quote(value)));
                }
                None => line.push_str(&format!(" -u {}", name.to_string_lossy())),
            }
        }
        for word in std::iter::once(&self.program).chain(&self.arguments) {
            line.push(' ');
            line.push_str(&quote(word));
        }
        line
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
