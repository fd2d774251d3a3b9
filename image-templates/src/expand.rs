//! Expansion of features in the strings of a template.

use crate::Features;
use crate::features::is_name;

/// Where a string stands, and so which forms it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// A single value: no `@` form.
    Single,
    /// An item of a list: one `@` form.
    List,
}

/// One piece of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// `${f}`
    Value(&'a str),
    /// `${f?text}` (true) and `${f!text}` (false)
    Conditional(&'a str, bool, &'a str),
    /// `${@@f}` (true) and `${@f}` (false)
    Each(&'a str, bool),
}

/// Expands a field with a single value.
pub(crate) fn single(text: &str, features: &Features) -> Result<String, String> {
    expand(text, Field::Single, features).map(|strings| strings.concat())
}

/// Expands an item of a list, to any number of strings.
pub(crate) fn list(text: &str, features: &Features) -> Result<Vec<String>, String> {
    expand(text, Field::List, features)
}

/// Checks the form of a string without having features.
pub(crate) fn check_single(text: &str) -> Result<(), String> {
    pieces(text, Field::Single).map(|_| ())
}

/// Checks the form of an item of a list without having features.
pub(crate) fn check_list(text: &str) -> Result<(), String> {
    pieces(text, Field::List).map(|_| ())
}

fn expand(text: &str, field: Field, features: &Features) -> Result<Vec<String>, String> {
    let pieces = pieces(text, field)?;
    let each = pieces.iter().find_map(|piece| match *piece {
        Piece::Each(name, required) => Some((name, required)),
        _ => None,
    });
    let rounds: Vec<&str> = match each {
        None => vec![""],
        Some((name, true)) if !features.has(name) => {
            return Err(format!(
                "`${{@@{name}}}` needs the feature `{name}`, which is not defined"
            ));
        }
        Some((name, _)) => features.values(name).collect(),
    };
    rounds
        .into_iter()
        .map(|each| {
            pieces.iter().try_fold(String::new(), |mut expanded, piece| {
                expanded.push_str(match *piece {
                    Piece::Text(text) => text,
                    Piece::Value(name) => value(name, features)?,
                    Piece::Conditional(name, wanted, text) if features.has(name) == wanted => text,
                    Piece::Conditional(..) => "",
                    Piece::Each(..) => each,
                });
                Ok(expanded)
            })
        })
        .collect()
}

fn value<'a>(name: &str, features: &'a Features) -> Result<&'a str, String> {
    let mut values = features.values(name);
    match (values.next(), values.count()) {
        (Some(value), 0) => Ok(value),
        (None, _) => Err(format!("`${{{name}}}` needs the feature `{name}`, which is not defined")),
        (Some(_), more) => Err(format!(
            "`${{{name}}}` needs one value, the feature `{name}` has {}; a list field may say \
             `${{@{name}}}`",
            more + 1
        )),
    }
}

fn pieces(text: &str, field: Field) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut each = false;
    while let Some(dollar) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..dollar]));
        let after = &rest[dollar + 1..];
        if let Some(more) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = more;
            continue;
        }
        let Some((inside, more)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) else {
            return Err(format!(
                "`{text}`: a `$` is followed by `{{NAME}}` or doubled to stand for itself"
            ));
        };
        rest = more;
        let piece = piece(inside);
        let name = match piece {
            Piece::Text(name)
            | Piece::Value(name)
            | Piece::Conditional(name, ..)
            | Piece::Each(name, _) => name,
        };
        if !is_name(name) {
            return Err(format!("`${{{inside}}}`: `{name}` is no feature name"));
        }
        if let Piece::Each(..) = piece {
            if field == Field::Single {
                return Err(format!("`${{{inside}}}`: an `@` form only works in a list"));
            }
            if std::mem::replace(&mut each, true) {
                return Err(format!("`{text}` has more than one `@` form"));
            }
        }
        pieces.push(piece);
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn piece(inside: &str) -> Piece<'_> {
    if let Some(name) = inside.strip_prefix("@@") {
        return Piece::Each(name, true);
    }
    if let Some(name) = inside.strip_prefix('@') {
        return Piece::Each(name, false);
    }
    match inside.find(['?', '!']) {
        Some(at) => {
            let wanted = inside.as_bytes()[at] == b'?';
            Piece::Conditional(&inside[..at], wanted, &inside[at + 1..])
        }
        None => Piece::Value(inside),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn features() -> Features {
        Features::from_specs(["one=1", "two=b", "two+=a"]).unwrap()
    }

    #[test]
    fn single_fields() {
        let expand = |text| single(text, &features());
        assert_eq!(expand("a/${one}/b").unwrap(), "a/1/b");
        assert_eq!(expand("$$5").unwrap(), "$5");
        assert_eq!(expand("x${one?-y}${no?-n}${no!-z}${one?}").unwrap(), "x-y-z");
        assert!(expand("${no}").unwrap_err().contains("not defined"));
        assert!(expand("${two}").unwrap_err().contains("has 2"));
        assert!(expand("${@two}").unwrap_err().contains("only works in a list"));
        for bad in ["$", "a$b", "${one", "${}", "${a b}", "$5$"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn list_fields() {
        let expand = |text| list(text, &features());
        assert_eq!(expand("/p@${@two}").unwrap(), ["/p@a", "/p@b"]);
        assert_eq!(expand("${@no}").unwrap(), [""; 0]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
        assert!(expand("${@@no}").is_err());
        assert!(expand("${@two}${@@two}").unwrap_err().contains("more than one"));
    }

    proptest! {
        #[test]
        fn a_text_without_dollar_stays(text in "[^$]*") {
            prop_assert_eq!(single(&text, &features()).unwrap(), text);
        }

        #[test]
        fn checking_and_expanding_agree_on_form(text in "[$}{@?!a-c1 ]{0,16}") {
            let all = Features::from_specs(["a", "b", "c", "aa"]).unwrap();
            if single(&text, &all).is_ok() {
                prop_assert!(check_single(&text).is_ok());
            }
            if check_single(&text).is_err() {
                prop_assert!(single(&text, &all).is_err());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = list(&text, &features());
        }
    }
}
