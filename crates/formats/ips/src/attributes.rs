//! The attributes of an action.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Attributes in the order of their keys; each key has one or more values, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Attributes(BTreeMap<String, Vec<String>>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The only or first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|values| values.first()).map(String::as_str)
    }

    /// All values of `key`; empty when there is none.
    pub fn list(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether `key` has a value.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Adds a value after those that `key` has.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().push(value.into());
    }

    /// Makes `value` the only value of `key`.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), vec![value.into()]);
    }

    /// Makes `values` the values of `key`; removes the key when there are none.
    pub fn set_list(&mut self, key: impl Into<String>, values: Vec<String>) {
        let key = key.into();
        if values.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, values);
        }
    }

    /// Removes `key` and returns its values.
    pub fn remove(&mut self, key: &str) -> Vec<String> {
        self.0.remove(key).unwrap_or_default()
    }

    /// Keys and their values, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// Keys that begin with `prefix`, and their values.
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a [String])> {
        self.0
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, values)| (key.as_str(), values.as_slice()))
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

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Attributes {
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
}
