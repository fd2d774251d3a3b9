//! What the check of a template finds.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something about a template that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The template file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Whether the template can be applied all the same.
    pub severity: Severity,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The template cannot be applied.
    Error,
    /// The template can be applied; it may not do what was meant.
    Warning,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, "{}:{}: {severity}{}", self.file.display(), self.line, self.message)
    }
}

/// Collects the findings of one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) file: &'a Path,
    pub(crate) findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    pub(crate) fn error(&mut self, line: usize, message: impl Into<String>) {
        self.add(Severity::Error, line, message.into());
    }

    pub(crate) fn warning(&mut self, line: usize, message: impl Into<String>) {
        self.add(Severity::Warning, line, message.into());
    }

    fn add(&mut self, severity: Severity, line: usize, message: String) {
        self.findings.push(Finding { file: self.file.to_owned(), line, severity, message });
    }
}

/// `; did you mean ...?` for the candidate nearest to a word, or nothing if none is near.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.len().max(3))
        .min()
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let suggest = |word| suggestion(word, ["remove_files", "include", "dir", "file"]);
        assert_eq!(suggest("remove_file"), "; did you mean `remove_files`?");
        assert_eq!(suggest("dri"), "; did you mean `dir`?");
        assert_eq!(suggest("banana"), "");
    }
}
