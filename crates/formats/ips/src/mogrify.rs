//! Manifests in source form: macros, includes and transforms, as pkgmogrify(1) knows them.
//!
//! ```text
//! $(NAME)                                   replaced by the macro's value
//! <include FILE>                            the lines of FILE
//! <transform TYPE... [KEY=REGEX]... -> OP>  changes the actions that match
//! ```
//!
//! Transforms apply in order of appearance to all actions, wherever those are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::manifest::{LogicalLine, logical_lines};
use crate::operands::PackageValues;
use crate::transform::{Outcome, Transform};
use crate::{Action, ActionKind, Error, Line, Manifest};

/// How to read manifests in source form.
#[derive(Debug, Clone, Default)]
pub struct Mogrify {
    /// Values of macros, by name. A macro without value is an error where it is used.
    pub macros: BTreeMap<String, String>,
    /// Where included files are looked for, after the directory of the file that includes.
    pub include_directories: Vec<PathBuf>,
}

/// What [`Mogrify::run`] made.
#[derive(Debug, Clone)]
pub struct Mogrified {
    /// The actions; none when a transform said `abort`: the package is not wanted.
    pub actions: Option<Vec<Located>>,
    /// What transforms printed, one text per `print`.
    pub printed: Vec<String>,
}

/// An action and the place it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// The action.
    pub action: Action,
}

impl Located {
    /// An error about this action.
    pub(crate) fn refuse(&self, problem: impl Into<String>) -> Error {
        Error::Manifest {
            path: self.file.to_path_buf(),
            line: self.line,
            column: 1,
            problem: problem.into(),
        }
    }
}

impl Mogrified {
    /// The actions as a manifest; none when a transform said `abort`.
    pub fn manifest(&self, source: impl Into<PathBuf>) -> Option<Manifest> {
        let lines = self.actions.as_ref()?.iter();
        let lines =
            lines.map(|located| Line { number: located.line, action: located.action.clone() });
        Some(Manifest { source: source.into(), lines: lines.collect() })
    }

    /// The actions as another source manifest, in canonical form: a file or licence that names no
    /// content says `NOHASH`. None when a transform said `abort`.
    pub fn source_text(&self) -> Option<String> {
        let mut text = String::new();
        for located in self.actions.as_ref()? {
            let mut action = located.action.clone();
            if action.payload.is_none() && action.kind == ActionKind::File {
                action.payload = Some("NOHASH".to_owned());
            }
            text.push_str(&format!("{action}\n"));
        }
        Some(text)
    }
}

/// How deep includes and macros may nest; deeper is a cycle.
const DEEPEST: usize = 32;

#[derive(Default)]
struct Input {
    actions: Vec<Located>,
    transforms: Vec<Transform>,
}

impl Mogrify {
    /// Reads a manifest and the files with transforms that go with it, in this order, and
    /// applies all transforms to all actions.
    pub fn run<P: AsRef<Path>>(&self, files: &[P]) -> Result<Mogrified, Error> {
        let mut input = Input::default();
        for file in files {
            self.read(file.as_ref(), 0, &mut input)?;
        }
        let mut result = Mogrified { actions: None, printed: Vec::new() };
        let package = PackageValues::of(input.actions.iter().map(|located| &located.action));
        let mut actions = Vec::new();
        let whole = std::iter::once(None);
        // Transforms of the pseudo type `pkg` see the package as a whole, before its actions.
        for located in whole.chain(input.actions.into_iter().map(Some)) {
            let mut current = located;
            let is_package = current.is_none();
            for transform in &input.transforms {
                if !is_package && current.is_none() {
                    break;
                }
                match transform.apply(current.as_mut(), &package)? {
                    Outcome::Continue => {}
                    Outcome::Drop => current = None,
                    Outcome::Print(text) => result.printed.push(text),
                    Outcome::Emit(Some(emitted)) => actions.push(emitted),
                    Outcome::Emit(None) => {}
                    Outcome::Abort => return Ok(result),
                }
            }
            actions.extend(current);
        }
        result.actions = Some(actions);
        Ok(result)
    }

    fn read(&self, path: &Path, depth: usize, input: &mut Input) -> Result<(), Error> {
        let file: Arc<Path> = path.into();
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        for logical in logical_lines(&text) {
            if logical.is_skipped() {
                continue;
            }
            let refuse = |problem: String| Error::Manifest {
                path: path.to_owned(),
                line: logical.number(),
                column: 1,
                problem,
            };
            let line = self.substitute(path, &logical)?;
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match directive(&line) {
                Some(("include", name)) => {
                    if depth == DEEPEST {
                        return Err(refuse(format!(
                            "includes are nested {DEEPEST} deep: a cycle?"
                        )));
                    }
                    let found = self.find(path, name).ok_or_else(|| {
                        refuse(format!(
                            "{name} is neither beside this file nor in {}",
                            list(&self.include_directories)
                        ))
                    })?;
                    self.read(&found, depth + 1, input)?;
                }
                Some(("transform", rest)) => input.transforms.push(
                    Transform::parse(rest, Arc::clone(&file), logical.number()).map_err(refuse)?,
                ),
                Some((word, _)) => {
                    return Err(refuse(format!(
                        "<include or <transform was expected, not <{word}"
                    )));
                }
                None if line.starts_with('<') => {
                    return Err(refuse("a directive must end with >".to_owned()));
                }
                None => {
                    let action = Action::parse(&line).map_err(|error| {
                        let changed = line != logical.text;
                        let (at, column) = logical.position(if changed { 0 } else { error.offset });
                        Error::Manifest {
                            path: path.to_owned(),
                            line: at,
                            column,
                            problem: if changed {
                                format!("{} (after macros: {line})", error.problem)
                            } else {
                                error.problem
                            },
                        }
                    })?;
                    let (file, line) = (Arc::clone(&file), logical.number());
                    input.actions.push(Located { file, line, action });
                }
            }
        }
        Ok(())
    }

    /// Replaces macros until there are none; a macro's value may hold others.
    fn substitute(&self, path: &Path, logical: &LogicalLine) -> Result<String, Error> {
        let mut line = logical.text.clone();
        for _ in 0..DEEPEST {
            let mut result = String::with_capacity(line.len());
            let mut rest = line.as_str();
            while let Some((before, after)) = rest.split_once("$(") {
                let refuse = |problem: String| {
                    let offset = logical.text.find("$(").unwrap_or(0);
                    let at = logical.text.find(&format!("$({after}")).unwrap_or(offset);
                    let (line, column) = logical.position(at);
                    Error::Manifest { path: path.to_owned(), line, column, problem }
                };
                let (name, after) =
                    after.split_once(')').ok_or_else(|| refuse("$( without )".to_owned()))?;
                let value = self.macros.get(name).ok_or_else(|| {
                    refuse(format!("the macro $({name}) has no value; define {name}"))
                })?;
                result.push_str(before);
                result.push_str(value);
                rest = after;
            }
            if rest.len() == line.len() {
                return Ok(line);
            }
            result.push_str(rest);
            line = result.trim_start_matches([' ', '\t']).to_owned();
        }
        let (line, column) = logical.position(0);
        let problem = format!("macros are nested {DEEPEST} deep: a cycle?");
        Err(Error::Manifest { path: path.to_owned(), line, column, problem })
    }

    fn find(&self, from: &Path, name: &str) -> Option<PathBuf> {
        let beside = from.parent().unwrap_or(Path::new(""));
        std::iter::once(beside)
            .chain(self.include_directories.iter().map(PathBuf::as_path))
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    }
}

fn list(directories: &[PathBuf]) -> String {
    let names: Vec<_> = directories.iter().map(|d| d.display().to_string()).collect();
    if names.is_empty() {
        "any include directory (none given)".to_owned()
    } else {
        names.join(", ")
    }
}

/// `<WORD REST>`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let inner = line.strip_prefix('<')?.trim_end().strip_suffix('>')?;
    let (word, rest) = inner.split_once([' ', '\t']).unwrap_or((inner, ""));
    Some((word, rest.trim()))
}

impl Mogrified {
    /// The values of `set name=NAME` in the result.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let actions = self.actions.iter().flatten().map(|located| &located.action);
        actions
            .filter(|action| action.kind == ActionKind::Set && action.get("name") == Some(name))
            .flat_map(|action| action.attributes.list("value"))
            .map(String::as_str)
            .collect()
    }
}
