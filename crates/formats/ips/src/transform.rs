//! `<transform TYPE... [KEY=REGEX]... -> OPERATION>`.

use std::path::Path;
use std::sync::Arc;

use fancy_regex::Regex;

use crate::grammar::key_values;
use crate::located::Located;
use crate::operands::{PAYLOAD, PackageValues, Scope, refers, values, words};
use crate::{Action, ActionKind, Error};

/// A rule that changes the actions it matches.
#[derive(Debug)]
pub(crate) struct Transform {
    file: Arc<Path>,
    line: usize,
    text: String,
    kinds: Vec<ActionKind>,
    package: bool,
    conditions: Vec<(String, Regex)>,
    operation: Operation,
}

/// What a transform does. Texts may refer to attributes and groups; see [`Scope::expand`].
#[derive(Debug)]
enum Operation {
    Abort,
    Add { key: String, value: String },
    Default { key: String, value: String },
    Delete { key: String, matching: Regex },
    Drop,
    Edit { key: String, matching: Matching, replacement: String },
    Emit(String),
    Exit { code: i32, message: String },
    Print(String),
    Set { key: String, value: String },
}

/// The pattern of an edit: what refers to values is compiled when they are known.
#[derive(Debug)]
enum Matching {
    Compiled(Regex),
    Text(String),
}

/// What becomes of the action after one transform.
pub(crate) enum Outcome {
    /// The next transform sees it.
    Continue,
    /// It is gone.
    Drop,
    /// Another action comes before it (or a comment or blank line, which is nothing).
    Emit(Option<Located>),
    /// Something was printed.
    Print(String),
    /// The package is not wanted; perhaps it is said why.
    Abort(Option<String>),
}

impl Transform {
    /// Reads what stands between `<transform` and `>`. Says what is wrong.
    pub(crate) fn parse(text: &str, file: Arc<Path>, line: usize) -> Result<Self, String> {
        let (matching, operation) =
            text.split_once("->").ok_or("`->` was expected between the match and the operation")?;
        let mut transform = Self {
            file,
            line,
            text: text.to_owned(),
            kinds: Vec::new(),
            package: false,
            conditions: Vec::new(),
            operation: Operation::parse(operation.trim())?,
        };
        let mut rest = matching.trim();
        while !rest.is_empty() {
            let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            if word.contains('=') {
                break;
            }
            match (word, ActionKind::from_name(word)) {
                ("pkg", _) => transform.package = true,
                (_, Some(kind)) => transform.kinds.push(kind),
                _ => return Err(format!("{word:?} is no kind of action")),
            }
            rest = after.trim_start();
        }
        if transform.kinds.is_empty() && !transform.package {
            transform.kinds.extend(ActionKind::ALL);
            transform.package = true;
        }
        for (key, pattern) in key_values(rest).map_err(|error| error.problem)? {
            transform.conditions.push((key, start(&pattern)?));
        }
        Ok(transform)
    }

    /// The transform and its place, for people.
    pub(crate) fn describe(&self) -> String {
        let Self { text, file, line, .. } = self;
        format!("<transform {text}> (file {} line {line})", file.display())
    }

    /// Applies this to an action, or to the package as a whole.
    pub(crate) fn apply(
        &self,
        located: Option<&mut Located>,
        package: &PackageValues,
    ) -> Result<Outcome, Error> {
        let applies = match &located {
            Some(located) => self.kinds.contains(&located.action.kind),
            None => self.package,
        };
        if !applies {
            return Ok(Outcome::Continue);
        }
        let refuse = |problem: String| Error::Manifest {
            path: self.file.to_path_buf(),
            line: self.line,
            column: 1,
            problem,
        };
        let mut groups = Vec::new();
        for (key, pattern) in &self.conditions {
            let values = match &located {
                Some(located) => values(&located.action, key),
                None => package.list(key).to_vec(),
            };
            // Every value must match; an attribute that is not there does not.
            if values.is_empty() {
                return Ok(Outcome::Continue);
            }
            for value in &values {
                let captures =
                    pattern.captures(value).map_err(|error| refuse(error.to_string()))?;
                let Some(captures) = captures else { return Ok(Outcome::Continue) };
                let texts = captures.iter().skip(1);
                groups.extend(texts.map(|group| group.map(|group| group.as_str().to_owned())));
            }
        }
        let place = located
            .as_ref()
            .map_or(String::new(), |l| format!(" (at {}:{})", l.file.display(), l.line));
        let refuse = |problem: String| refuse(problem + &place);
        let scope = Scope { located: located.as_deref(), package, groups: &groups };
        let expand = |text: &str| scope.expand(text, false);
        let expand_quoted = |text: &str| scope.expand(text, true);
        match &self.operation {
            Operation::Abort => Ok(Outcome::Abort(None)),
            Operation::Drop => Ok(Outcome::Drop),
            Operation::Exit { code: 0, message } => {
                let message = expand_quoted(message).map_err(&refuse)?;
                Ok(Outcome::Abort(Some(message).filter(|message| !message.is_empty())))
            }
            Operation::Exit { code, message } => {
                let message = expand_quoted(message).map_err(&refuse)?;
                Err(refuse(format!("the transform ends with {code}: {message}")))
            }
            Operation::Print(text) => Ok(Outcome::Print(expand_quoted(text).map_err(&refuse)?)),
            Operation::Emit(text) => {
                let text = expand_quoted(text).map_err(&refuse)?;
                if text.trim().is_empty() || text.trim_start().starts_with('#') {
                    return Ok(Outcome::Emit(None));
                }
                match Action::parse(&text) {
                    Ok(action) => Ok(Outcome::Emit(Some(Located {
                        file: Arc::clone(&self.file),
                        line: self.line,
                        action,
                    }))),
                    Err(error) => Err(refuse(format!("emits {text:?}: {}", error.problem))),
                }
            }
            Operation::Add { key, value }
            | Operation::Default { key, value }
            | Operation::Set { key, value } => {
                let key = expand(key).map_err(&refuse)?;
                let old = scope.values(&key);
                if matches!(self.operation, Operation::Default { .. }) && !old.is_empty() {
                    return Ok(Outcome::Continue);
                }
                let value = expand(value).map_err(&refuse)?;
                if let Some(located) = located {
                    let mut list = old;
                    if !matches!(self.operation, Operation::Add { .. }) {
                        list.clear();
                    }
                    list.push(value);
                    set_values(&mut located.action, &key, list);
                }
                Ok(Outcome::Continue)
            }
            Operation::Delete { key, matching } => {
                if let Some(located) = located {
                    let mut kept = Vec::new();
                    for value in values(&located.action, key) {
                        if !matching.is_match(&value).map_err(|error| refuse(error.to_string()))? {
                            kept.push(value);
                        }
                    }
                    set_values(&mut located.action, key, kept);
                }
                Ok(Outcome::Continue)
            }
            Operation::Edit { key, matching, replacement } => {
                let key = expand(key).map_err(&refuse)?;
                if scope.values(&key).is_empty() {
                    return Ok(Outcome::Continue);
                }
                let replacement = expand(replacement).map_err(&refuse)?;
                let compiled;
                let matching = match matching {
                    Matching::Compiled(regex) => regex,
                    Matching::Text(text) => {
                        let text = expand(text).map_err(&refuse)?;
                        compiled = regex(&text, &text).map_err(&refuse)?;
                        &compiled
                    }
                };
                if let Some(located) = located {
                    let mut edited = Vec::new();
                    for value in values(&located.action, &key) {
                        edited.push(
                            replace(matching, &value, &replacement)
                                .map_err(|error| refuse(error.to_string()))?,
                        );
                    }
                    set_values(&mut located.action, &key, edited);
                }
                Ok(Outcome::Continue)
            }
        }
    }
}

/// Patterns are anchored at the start only.
fn start(pattern: &str) -> Result<Regex, String> {
    regex(&format!(r"\A(?:{pattern})"), pattern)
}

fn regex(pattern: &str, shown: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{shown:?} is no regular expression: {error}"))
}

fn set_values(action: &mut Action, key: &str, values: Vec<String>) {
    if key == PAYLOAD {
        action.payload = values.into_iter().next();
    } else {
        action.attributes.set_list(key, values);
    }
}

/// Replaces every match; in the replacement `\1` to `\9` are groups.
fn replace(pattern: &Regex, value: &str, replacement: &str) -> Result<String, fancy_regex::Error> {
    let mut result = String::new();
    let mut end = 0;
    for captures in pattern.captures_iter(value) {
        let captures = captures?;
        let Some(whole) = captures.get(0) else { continue };
        result.push_str(&value[end..whole.start()]);
        let mut characters = replacement.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek().copied()) {
                ('\\', Some(digit)) if digit.is_ascii_digit() => {
                    characters.next();
                    let number = digit.to_digit(10).unwrap_or(0) as usize;
                    result.push_str(captures.get(number).map_or("", |group| group.as_str()));
                }
                ('\\', Some('\\')) => {
                    characters.next();
                    result.push('\\');
                }
                _ => result.push(character),
            }
        }
        end = whole.end();
    }
    result.push_str(&value[end..]);
    Ok(result)
}

impl Operation {
    fn parse(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = rest.trim_start();
        let two = || match &words(rest)?[..] {
            [key, value] => Ok((key.clone(), value.clone())),
            _ => Err(format!("{word} needs an attribute and a value, not {rest:?}")),
        };
        let bare = |operation| {
            if rest.is_empty() {
                Ok(operation)
            } else {
                Err(format!("{word} takes nothing, not {rest:?}"))
            }
        };
        match word {
            "abort" => bare(Self::Abort),
            "drop" => bare(Self::Drop),
            "add" => two().map(|(key, value)| Self::Add { key, value }),
            "default" => two().map(|(key, value)| Self::Default { key, value }),
            "set" => two().map(|(key, value)| Self::Set { key, value }),
            "delete" => {
                let (key, pattern) = two()?;
                Ok(Self::Delete { key, matching: regex(&pattern, &pattern)? })
            }
            "edit" => match &words(rest)?[..] {
                [key, pattern, replacement @ ..] if replacement.len() < 2 => Ok(Self::Edit {
                    key: key.clone(),
                    matching: if refers(pattern) {
                        Matching::Text(pattern.clone())
                    } else {
                        Matching::Compiled(regex(pattern, pattern)?)
                    },
                    replacement: replacement.first().cloned().unwrap_or_default(),
                }),
                _ => Err(format!(
                    "edit needs an attribute, a pattern and a replacement, not {rest:?}"
                )),
            },
            "emit" => Ok(Self::Emit(rest.to_owned())),
            "print" => Ok(Self::Print(rest.to_owned())),
            "exit" => {
                let (code, message) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
                let code = if code.is_empty() { Ok(0) } else { code.parse() };
                let code = code.map_err(|_| format!("exit needs a number, not {rest:?}"))?;
                Ok(Self::Exit { code, message: message.trim().to_owned() })
            }
            _ => Err(format!(
                "{word:?} is no operation; expected one of abort add default delete drop edit emit \
                 exit print set"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(transform: &str, action: &str) -> Result<(String, Option<String>), String> {
        let transform = Transform::parse(transform, Path::new("t").into(), 1)?;
        let action = Action::parse(action).unwrap();
        let mut located = Located { file: Path::new("m").into(), line: 3, action };
        let mut package = PackageValues::default();
        package.add(&Action::set("pkg.fmri", "pkg:/a@1"));
        let outcome = transform.apply(Some(&mut located), &package).map_err(|e| e.to_string())?;
        let other = match outcome {
            Outcome::Continue => None,
            Outcome::Drop => Some("drop".to_owned()),
            Outcome::Abort(_) => Some("abort".to_owned()),
            Outcome::Print(text) => Some(text),
            Outcome::Emit(located) => Some(located.map_or(String::new(), |l| l.action.to_string())),
        };
        Ok((located.action.to_string(), other))
    }

    fn changed(transform: &str, action: &str) -> String {
        run(transform, action).unwrap().0
    }

    #[test]
    fn operations_on_attributes() {
        let dir = "dir path=kernel/drv";
        for (transform, expected) in [
            ("dir -> default mode 0755", "dir mode=0755 path=kernel/drv"),
            ("dir path=kernel -> add x \"a b\"", "dir path=kernel/drv x=\"a b\""),
            ("dir path=drv -> add x y", "dir path=kernel/drv"),
            ("file -> add x y", "dir path=kernel/drv"),
            ("-> set path 'a'", "dir path=a"),
            ("dir path=(.*)/(.*) -> set x %<2>%<1>", "dir path=kernel/drv x=drvkernel"),
            ("dir -> set x %(path)%{pkg.fmri}%%", "dir path=kernel/drv x=kernel/drvpkg:/a@1%"),
            ("dir -> set x %(owner;notfound=none)", "dir path=kernel/drv x=none"),
            ("dir -> edit path 'k(.)r' '\\1x\\1'", "dir path=exenel/drv"),
            ("dir -> edit path r", "dir path=kenel/dv"),
            ("dir path=.*(?<!drv)$ -> set x y", "dir path=kernel/drv"),
            ("dir path=^(?!usr).+$ -> set x y", "dir path=kernel/drv x=y"),
        ] {
            assert_eq!(changed(transform, dir), expected, "{transform}");
        }
        assert_eq!(changed("dir -> delete v b", "dir path=a v=a v=b v=cb"), "dir path=a v=a");
        assert_eq!(changed("dir -> delete v ^b", "dir path=a v=a v=b v=cb"), "dir path=a v=a v=cb");
        assert_eq!(changed("dir -> delete v .*", "dir path=a v=a v=b"), "dir path=a");
        // Each of several values must match.
        assert_eq!(changed("dir v=c -> set x y", "dir path=a v=a v=c"), "dir path=a v=a v=c");
        assert_eq!(changed("dir v=a|c -> set x y", "dir path=a v=a v=c"), "dir path=a v=a v=c x=y");
        assert_eq!(changed("dir -> edit path %(v) x", "dir path=abc v=b"), "dir path=axc v=b");
        assert_eq!(changed("dir -> set %(v) x", "dir path=a v=b"), "dir b=x path=a v=b");
        assert_eq!(changed("dir -> default path %(none)", "dir path=a"), "dir path=a");
        assert_eq!(changed("file -> set action.hash x", "file path=a"), "file x path=a");
    }

    #[test]
    fn other_operations() {
        let outcome = |transform: &str| run(transform, "license x license=a/b").unwrap().1;
        assert_eq!(outcome("license -> drop").as_deref(), Some("drop"));
        assert_eq!(outcome("license -> abort").as_deref(), Some("abort"));
        assert_eq!(outcome("license -> exit").as_deref(), Some("abort"));
        assert_eq!(
            outcome("license license=.*/.+ -> print L=\"$L %(license)\"").as_deref(),
            Some("L=\"$L a/b\"")
        );
        let quoted = "print %(license;prefix=<;suffix=>) %(x;notfound=\"a;b\") %(action.name)/%(action.key;noquote) \
                      %(pkg.manifest.filename):%(pkg.manifest.lineno) %{pkg.fmri.name}";
        assert_eq!(
            run(&format!("-> {quoted}"), "license license=\"a b\"").unwrap().1.as_deref(),
            Some("<\"a b\"> a;b license/a b m:3 a")
        );
        assert_eq!(
            outcome("license license=(.) -> emit set name=%<1> value=\"x y\"").as_deref(),
            Some("set name=a value=\"x y\"")
        );
        assert_eq!(outcome("license -> emit # x").as_deref(), Some(""));
    }

    #[test]
    fn refusals() {
        for (bad, problem) in [
            ("dir path=x", "`->`"),
            ("dri -> drop", "no kind"),
            ("dir path=( -> drop", "no regular expression"),
            ("dir -> dorp", "no operation"),
            ("dir -> drop x", "takes nothing"),
            ("dir -> add x", "needs an attribute"),
            ("dir -> add x 'y", "never closed"),
            ("dir -> set x %<1>", "no group 1"),
            ("dir path=(b)?a -> set x %<1>", "matched nothing"),
            ("dir -> set x %(owner)", "no value for owner"),
            ("dir -> set x %(path", ") is missing"),
            ("dir -> exit 3 no %(path)", "ends with 3: no a (at m:3)"),
            ("dir -> exit x", "needs a number"),
            ("dir -> emit dri", "no action"),
        ] {
            let error = run(bad, "dir path=a").unwrap_err();
            assert!(error.contains(problem), "{bad}: {error}");
        }
    }
}
