//! The attributes of an action.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::mem;

/// Attributes in the order of their keys; each key has one or more values, in order.
///
/// An image has millions of them, nearly all with one of a few keys and a single value: neither
/// takes an allocation of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Attributes(Vec<(Cow<'static, str>, Values)>);

#[derive(Debug, Clone)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Values {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Values {}

impl Ord for Values {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl PartialOrd for Values {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Values {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

/// Keys that are not worth an allocation, in order.
const USUAL: [&str; 20] = [
    "chash",
    "elfarch",
    "elfbits",
    "elfhash",
    "fmri",
    "group",
    "license",
    "mode",
    "name",
    "owner",
    "path",
    "pkg.content-hash",
    "pkg.csize",
    "pkg.size",
    "preserve",
    "target",
    "timestamp",
    "type",
    "value",
    "variant.opensolaris.zone",
];

fn key_of(text: &str) -> Cow<'static, str> {
    match USUAL.binary_search(&text) {
        Ok(at) => Cow::Borrowed(USUAL[at]),
        Err(_) => Cow::Owned(text.to_owned()),
    }
}

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(there, _)| there.as_ref().cmp(key))
    }

    /// The only or first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.list(key).first().map(String::as_str)
    }

    /// All values of `key`; empty when there is none.
    pub fn list(&self, key: &str) -> &[String] {
        self.find(key).map_or(&[], |at| self.0[at].1.as_slice())
    }

    /// Whether `key` has a value.
    pub fn contains(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Adds a value after those that `key` has.
    pub fn push(&mut self, key: impl AsRef<str>, value: impl Into<String>) {
        match self.find(key.as_ref()) {
            Ok(at) => {
                let values = &mut self.0[at].1;
                let mut all = mem::replace(values, Values::Many(Vec::new())).into_vec();
                all.push(value.into());
                *values = Values::Many(all);
            }
            Err(at) => self.0.insert(at, (key_of(key.as_ref()), Values::One(value.into()))),
        }
    }

    /// Makes `value` the only value of `key`.
    pub fn set(&mut self, key: impl AsRef<str>, value: impl Into<String>) {
        self.put(key.as_ref(), Values::One(value.into()));
    }

    /// Makes `values` the values of `key`; removes the key when there are none.
    pub fn set_list(&mut self, key: impl AsRef<str>, values: Vec<String>) {
        if values.is_empty() {
            self.remove(key.as_ref());
        } else {
            self.put(key.as_ref(), Values::Many(values));
        }
    }

    fn put(&mut self, key: &str, values: Values) {
        match self.find(key) {
            Ok(at) => self.0[at].1 = values,
            Err(at) => self.0.insert(at, (key_of(key), values)),
        }
    }

    /// Removes `key` and returns its values.
    pub fn remove(&mut self, key: &str) -> Vec<String> {
        self.find(key).map(|at| self.0.remove(at).1.into_vec()).unwrap_or_default()
    }

    /// Keys and their values, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_ref(), values.as_slice()))
    }

    /// Keys that begin with `prefix`, and their values.
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a [String])> {
        let start = self.find(prefix).unwrap_or_else(|at| at);
        self.0[start..]
            .iter()
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, values)| (key.as_ref(), values.as_slice()))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Attributes {
    /// Repeated keys make lists.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut attributes = Self::new();
        for (key, value) in pairs {
            attributes.push(key, value);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_prefixes() {
        let attributes =
            Attributes::from_iter([("facet.b", "1"), ("a", "x"), ("facet.a", "2"), ("a", "y")]);
        assert_eq!(attributes.list("a"), ["x", "y"]);
        assert_eq!(attributes.get("a"), Some("x"));
        let facets: Vec<_> = attributes.with_prefix("facet.").map(|(key, _)| key).collect();
        assert_eq!(facets, ["facet.a", "facet.b"]);
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        let mut one = Attributes::new();
        one.set("a", "x");
        let mut list = Attributes::new();
        list.set_list("a", vec!["x".to_owned()]);
        assert_eq!(one, list);
        assert_eq!(one.cmp(&list), std::cmp::Ordering::Equal);
        one.push("a", "y");
        assert!(one > list);
        assert_eq!(one.remove("a"), ["x", "y"]);
        assert!(one.is_empty() && one.remove("a").is_empty());
    }

    #[test]
    fn usual_keys_are_found() {
        assert!(USUAL.is_sorted());
        for key in USUAL {
            assert!(matches!(key_of(key), Cow::Borrowed(_)));
        }
        assert_eq!(key_of("pkg.debug"), "pkg.debug");
    }
}
