//! JSON with the line of every value.
//!
//! Templates are JSON, and a finding about a template must name its line. The usual readers give a
//! line only for a text that is no JSON at all, so this one keeps it with each value. It is strict
//! (RFC 8259, nothing after the value) and refuses a key that is given twice.

/// A value and the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The value itself.
    pub(crate) kind: Kind,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object, in the order written.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// The line of the key.
    pub(crate) line: usize,
    /// The key.
    pub(crate) key: String,
    /// The value.
    pub(crate) value: Value,
}

/// Why a text is not JSON, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
}

/// How deep values may be nested; the language itself needs four.
const DEEPEST: usize = 64;

impl Value {
    /// The word for this type in messages.
    pub(crate) fn word(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Boolean(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

/// Reads one value that takes the whole text.
pub(crate) fn parse(text: &str) -> Result<Value, Problem> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0, line: 1 };
    let value = reader.value(0)?;
    reader.blank();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.refuse("expected nothing after the template's closing brace"),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn refuse<T>(&self, what: impl Into<String>) -> Result<T, Problem> {
        Err(Problem { line: self.line, what: what.into() })
    }

    fn blank(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn found(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(found) => format!("`{}`", found.escape_debug()),
            None => "the end of the file".into(),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        self.blank();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.refuse(format!("expected `{}`, found {}", byte as char, self.found()))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        if depth > DEEPEST {
            return self.refuse(format!("nested more than {DEEPEST} deep"));
        }
        self.blank();
        let line = self.line;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object(self.object(depth)?),
            Some(b'[') => Kind::Array(self.array(depth)?),
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Value { line, kind })
    }

    fn word(&mut self) -> Result<Kind, Problem> {
        let words =
            [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)];
        for (word, kind) in words {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        self.refuse(format!("expected a value, found {}", self.found()))
    }

    /// The members between two brackets, separated by commas.
    fn list<T>(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self, &mut Vec<T>) -> Result<(), Problem>,
    ) -> Result<Vec<T>, Problem> {
        let mut items = Vec::new();
        self.expect(open)?;
        self.blank();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(items);
        }
        loop {
            item(self, &mut items)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => {
                    let close = close as char;
                    return self
                        .refuse(format!("expected `,` or `{close}`, found {}", self.found()));
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Problem> {
        self.list(b'[', b']', |reader, items| {
            items.push(reader.value(depth + 1)?);
            Ok(())
        })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member>, Problem> {
        self.list(b'{', b'}', |reader, members: &mut Vec<Member>| {
            reader.blank();
            let line = reader.line;
            if reader.peek() != Some(b'"') {
                return reader.refuse(format!("expected a key, found {}", reader.found()));
            }
            let key = reader.string()?;
            if let Some(first) = members.iter().find(|m| m.key == key) {
                let what = format!("`{key}` is given twice, first on line {}", first.line);
                return reader.refuse(what);
            }
            reader.expect(b':')?;
            let value = reader.value(depth + 1)?;
            members.push(Member { line, key, value });
            Ok(())
        })
    }

    fn number(&mut self) -> Result<String, Problem> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        {
            self.at += 1;
        }
        let number = &self.text[start..self.at];
        // The grammar of numbers is serde_json's business; this reader only wants the line.
        match serde_json::from_str::<serde_json::Number>(number) {
            Ok(_) => Ok(number.to_owned()),
            Err(_) => self.refuse(format!("`{number}` is not a number")),
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None | Some(b'\n') => return self.refuse("a string has no closing quote"),
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = &self.text[start..self.at];
        match serde_json::from_str(quoted) {
            Ok(string) => Ok(string),
            Err(_) => self.refuse(format!("{quoted} has a bad escape or a control character")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(value: &Value) -> serde_json::Value {
        match &value.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Boolean(boolean) => (*boolean).into(),
            Kind::Number(number) => serde_json::from_str(number).unwrap(),
            Kind::String(string) => string.clone().into(),
            Kind::Array(items) => items.iter().map(plain).collect(),
            Kind::Object(members) => serde_json::Value::Object(
                members.iter().map(|m| (m.key.clone(), plain(&m.value))).collect(),
            ),
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
                proptest::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(json in any_json()) {
            for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
                prop_assert_eq!(plain(&parse(&text).unwrap()), json.clone());
            }
        }

        #[test]
        fn agrees_with_serde_json_about_what_is_json(text in r#"[\[\]{}",:\\a0-9e.\-+ \nu]{0,24}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match parse(&text) {
                Ok(ours) => prop_assert_eq!(plain(&ours), theirs.unwrap()),
                Err(problem) => prop_assert!(theirs.is_err() || problem.what.contains("twice")),
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let value = parse("{\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}").unwrap();
        let Kind::Object(members) = value.kind else { panic!("an object") };
        assert_eq!(members[0].line, 2);
        let Kind::Array(items) = &members[0].value.kind else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line), (3, 4));
    }

    #[test]
    fn problems_name_the_line() {
        let problem = |text: &str| {
            let problem = parse(text).unwrap_err();
            format!("{}: {}", problem.line, problem.what)
        };
        assert_eq!(problem("{\n\"a\": 1,\n}"), "3: expected a key, found `}`");
        assert_eq!(problem("{\"a\": 1,\n\"a\": 2}"), "2: `a` is given twice, first on line 1");
        assert_eq!(problem("[1\n2]"), "2: expected `,` or `]`, found `2`");
        assert_eq!(problem("[\n\"a"), "2: a string has no closing quote");
        assert_eq!(problem("{} x"), "1: expected nothing after the template's closing brace");
        assert_eq!(problem(&"[".repeat(100)), "1: nested more than 64 deep");
        assert_eq!(problem(""), "1: expected a value, found the end of the file");
    }
}
