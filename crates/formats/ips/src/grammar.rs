//! The written form of actions.
//!
//! `TYPE [PAYLOAD] KEY=VALUE ...`, separated by spaces or tabs. A value may be quoted with `"` or
//! `'`; inside, only `\\` and `\QUOTE` are escapes, and quoted strings that follow are appended.

use std::fmt;

use crate::{Action, ActionKind, Attributes};

/// Why a line is no action: what is wrong, and at which byte of the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {problem}", .offset + 1)]
pub struct GrammarError {
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub problem: String,
}

struct Cursor<'a> {
    text: &'a str,
    offset: usize,
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
        self.offset += blanks;
        blanks > 0
    }

    fn take_while(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !test(c)).unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, GrammarError> {
        Err(GrammarError { offset: self.offset, problem: problem.into() })
    }

    /// One quoted string; the cursor is at its opening quote.
    fn quoted(&mut self, quote: char) -> Result<String, GrammarError> {
        let start = self.offset;
        self.offset += 1;
        let mut value = String::new();
        let mut characters = self.rest().char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.peek() {
                    Some(&(_, next)) if next == '\\' || next == quote => {
                        value.push(next);
                        characters.next();
                    }
                    _ => value.push('\\'),
                },
                c if c == quote => {
                    self.offset += at + 1;
                    return Ok(value);
                }
                c => value.push(c),
            }
        }
        self.offset = start;
        self.fail(format!("the string that {quote} opens here is never closed"))
    }

    /// The value after `KEY=`.
    fn value(&mut self, key: &str) -> Result<String, GrammarError> {
        match self.peek() {
            None | Some(' ' | '\t') => self
                .fail(format!("a value for {key} was expected; write {key}=\"\" for an empty one")),
            Some(quote @ ('"' | '\'')) => {
                let mut value = self.quoted(quote)?;
                loop {
                    let end = self.offset;
                    let spaced = self.skip_blanks();
                    match self.peek() {
                        Some(quote @ ('"' | '\'')) => value.push_str(&self.quoted(quote)?),
                        None => return Ok(value),
                        Some(_) if spaced => {
                            self.offset = end;
                            return Ok(value);
                        }
                        Some(c) => {
                            return self
                                .fail(format!("a space was expected after the string, not {c:?}"));
                        }
                    }
                }
            }
            Some(_) => Ok(self.take_while(|c| !is_blank(c)).to_owned()),
        }
    }
}

/// Reads one action from one line (continuation lines already joined).
pub(crate) fn parse_action(text: &str) -> Result<Action, GrammarError> {
    let mut cursor = Cursor { text, offset: 0 };
    if let Some(offset) = text.find(['\0', '\n', '\r']) {
        cursor.offset = offset;
        let character = text[offset..].chars().next().unwrap_or_default();
        return cursor.fail(format!("the character {character:?} cannot be part of an action"));
    }
    cursor.skip_blanks();
    let start = cursor.offset;
    let word = cursor.take_while(|c| !is_blank(c));
    let Some(kind) = ActionKind::from_name(word) else {
        cursor.offset = start;
        let names: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.name()).collect();
        return cursor.fail(format!("{word:?} is no action; expected one of {}", names.join(" ")));
    };
    let mut action = Action::new(kind, Attributes::new());
    let mut first = true;
    while cursor.skip_blanks() && cursor.peek().is_some() {
        let start = cursor.offset;
        let key = cursor.take_while(|c| c != '=' && c != '"' && c != '\'' && !is_blank(c));
        match cursor.peek() {
            Some('=') if key.is_empty() => return cursor.fail("a key was expected before `=`"),
            Some('=') => {
                if key == "data" {
                    cursor.offset = start;
                    return cursor.fail("an attribute cannot be called data");
                }
                cursor.offset += 1;
                let value = cursor.value(key)?;
                if key == "hash" && kind.has_payload() {
                    match &action.payload {
                        Some(payload) if *payload != value => {
                            cursor.offset = start;
                            return cursor
                                .fail(format!("hash={value} contradicts the payload {payload}"));
                        }
                        _ => action.payload = Some(value),
                    }
                } else {
                    action.attributes.push(key, value);
                }
            }
            Some(quote @ ('"' | '\'')) => {
                return cursor.fail(format!("{quote} cannot be part of a key"));
            }
            _ if first && kind.has_payload() => action.payload = Some(key.to_owned()),
            _ => {
                cursor.offset = start;
                return cursor.fail(if first {
                    format!("a {kind} action has no payload; expected KEY=VALUE, not {key:?}")
                } else {
                    format!("expected KEY=VALUE, not {key:?}")
                });
            }
        }
        first = false;
    }
    finish(&mut action, start)?;
    Ok(action)
}

/// Reads `KEY=VALUE ...`, in order.
pub(crate) fn key_values(text: &str) -> Result<Vec<(String, String)>, GrammarError> {
    let mut cursor = Cursor { text, offset: 0 };
    let mut pairs = Vec::new();
    cursor.skip_blanks();
    while cursor.peek().is_some() {
        let key = cursor.take_while(|c| c != '=' && c != '"' && c != '\'' && !is_blank(c));
        if key.is_empty() || cursor.peek() != Some('=') {
            return cursor.fail(format!("expected KEY=VALUE, not {:?}", cursor.rest()));
        }
        cursor.offset += 1;
        pairs.push((key.to_owned(), cursor.value(key)?));
        cursor.skip_blanks();
    }
    Ok(pairs)
}

/// The shorthand of `set`, and paths without a leading `/`.
fn finish(action: &mut Action, offset: usize) -> Result<(), GrammarError> {
    if action.kind == ActionKind::Set && action.attributes.len() == 1 {
        let (name, values) = action
            .attributes
            .iter()
            .map(|(key, values)| (key.to_owned(), values.to_vec()))
            .next()
            .unwrap_or_default();
        action.attributes = Attributes::new();
        action.attributes.set("name", name);
        action.attributes.set_list("value", values);
    }
    if action.kind.is_path()
        && let Some(path) = action.get("path")
        && path.starts_with('/')
    {
        let path = path.trim_start_matches('/').to_owned();
        action.attributes.set("path", path);
    }
    let key = action.kind.key_attribute();
    if action.key().is_none() {
        let problem = format!("the {} action lacks {key}=", action.kind);
        return Err(GrammarError { offset, problem });
    }
    Ok(())
}

/// Prints an action in canonical form.
pub(crate) fn print_action(action: &Action, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(action.kind.name())?;
    if let Some(payload) = &action.payload {
        if payload.is_empty() || payload.contains(['=', ' ', '\t', '"', '\'']) {
            f.write_str(" hash=")?;
            print_value(payload, f)?;
        } else {
            write!(f, " {payload}")?;
        }
    }
    for (key, values) in action.attributes.iter() {
        for value in values {
            write!(f, " {key}=")?;
            print_value(value, f)?;
        }
    }
    Ok(())
}

/// Prints a value, quoted where the reader needs it (and where it holds a macro).
///
/// pkg(7) never escapes a backslash, so what it writes does not always read back. Here a run of
/// backslashes is doubled where reading would otherwise change it; everything else is printed as
/// pkg(7) does.
fn print_value(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plain = !value.is_empty()
        && !value.contains([' ', '\t', '"', '\''])
        && !value.contains("$(")
        && !value.ends_with('\\');
    if plain {
        return f.write_str(value);
    }
    let quote = if value.contains('"') && !value.contains('\'') { '\'' } else { '"' };
    write!(f, "{quote}")?;
    let mut rest = value;
    while let Some(character) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches('\\').len();
        if run > 0 {
            rest = &rest[run..];
            let changes = run > 1 || rest.is_empty() || rest.starts_with(quote);
            for _ in 0..if changes { 2 * run } else { run } {
                f.write_str("\\")?;
            }
            continue;
        }
        if character == quote {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
        rest = &rest[character.len_utf8()..];
    }
    write!(f, "{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn action(text: &str) -> Action {
        parse_action(text).unwrap()
    }

    #[test]
    fn values() {
        for (written, expected) in [
            ("a\\b", "a\\b"),
            ("x=y\"z", "x=y\"z"),
            ("\"a b\"", "a b"),
            ("'He said \"hi\"'", "He said \"hi\""),
            ("\"both \\\" and '\"", "both \" and '"),
            ("\"a\\\\b\\n\"", "a\\b\\n"),
            ("\"foo \" \"bar\"", "foo bar"),
            ("'a'\"b\"", "ab"),
            ("\"\"", ""),
            ("größe", "größe"),
        ] {
            let parsed = action(&format!("set name=n value={written}"));
            assert_eq!(parsed.get("value"), Some(expected), "{written}");
        }
    }

    #[test]
    fn canonical_form() {
        for (written, canonical) in [
            ("  file   x path=/a/b mode=755\towner=root", "file x mode=755 owner=root path=a/b"),
            ("file path=a hash='x y'", "file hash=\"x y\" path=a"),
            ("set pkg.summary=\"it's\"", "set name=pkg.summary value=\"it's\""),
            ("set a=2 a=1", "set name=a value=2 value=1"),
            ("set name=a value='x\"y'", "set name=a value='x\"y'"),
            ("set name=a value=$(X)", "set name=a value=\"$(X)\""),
            ("set name=a value=a\\b", "set name=a value=a\\b"),
            ("set name=a value=''", "set name=a value=\"\""),
            ("depend type=require fmri=a fmri=b", "depend fmri=a fmri=b type=require"),
        ] {
            assert_eq!(action(written).to_string(), canonical);
        }
    }

    #[test]
    fn refusals_name_the_column() {
        for (bad, offset, problem) in [
            ("fiel path=x", 0, "\"fiel\" is no action"),
            ("dir x path=y", 4, "no payload"),
            ("file a b path=y", 7, "expected KEY=VALUE"),
            ("dir path=", 9, "path=\"\""),
            ("dir path= mode=1", 9, "value for path"),
            ("dir path=\"x", 9, "never closed"),
            ("dir path=\"x\"y", 12, "space was expected"),
            ("dir pa\"th=x", 6, "part of a key"),
            ("dir =x", 4, "key was expected"),
            ("dir path=x data=y", 11, "called data"),
            ("file a hash=b path=x", 7, "contradicts"),
            ("file \"a b\" path=x", 5, "part of a key"),
            ("dir mode=0755", 0, "lacks path="),
            ("dir path=a\0b", 10, "cannot be part"),
            ("", 0, "is no action"),
        ] {
            let error = parse_action(bad).unwrap_err();
            assert_eq!(error.offset, offset, "{bad:?}: {error}");
            assert!(error.problem.contains(problem), "{bad:?}: {error}");
        }
    }

    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof!["[ab\\\\\"' $(=\t]{0,8}", "[^\0\r\n]{0,20}"]
    }

    fn any_action() -> impl Strategy<Value = Action> {
        (
            0..ActionKind::ALL.len(),
            proptest::option::of(any_value()),
            any_value(),
            proptest::collection::vec(("[a-z.#ü\\\\]{1,6}", any_value()), 1..6),
        )
            .prop_map(|(kind, payload, name, pairs)| {
                let kind = ActionKind::ALL[kind];
                let mut action = Action::new(kind, pairs.into_iter().collect());
                action.attributes.remove("data");
                action.attributes.remove("hash");
                let name = name.trim_start_matches('/').to_owned();
                action.attributes.set(kind.key_attribute(), name);
                if kind == ActionKind::Set {
                    action.attributes.set("value", "v");
                }
                action.payload = payload.filter(|_| kind.has_payload());
                action
            })
    }

    proptest! {
        #[test]
        fn printed_is_what_was_read(action in any_action()) {
            let text = action.to_string();
            prop_assert_eq!(parse_action(&text), Ok(action), "{}", text);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse_action(&text);
        }

        #[test]
        fn never_panics_on_what_looks_right(text in "(file|set|dir) [ab=\"'\\\\ \t]{0,20}") {
            if let Ok(action) = parse_action(&text) {
                prop_assert_eq!(parse_action(&action.to_string()), Ok(action));
            }
        }
    }
}
