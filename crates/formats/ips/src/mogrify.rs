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

mod apply;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::apply::Input;
use crate::located::Located;
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
