//! What stands in the operation of a transform: words, and references to values.

use std::collections::BTreeMap;

use crate::located::Located;
use crate::{Action, ActionKind, Fmri};

/// The values of the package's `set` actions, for `%{NAME}`.
#[derive(Debug, Default)]
pub(crate) struct PackageValues(BTreeMap<String, Vec<String>>);

impl PackageValues {
    /// Takes note of what a `set` action says, after what others of its name said.
    pub(crate) fn add(&mut self, action: &Action) {
        if action.kind != ActionKind::Set {
            return;
        }
        let Some(name) = action.get("name") else { return };
        let values = action.attributes.list("value");
        self.0.entry(name.to_owned()).or_default().extend_from_slice(values);
        if name == "pkg.fmri"
            && let Some(fmri) = values.first().and_then(|value| Fmri::parse(value).ok())
        {
            self.0.insert("pkg.fmri.name".to_owned(), vec![fmri.stem]);
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The pseudo attribute that is the payload.
pub(crate) const PAYLOAD: &str = "action.hash";

/// The values of an attribute, or of the pseudo attribute.
pub(crate) fn values(action: &Action, key: &str) -> Vec<String> {
    if key == PAYLOAD {
        action.payload.iter().cloned().collect()
    } else {
        action.attributes.list(key).to_vec()
    }
}

/// Splits into words as a shell does: quotes, and backslashes outside of single quotes.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' => words.extend(current.take()),
            '\'' | '"' => {
                let word = current.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err(format!("{character} is never closed in {text:?}")),
                        Some(c) if c == character => break,
                        Some('\\') if character == '"' => match characters.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(format!("{text:?} ends in a backslash")),
                        },
                        Some(c) => word.push(c),
                    }
                }
            }
            '\\' => match characters.next() {
                Some(c) => current.get_or_insert_default().push(c),
                None => return Err(format!("{text:?} ends in a backslash")),
            },
            c => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    Ok(words)
}

/// Whether a text refers to values.
pub(crate) fn refers(text: &str) -> bool {
    ["%(", "%{", "%<"].iter().any(|start| text.contains(start))
}

/// What a text can refer to.
pub(crate) struct Scope<'a> {
    /// The action; none for the package as a whole.
    pub(crate) located: Option<&'a Located>,
    pub(crate) package: &'a PackageValues,
    /// The groups of the match, by number from 1; one that took no part is none.
    pub(crate) groups: &'a [Option<String>],
}

impl Scope<'_> {
    /// The values of an attribute of the action or, without one, of the package.
    pub(crate) fn values(&self, key: &str) -> Vec<String> {
        let Some(located) = self.located else { return self.package.list(key).to_vec() };
        match key {
            "action.key" => located.action.key().map(str::to_owned).into_iter().collect(),
            "action.name" => vec![located.action.kind.name().to_owned()],
            "pkg.manifest.filename" => vec![located.file.display().to_string()],
            "pkg.manifest.lineno" => vec![located.line.to_string()],
            _ => values(&located.action, key),
        }
    }

    /// Replaces `%(KEY)` by an attribute of the action, `%{NAME}` by a value of the package,
    /// `%<N>` by a group of the match, `%%` by a percent sign. After the key may come
    /// `;notfound=TEXT`, `;sep=TEXT`, `;prefix=TEXT`, `;suffix=TEXT`, `;quote`, `;noquote`.
    /// With `quote`, values with blanks or quotes are quoted as manifests quote them.
    pub(crate) fn expand(&self, text: &str, quote: bool) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            result.push_str(before);
            let close = match after.chars().next() {
                Some('(') => ')',
                Some('{') => '}',
                Some('<') => '>',
                Some('%') => {
                    result.push('%');
                    rest = &after[1..];
                    continue;
                }
                _ => {
                    result.push('%');
                    rest = after;
                    continue;
                }
            };
            let (inner, after) = after[1..]
                .split_once(close)
                .ok_or_else(|| format!("{close} is missing in {text:?}"))?;
            if close == '>' {
                result.push_str(self.group(inner)?);
            } else {
                result.push_str(&self.reference(inner, close == ')', quote)?);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    fn group(&self, number: &str) -> Result<&str, String> {
        let number: usize =
            number.parse().map_err(|_| format!("%<{number}> is no group number"))?;
        let group = number.checked_sub(1).and_then(|index| self.groups.get(index));
        group
            .ok_or_else(|| {
                format!("there is no group {number}; the patterns have {}", self.groups.len())
            })?
            .as_deref()
            .ok_or_else(|| format!("group {number} matched nothing"))
    }

    fn reference(&self, inner: &str, of_action: bool, quote: bool) -> Result<String, String> {
        let parts = options(inner);
        let key = parts.first().map_or("", String::as_str);
        let options: BTreeMap<&str, &str> =
            parts[1..].iter().map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let option = |name: &str| options.get(name).copied();
        let mut values = if of_action { self.values(key) } else { self.package.list(key).to_vec() };
        if values.is_empty() {
            let other = option("notfound").ok_or_else(|| format!("there is no value for {key}"))?;
            values.push(other.to_owned());
        }
        let quote = (quote || option("quote").is_some()) && option("noquote").is_none();
        let (prefix, suffix) = (option("prefix").unwrap_or(""), option("suffix").unwrap_or(""));
        let values: Vec<_> = values
            .into_iter()
            .map(|value| if quote { quoted(value) } else { value })
            .map(|value| format!("{prefix}{value}{suffix}"))
            .collect();
        Ok(values.join(option("sep").unwrap_or(" ")))
    }
}

/// Splits at semicolons outside of quotes, and takes the quotes away.
fn options(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut open = None;
    for character in text.chars() {
        match (open, character) {
            (Some(quote), c) if c == quote => open = None,
            (None, '"' | '\'') => open = Some(character),
            (None, ';') => parts.push(String::new()),
            (_, c) => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts
}

fn quoted(value: String) -> String {
    let needed = value.is_empty() || value.contains([' ', '"', '\'']);
    match (needed, value.contains('"'), value.contains('\'')) {
        (false, ..) => value,
        (true, false, _) => format!("\"{value}\""),
        (true, true, false) => format!("'{value}'"),
        (true, true, true) => format!("\"{}\"", value.replace('"', "\\\"")),
    }
}
