//! Reading of source files: macros, includes, transforms, actions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apply::Input;
use super::{DEEPEST, Mogrify};
use crate::located::Located;
use crate::manifest::{LogicalLine, logical_lines};
use crate::transform::Transform;
use crate::{Action, Error};

impl Mogrify {
    pub(super) fn read(&self, path: &Path, depth: usize, input: &mut Input) -> Result<(), Error> {
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
                    let name = name.trim_matches('"');
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
                    input.entries.push(Some(Located { file, line, action }));
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
            let mut replaced = false;
            while let Some((before, after)) = rest.split_once("$(") {
                let refuse = |problem: String| {
                    let offset = logical.text.find("$(").unwrap_or(0);
                    let at = logical.text.find(&format!("$({after}")).unwrap_or(offset);
                    let (line, column) = logical.position(at);
                    Error::Manifest { path: path.to_owned(), line, column, problem }
                };
                let (name, after) =
                    after.split_once(')').ok_or_else(|| refuse("$( without )".to_owned()))?;
                result.push_str(before);
                match self.macros.get(name) {
                    Some(value) => {
                        result.push_str(value);
                        replaced = true;
                    }
                    None if self.keep_unknown => result.push_str(&format!("$({name})")),
                    None => {
                        return Err(refuse(format!(
                            "the macro $({name}) has no value; define {name}"
                        )));
                    }
                }
                rest = after;
            }
            if !replaced {
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
