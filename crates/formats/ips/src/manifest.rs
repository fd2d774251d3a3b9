//! Manifests: the actions of one package.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Action, ActionKind, Error, Fmri};

/// An action and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line on which it begins, from 1; 0 for an action that was never written.
    pub number: usize,
    /// The action.
    pub action: Action,
}

/// The actions of one package, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// The file (or another name, for messages) it was read from.
    pub source: PathBuf,
    /// The actions.
    pub lines: Vec<Line>,
}

impl Manifest {
    /// A manifest of these actions, which were never written.
    pub fn from_actions(
        source: impl Into<PathBuf>,
        actions: impl IntoIterator<Item = Action>,
    ) -> Self {
        let lines = actions.into_iter().map(|action| Line { number: 0, action }).collect();
        Self { source: source.into(), lines }
    }

    /// Reads a manifest. `source` is only for messages, which name it, the line and the column.
    ///
    /// Blank lines and lines that begin with `#` are skipped; a `\` at the end of a line joins
    /// the next to it, without its leading blanks.
    pub fn parse(source: impl AsRef<Path>, text: &str) -> Result<Self, Error> {
        let source = source.as_ref();
        let mut lines = Vec::new();
        for logical in logical_lines(text) {
            if logical.is_skipped() {
                continue;
            }
            let action = Action::parse(&logical.text).map_err(|error| {
                let (line, column) = logical.position(error.offset);
                Error::Manifest { path: source.to_owned(), line, column, problem: error.problem }
            })?;
            lines.push(Line { number: logical.number(), action });
        }
        Ok(Self { source: source.to_owned(), lines })
    }

    /// Reads a manifest file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(path, &text)
    }

    /// The actions, in order.
    pub fn actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.lines.iter().map(|line| &line.action)
    }

    /// The actions of one kind, in order.
    pub fn of_kind(&self, kind: ActionKind) -> impl Iterator<Item = &Action> {
        self.actions().filter(move |action| action.kind == kind)
    }

    /// The values of the first `set` action called `name`; empty when there is none.
    pub fn values(&self, name: &str) -> &[String] {
        self.of_kind(ActionKind::Set)
            .find(|action| action.get("name") == Some(name))
            .map_or(&[], |action| action.attributes.list("value"))
    }

    /// The first of [`Manifest::values`].
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().map(String::as_str)
    }

    /// What `set name=pkg.fmri` says; an error when it is missing or no FMRI.
    pub fn fmri(&self) -> Result<Fmri, Error> {
        let line = self.lines.iter().find(|line| {
            line.action.kind == ActionKind::Set && line.action.get("name") == Some("pkg.fmri")
        });
        let refuse = |line: usize, problem: String| Error::Manifest {
            path: self.source.clone(),
            line,
            column: 1,
            problem,
        };
        let line = line.ok_or_else(|| {
            refuse(1, "no `set name=pkg.fmri value=...` says which package this is".to_owned())
        })?;
        let value = line.action.get("value").unwrap_or_default();
        Fmri::parse(value).map_err(|error| refuse(line.number, error.to_string()))
    }

    /// Refuses a manifest that says it is another package's than it is taken for. One that does not
    /// say is believed.
    pub(crate) fn of_package(self, fmri: &Fmri) -> Result<Self, Error> {
        let Some(line) = self.lines.iter().find(|line| {
            line.action.kind == ActionKind::Set && line.action.get("name") == Some("pkg.fmri")
        }) else {
            return Ok(self);
        };
        let found = self.fmri()?;
        let publisher = found.publisher.as_ref().or(fmri.publisher.as_ref());
        if found.stem == fmri.stem
            && found.version == fmri.version
            && publisher == fmri.publisher.as_ref()
        {
            return Ok(self);
        }
        Err(Error::Manifest {
            path: self.source.clone(),
            line: line.number,
            column: 1,
            problem: format!("this is the manifest of {found}, where that of {fmri} was expected"),
        })
    }

    /// The values of the variant `name` (e.g. `variant.arch`) the package supports; none when it
    /// does not say, which means all.
    pub fn variant(&self, name: &str) -> Option<&[String]> {
        Some(self.values(name)).filter(|values| !values.is_empty())
    }

    /// Whether a `set` action has this name and the value `true`.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether the package is obsolete.
    pub fn is_obsolete(&self) -> bool {
        self.says("pkg.obsolete")
    }

    /// Whether the package was renamed: its `require` dependency takes its place.
    pub fn is_renamed(&self) -> bool {
        self.says("pkg.renamed")
    }
}

/// Two manifests are equal when they hold the same actions in the same order.
impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.actions().eq(other.actions())
    }
}

/// Canonical form: one action a line, in order.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actions().try_for_each(|action| writeln!(f, "{action}"))
    }
}

/// A line with its continuation lines joined, and where each part of it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogicalLine {
    /// The joined text, without leading blanks.
    pub(crate) text: String,
    /// For each physical line: where in `text` it begins, its number, its indentation in bytes.
    parts: Vec<(usize, usize, usize)>,
}

impl LogicalLine {
    /// The physical line on which it begins, from 1.
    pub(crate) fn number(&self) -> usize {
        self.parts.first().map_or(0, |part| part.1)
    }

    /// Whether it is blank or a comment.
    pub(crate) fn is_skipped(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    /// The physical line and column (both from 1, columns in characters) of a byte of `text`.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let part = self.parts.iter().rev().find(|part| part.0 <= offset);
        let (start, line, indent) = part.copied().unwrap_or((0, 1, 0));
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        (line, indent + before + 1)
    }
}

/// Splits text into lines, joining those that end in `\` to the next.
pub(crate) fn logical_lines(text: &str) -> impl Iterator<Item = LogicalLine> {
    let mut physical = text.split('\n').enumerate();
    std::iter::from_fn(move || {
        let mut joined = LogicalLine { text: String::new(), parts: Vec::new() };
        for (index, line) in physical.by_ref() {
            let trimmed = line.trim_start_matches([' ', '\t']);
            joined.parts.push((joined.text.len(), index + 1, line.len() - trimmed.len()));
            match trimmed.strip_suffix('\\') {
                Some(continued) => joined.text.push_str(continued),
                None => {
                    joined.text.push_str(trimmed);
                    return Some(joined);
                }
            }
        }
        (!joined.parts.is_empty()).then_some(joined)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "# a comment\n\
        set name=pkg.fmri \\\n    value=pkg://p/a@1,5.11:20260102T030405Z\n\n\
        set name=variant.arch value=i386 value=sparc\n\
        dir path=a mode=0755 \\\n  owner=root\n";

    #[test]
    fn reads_lines_and_numbers() {
        let manifest = Manifest::parse("x.p5m", TEXT).unwrap();
        let numbers: Vec<_> = manifest.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [2, 5, 6]);
        assert_eq!(manifest.fmri().unwrap().stem, "a");
        assert_eq!(manifest.variant("variant.arch").unwrap(), ["i386", "sparc"]);
        assert_eq!(manifest.variant("variant.zone"), None);
        assert!(!manifest.is_obsolete());
    }

    #[test]
    fn errors_name_file_line_and_column() {
        for (text, position) in [
            ("dir path=a\n  dir path=\"b\n", "x.p5m:2:12: "),
            ("dir path=a \\\n  mode=\n", "x.p5m:2:8: "),
            ("\n\nbogus\n", "x.p5m:3:1: "),
            ("dir path=ü x\n", "x.p5m:1:12: "),
        ] {
            let error = Manifest::parse("x.p5m", text).unwrap_err().to_string();
            assert!(error.starts_with(position), "{error}");
        }
        let error = Manifest::parse("x", "set name=a value=b\n").unwrap().fmri().unwrap_err();
        assert!(error.to_string().contains("pkg.fmri"), "{error}");
    }

    #[test]
    fn a_continuation_at_the_end_of_the_file() {
        let manifest = Manifest::parse("x", "dir path=a \\").unwrap();
        assert_eq!(manifest.to_string(), "dir path=a\n");
    }

    proptest! {
        #[test]
        fn printed_is_what_was_read(text in "((dir|link|file x) path=[ab\\\\]{1,3}( y=[\"'\\\\a ]{0,5})?\\\\?\n ?){0,4}") {
            if let Ok(manifest) = Manifest::parse("x", &text) {
                let printed = manifest.to_string();
                let again = Manifest::parse("x", &printed).unwrap();
                prop_assert_eq!(&again, &manifest, "{}", printed);
            }
        }

        #[test]
        fn never_panics(text in "[\\PC\n\\\\\t]*") {
            let _ = Manifest::parse("x", &text);
        }
    }
}
