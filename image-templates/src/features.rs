//! Features: names with values that guard steps and fill in strings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The features of a run, made by applying specifications in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    values: BTreeMap<String, BTreeSet<String>>,
}

/// Why a text is not a feature specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("feature `{spec}`: {reason}")]
pub struct FeatureError {
    /// The text that was refused.
    pub spec: String,
    /// What is wrong, and what is right.
    pub reason: String,
}

/// The forms a specification may have.
const FORMS: &str = "use NAME, NAME=VALUE, NAME+=VALUE, NAME-=VALUE or ^NAME";

impl Features {
    /// No features.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies specifications in order.
    pub fn from_specs<S: AsRef<str>>(
        specs: impl IntoIterator<Item = S>,
    ) -> Result<Self, FeatureError> {
        let mut features = Self::new();
        for spec in specs {
            features.apply(spec.as_ref())?;
        }
        Ok(features)
    }

    /// Applies one specification: `f` adds the value `1`, `f=v` replaces all values, `f+=v` adds
    /// one, `f-=v` (or `f~=v`) takes one away, `^f` takes the feature away.
    pub fn apply(&mut self, spec: &str) -> Result<(), FeatureError> {
        let refuse = |reason: String| FeatureError { spec: spec.to_owned(), reason };
        let name_checked = |name: &str| {
            if is_name(name) {
                return Ok(name.to_owned());
            }
            let reason = format!(
                "`{name}` is no name (a letter, then letters, digits, `_` and `-`, the last not \
                 `-`); {FORMS}"
            );
            Err(refuse(reason))
        };
        if let Some(name) = spec.strip_prefix('^') {
            if name.contains('=') {
                return Err(refuse("`^` takes a whole feature away and has no value".into()));
            }
            self.values.remove(&name_checked(name)?);
            return Ok(());
        }
        let Some((name, value)) = spec.split_once('=') else {
            let name = name_checked(spec)?;
            self.values.entry(name).or_default().insert("1".to_owned());
            return Ok(());
        };
        if value.is_empty() || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(refuse("a value is printable ASCII and not empty".into()));
        }
        let value = value.to_owned();
        if let Some(name) = name.strip_suffix('+') {
            self.values.entry(name_checked(name)?).or_default().insert(value);
        } else if let Some(name) = name.strip_suffix(['-', '~']) {
            let name = name_checked(name)?;
            if let Some(values) = self.values.get_mut(&name) {
                values.remove(&value);
                if values.is_empty() {
                    self.values.remove(&name);
                }
            }
        } else {
            self.values.insert(name_checked(name)?, BTreeSet::from([value]));
        }
        Ok(())
    }

    /// Whether a feature has any value.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The values of a feature, sorted; none if it is not defined.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The names of all features, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// Specifications that make the same features, one per line.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, values) in &self.values {
            for value in values {
                writeln!(f, "{name}+={value}")?;
            }
        }
        Ok(())
    }
}

/// Whether a text is a feature's name.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(specs: &[&str]) -> String {
        Features::from_specs(specs).unwrap().to_string()
    }

    #[test]
    fn specifications_work_in_order() {
        assert_eq!(printed(&["f"]), "f+=1\n");
        assert_eq!(printed(&["f=2", "f"]), "f+=1\nf+=2\n");
        assert_eq!(printed(&["f", "f=a=b"]), "f+=a=b\n");
        assert_eq!(printed(&["f+=a", "f+=b", "f-=a"]), "f+=b\n");
        assert_eq!(printed(&["f=a", "f~=a"]), "");
        assert_eq!(printed(&["f", "^f", "^g"]), "");
        assert_eq!(printed(&["^f", "f"]), "f+=1\n");
    }

    #[test]
    fn bad_specifications_are_refused() {
        for bad in ["", "1f", "f-", "f=", "^f=v", "f=ü", "=v", "+=v", "a b", "^"] {
            assert!(Features::from_specs([bad]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(specs in proptest::collection::vec(
            "[a-c](\\+|-|)=[ -~]{1,3}|[a-c]|\\^[a-c]", 0..12))
        {
            let features = Features::from_specs(&specs).unwrap();
            let again = Features::from_specs(features.to_string().lines()).unwrap();
            prop_assert_eq!(features, again);
        }

        #[test]
        fn no_text_makes_it_panic(spec in ".*") {
            let _ = Features::new().apply(&spec);
        }
    }
}
