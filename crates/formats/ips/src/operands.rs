//! What stands in the operation of a transform: words, and references to values.

use std::collections::BTreeMap;

use crate::{Action, ActionKind};

/// The values of the package's `set` actions, for `%{NAME}`.
#[derive(Debug, Default)]
pub(crate) struct PackageValues(BTreeMap<String, Vec<String>>);

impl PackageValues {
    pub(crate) fn of<'a>(actions: impl Iterator<Item = &'a Action>) -> Self {
        let mut values = BTreeMap::new();
        for action in actions.filter(|action| action.kind == ActionKind::Set) {
            if let Some(name) = action.get("name") {
                values.insert(name.to_owned(), action.attributes.list("value").to_vec());
            }
        }
        Self(values)
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

/// Replaces `%(KEY)` by an attribute of the action, `%{NAME}` by a value of the package, `%<N>`
/// by a group of the match, `%%` by a percent sign. After the key may come
/// `;notfound=TEXT`, `;sep=TEXT`, `;prefix=TEXT`, `;suffix=TEXT`.
pub(crate) fn expand(
    text: &str,
    action: &Action,
    package: &PackageValues,
    groups: &[String],
) -> Result<String, String> {
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
            let number: usize =
                inner.parse().map_err(|_| format!("%<{inner}> is no group number"))?;
            let group = number.checked_sub(1).and_then(|index| groups.get(index));
            result.push_str(group.ok_or_else(|| {
                format!("there is no group {number}; the patterns have {}", groups.len())
            })?);
        } else {
            let mut parts = inner.split(';');
            let key = parts.next().unwrap_or_default();
            let options: BTreeMap<&str, &str> = parts.filter_map(|p| p.split_once('=')).collect();
            let option =
                |name: &str| options.get(name).map(|v| v.trim_matches(['"', '\'']).to_owned());
            let values =
                if close == ')' { values(action, key) } else { package.list(key).to_vec() };
            if values.is_empty() {
                result.push_str(
                    &option("notfound").ok_or_else(|| format!("there is no value for {key}"))?,
                );
            } else {
                let (prefix, suffix) =
                    (option("prefix").unwrap_or_default(), option("suffix").unwrap_or_default());
                let values: Vec<_> =
                    values.iter().map(|v| format!("{prefix}{v}{suffix}")).collect();
                result.push_str(&values.join(&option("sep").unwrap_or(" ".to_owned())));
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}
