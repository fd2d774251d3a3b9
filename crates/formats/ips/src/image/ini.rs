//! The syntax of `pkg5.image` and its like: INI sections with `key = value` lines, lists written
//! as Python literals, keys percent-encoded where they name facets and variants.

use std::fmt::Write as _;

/// Sections in the order of the file, each with its lines in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ini {
    pub(crate) sections: Vec<Section>,
}

/// One `[name]` and what follows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) values: Vec<(String, String)>,
}

impl Section {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Changes a value in place or adds it at the end.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        match self.values.iter_mut().find(|(k, _)| k == key) {
            Some((_, there)) => *there = value.into(),
            None => self.values.push((key.to_owned(), value.into())),
        }
    }
}

impl Ini {
    /// Reads the text; an error is the line number and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut ini = Self::default();
        for (number, line) in text.lines().enumerate() {
            let refuse = |problem: &str| Err((number + 1, problem.to_owned()));
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with(char::is_whitespace) {
                // A further line of the value before.
                let Some((_, value)) = ini.sections.last_mut().and_then(|s| s.values.last_mut())
                else {
                    return refuse("is indented but continues nothing");
                };
                value.push('\n');
                value.push_str(trimmed);
            } else if let Some(rest) = trimmed.strip_prefix('[') {
                let Some(name) = rest.strip_suffix(']') else {
                    return refuse("starts a section but has no `]`");
                };
                if ini.get(name).is_some() {
                    return refuse("starts a section that is there already");
                }
                ini.sections.push(Section::new(name));
            } else {
                let Some((key, value)) = trimmed.split_once('=') else {
                    return refuse("is neither `[section]` nor `key = value`");
                };
                let Some(section) = ini.sections.last_mut() else {
                    return refuse("comes before the first section");
                };
                let key = key.trim();
                if key.is_empty() {
                    return refuse("has no key before the `=`");
                }
                if section.get(key).is_some() {
                    return refuse("sets a key that is set already");
                }
                section.values.push((key.to_owned(), value.trim().to_owned()));
            }
        }
        Ok(ini)
    }

    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{}]", section.name);
            for (key, value) in &section.values {
                let _ = writeln!(text, "{key} = {}", value.replace('\n', "\n\t"));
            }
            text.push('\n');
        }
        text
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The section, made at the end if it is not there.
    pub(crate) fn section_mut(&mut self, name: &str) -> &mut Section {
        let at = match self.sections.iter().position(|section| section.name == name) {
            Some(at) => at,
            None => {
                self.sections.push(Section::new(name));
                self.sections.len() - 1
            }
        };
        &mut self.sections[at]
    }
}

/// Reads a list: `['a', "b"]`; an empty text is an empty list.
pub(crate) fn parse_list(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let refuse = || format!("`{text}` is not a list like ['a', 'b']");
    let inner =
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(refuse)?;
    let mut list = Vec::new();
    let mut chars = inner.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        // Older writers marked Unicode texts with a `u`.
        chars.next_if_eq(&'u');
        let Some(quote) = chars.next_if(|c| matches!(c, '\'' | '"')) else {
            return match chars.next() {
                None => Ok(list),
                Some(_) => Err(refuse()),
            };
        };
        let mut item = String::new();
        loop {
            match chars.next().ok_or_else(refuse)? {
                c if c == quote => break,
                '\\' => match chars.next().ok_or_else(refuse)? {
                    'n' => item.push('\n'),
                    't' => item.push('\t'),
                    escaped => item.push(escaped),
                },
                c => item.push(c),
            }
        }
        list.push(item);
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            None => return Ok(list),
            Some(',') => {}
            Some(_) => return Err(refuse()),
        }
    }
}

/// Writes a list as Python would print it.
pub(crate) fn print_list<S: AsRef<str>>(list: &[S]) -> String {
    let items: Vec<String> = list.iter().map(|item| quote(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// One text as a Python literal.
pub(crate) fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(mark);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c == mark => {
                quoted.push('\\');
                quoted.push(c);
            }
            c => quoted.push(c),
        }
    }
    quoted.push(mark);
    quoted
}

/// `True` or `False`.
pub(crate) fn print_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Reads a truth value, in any case.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither True nor False")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_keys_and_continued_values() {
        let text = "[image]\nversion = 4\n\n# note\n[property]\na = ['x',\n\t'y']\nempty = \n\n";
        let ini = Ini::parse(text).unwrap();
        assert_eq!(ini.get("image").and_then(|s| s.get("version")), Some("4"));
        let property = ini.get("property").unwrap();
        assert_eq!(parse_list(property.get("a").unwrap()).unwrap(), ["x", "y"]);
        assert_eq!(property.get("empty"), Some(""));
        assert_eq!(Ini::parse(&ini.print()).unwrap(), ini);
    }

    #[test]
    fn errors_say_the_line() {
        for (text, line) in [
            ("x = 1", 1),
            ("[a]\nx", 2),
            ("[a", 1),
            ("[a]\n[a]", 2),
            (" x", 1),
            ("[a]\nx = 1\nx = 2", 3),
            ("[a]\n\u{c}x = 1", 2),
            // Printed again it would continue the value before.
            ("[a]\nx = 1\n= 2", 3),
        ] {
            assert_eq!(Ini::parse(text).unwrap_err().0, line, "{text:?}");
        }
    }

    #[test]
    fn lists_as_python_prints_them() {
        assert_eq!(print_list(&["usr/", "it's", "a\\b"]), r#"['usr/', "it's", 'a\\b']"#);
        assert_eq!(parse_list("[]").unwrap(), [""; 0]);
        for bad in ["x", "['a'", "['a' 'b']", "[a]", "['a]"] {
            assert!(parse_list(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_list_reads_back(list in proptest::collection::vec("\\PC*|[\\\\'\"\n\t]*", 0..5)) {
            prop_assert_eq!(parse_list(&print_list(&list)).unwrap(), list);
        }

        #[test]
        fn nothing_panics(text in "\\PC*|[\\[\\]= \n'\"u,\\\\]*") {
            let _ = parse_list(&text);
            if let Ok(ini) = Ini::parse(&text) {
                let _ = ini.print();
            }
        }
    }
}
