//! Manifests in source form: macros, includes and transforms, as pkgmogrify(1) knows them.
//!
//! ```text
//! $(NAME)                                   replaced by the macro's value
//! <include FILE>                            the lines of FILE
//! <transform TYPE... [KEY=REGEX]... -> OP>  changes the actions that match
//! ```
//!
//! Transforms apply in order of appearance to all actions, wherever those are written, and to the
//! actions that transforms emit.

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
    /// Values of macros, by name.
    pub macros: BTreeMap<String, String>,
    /// Whether a macro without value stays as it is, as pkgmogrify(1) leaves it; otherwise it is an
    /// error where it is used.
    pub keep_unknown: bool,
    /// Whether [`Mogrified::notes`] are wanted.
    pub explain: bool,
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
    /// What transforms did to actions, in lines: those that belong before the action of that
    /// index. They are comments of [`Mogrified::source_text`].
    pub notes: BTreeMap<usize, Vec<String>>,
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
        let notes = |text: &mut String, at: usize| {
            for note in self.notes.get(&at).into_iter().flatten() {
                text.push_str(&format!("# {note}\n"));
            }
        };
        let actions = self.actions.as_ref()?;
        for (at, located) in actions.iter().enumerate() {
            notes(&mut text, at);
            text.push_str(&format!("{}\n", source_action(&located.action)));
        }
        notes(&mut text, actions.len());
        Some(text)
    }
}

/// An action as a source manifest has it.
fn source_action(action: &Action) -> Action {
    let mut action = action.clone();
    if action.payload.is_none() && action.kind == ActionKind::File {
        action.payload = Some("NOHASH".to_owned());
    }
    action
}

/// How deep includes and macros may nest; deeper is a cycle.
const DEEPEST: usize = 32;

#[derive(Default)]
struct Input {
    /// Actions; none at the end of each file that was given (not of included ones).
    entries: Vec<Option<Located>>,
    transforms: Vec<Transform>,
}

impl Input {
    /// Applies the transforms.
    fn run(self, explain: bool) -> Result<Mogrified, Error> {
        let mut run = Run {
            transforms: &self.transforms,
            explain,
            printed: Vec::new(),
            actions: Vec::new(),
            notes: BTreeMap::new(),
        };
        let mut package = PackageValues::default();
        for entry in self.entries {
            let wanted = match entry {
                Some(located) => {
                    package.add(&located.action);
                    run.apply(Some(located), &package, 0)?
                }
                // The pseudo type `pkg` is the package as a whole, at the end of its file.
                None => {
                    let package = std::mem::take(&mut package);
                    package.list("pkg.fmri").is_empty() || run.apply(None, &package, 0)?
                }
            };
            if !wanted {
                return Ok(Mogrified { actions: None, printed: run.printed, notes: run.notes });
            }
        }
        Ok(Mogrified { actions: Some(run.actions), printed: run.printed, notes: run.notes })
    }
}

/// The application of all transforms to all actions.
struct Run<'a> {
    transforms: &'a [Transform],
    explain: bool,
    printed: Vec<String>,
    actions: Vec<Located>,
    notes: BTreeMap<usize, Vec<String>>,
}

impl Run<'_> {
    /// Applies the transforms to an action or the package, then to what they emitted, which comes
    /// behind. False when the package is not wanted.
    fn apply(
        &mut self,
        mut located: Option<Located>,
        package: &PackageValues,
        depth: usize,
    ) -> Result<bool, Error> {
        let mut emitted = Vec::new();
        let whole = located.is_none();
        for transform in self.transforms {
            let before = if self.explain { located.clone() } else { None };
            match transform.apply(located.as_mut(), package)? {
                Outcome::Continue => {}
                Outcome::Drop => located = None,
                Outcome::Print(text) => self.printed.push(text),
                Outcome::Emit(action) => emitted.extend(action),
                Outcome::Abort(message) => {
                    self.printed.extend(message);
                    return Ok(false);
                }
            }
            if let Some(before) = before
                && located.as_ref() != Some(&before)
            {
                self.note(transform, &before, located.as_ref());
            }
            if located.is_none() && !whole {
                break;
            }
        }
        self.actions.extend(located);
        for action in emitted {
            if depth == DEEPEST {
                let problem = format!("emits what it matches, {DEEPEST} times over: a cycle?");
                return Err(action.refuse(problem));
            }
            if !self.apply(Some(action), package, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes what a transform did to an action.
    fn note(&mut self, transform: &Transform, before: &Located, after: Option<&Located>) {
        let after = after
            .map_or("dropped".to_owned(), |located| source_action(&located.action).to_string());
        self.notes.entry(self.actions.len()).or_default().extend([
            format!(" Action: {}", source_action(&before.action)),
            format!("Applied: {}", transform.describe()),
            format!(" Result: {after}"),
        ]);
    }
}

impl Mogrify {
    /// Reads a manifest and the files with transforms that go with it, in this order, and
    /// applies all transforms to all actions.
    pub fn run<P: AsRef<Path>>(&self, files: &[P]) -> Result<Mogrified, Error> {
        let mut input = Input::default();
        for file in files {
            self.read(file.as_ref(), 0, &mut input)?;
            input.entries.push(None);
        }
        input.run(self.explain)
    }

    /// The same for a manifest that is published already: its actions are taken as they are,
    /// without macros and directives.
    pub fn run_published<P: AsRef<Path>>(
        &self,
        manifest: &Manifest,
        transforms: &[P],
    ) -> Result<Mogrified, Error> {
        let file: Arc<Path> = manifest.source.as_path().into();
        let locate = |line: &Line| Located {
            file: Arc::clone(&file),
            line: line.number,
            action: line.action.clone(),
        };
        let mut input = Input::default();
        input.entries.extend(manifest.lines.iter().map(locate).map(Some));
        input.entries.push(None);
        for file in transforms {
            self.read(file.as_ref(), 0, &mut input)?;
            input.entries.push(None);
        }
        input.run(self.explain)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the files of a directory, the first of which are given.
    fn run(given: &[&str], files: &[(&str, &str)]) -> Result<Mogrified, String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let mut mogrify = Mogrify::default();
        for (name, value) in [("V", "1.2"), ("OFF", "#"), ("EMPTY", ""), ("TWO", "$(V)-$(V)")] {
            mogrify.macros.insert(name.to_owned(), value.to_owned());
        }
        mogrify.macros.insert("ROUND".to_owned(), "x$(ROUND)".to_owned());
        let given: Vec<_> = given.iter().map(|name| directory.path().join(name)).collect();
        let place = format!("{}/", directory.path().display());
        mogrify.run(&given).map_err(|error| error.to_string().replace(&place, ""))
    }

    fn text(manifest: &str) -> String {
        run(&["m"], &[("m", manifest)]).unwrap().source_text().unwrap()
    }

    #[test]
    fn macros() {
        assert_eq!(text("set name=v value=$(V)\n"), "set name=v value=1.2\n");
        assert_eq!(text("set name=v value=$(TWO)\n"), "set name=v value=1.2-1.2\n");
        assert_eq!(text("$(OFF)dir path=a\n$(EMPTY)file path=b\n"), "file NOHASH path=b\n");
        let kept = Mogrify { keep_unknown: true, ..Mogrify::default() };
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("m"), "dir path=$(NONE)/$(V\n").unwrap();
        assert!(kept.run(&[directory.path().join("m")]).is_err());
        std::fs::write(directory.path().join("m"), "dir path=$(NONE)/$(V) x=$\n").unwrap();
        let text = kept.run(&[directory.path().join("m")]).unwrap().source_text().unwrap();
        assert_eq!(text, "dir path=\"$(NONE)/$(V)\" x=$\n");
        for (bad, problem) in [
            ("\ndir path=$(NONE)\n", "m:2:10: the macro $(NONE) has no value; define NONE"),
            ("dir path=$(V\n", "m:1:10: $( without )"),
            ("dir path=$(ROUND)\n", "m:1:1: macros are nested 32 deep: a cycle?"),
            ("$(V) path=a\n", "(after macros: 1.2 path=a)"),
        ] {
            let error = run(&["m"], &[("m", bad)]).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn includes() {
        let files = [
            ("m", "dir path=a\n<include \"b\">\ndir path=c\n"),
            ("b", "dir path=b\n<transform dir -> set x %{pkg.fmri;notfound=none}>\n"),
            ("round", "<include round>\n"),
            ("missing", "\n<include nothing>\n"),
            ("other", "<insert b>\n"),
            ("open", "<include b\n"),
        ];
        let done = run(&["m"], &files).unwrap();
        assert_eq!(
            done.source_text().unwrap(),
            "dir path=a x=none\ndir path=b x=none\ndir path=c x=none\n"
        );
        for (given, problem) in [
            ("round", "round:1:1: includes are nested 32 deep: a cycle?"),
            ("missing", "missing:2:1: nothing is neither beside this file nor in"),
            ("other", "other:1:1: <include or <transform was expected, not <insert"),
            ("open", "open:1:1: a directive must end with >"),
        ] {
            let error = run(&[given], &files).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn what_is_emitted_follows_and_is_transformed_too() {
        let manifest = "<transform dir path=a -> emit file path=%(path)/f>\n\
            <transform file dir -> default mode 0755>\n\
            <transform file -> emit link path=l target=%(path)>\n\
            <transform file -> drop>\n\
            <transform link -> add mark x>\n\
            dir path=a\ndir path=b\n";
        assert_eq!(
            text(manifest),
            "dir mode=0755 path=a\nlink mark=x path=l target=a/f\ndir mode=0755 path=b\n"
        );
        let round = "<transform dir -> emit dir path=%(path)/x>\ndir path=a\n";
        let error = run(&["m"], &[("m", round)]).unwrap_err();
        assert!(error.starts_with("m:1:1: emits what it matches"), "{error}");
    }

    #[test]
    fn the_package_as_a_whole() {
        let manifest = "set name=pkg.fmri value=pkg:/a@1\nset name=x value=1\ndir path=a\n";
        let transforms = "<transform pkg -> print %{pkg.fmri.name} %{x}>\n\
            <transform pkg x=1 -> emit depend fmri=b type=require>\n\
            <transform pkg x=2 -> emit depend fmri=c type=require>\n\
            <transform depend -> print %(fmri)>\n";
        let files = [("m", manifest), ("t", transforms)];
        let done = run(&["m", "t"], &files).unwrap();
        assert_eq!(done.printed, ["a 1", "b"]);
        let expected = format!("{manifest}depend fmri=b type=require\n");
        assert_eq!(done.source_text().unwrap(), expected);
    }

    #[test]
    fn packages_that_are_not_wanted() {
        for end in ["abort", "exit", "exit 0"] {
            let transforms = format!("<transform set name=x -> {end}>\n");
            let files = [("m", "dir path=a\nset name=x value=1\n"), ("t", &transforms)];
            let done = run(&["m", "t"], &files).unwrap();
            assert!(done.actions.is_none(), "{end}");
            assert_eq!(done.source_text(), None);
        }
        let files = [("m", "set name=x value=1\n"), ("t", "<transform -> exit 0 no %(name)>\n")];
        assert_eq!(run(&["m", "t"], &files).unwrap().printed, ["no x"]);
        let files = [("m", "set name=x value=1\n"), ("t", "<transform -> exit 7 bad %(name)>\n")];
        let error = run(&["m", "t"], &files).unwrap_err();
        assert_eq!(error, "t:1:1: the transform ends with 7: bad x (at m:1)");
    }
}
