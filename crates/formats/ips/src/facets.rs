//! Facets: which optional parts of packages an image takes.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use crate::Attributes;

/// The facets an image has set, under their full names (`facet.doc.man`, `facet.locale.*`);
/// inherited ones come from a parent image and beat its own.
#[derive(Debug, Clone, Default)]
pub struct Facets {
    own: BTreeMap<String, bool>,
    inherited: BTreeMap<String, bool>,
    /// Names with `*`, `?` or `[`, in the order in which they are tried.
    patterns: Vec<(String, GlobMatcher, bool)>,
}

impl Facets {
    /// Nothing set: every facet has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a facet or a pattern of facets, by its full name.
    pub fn set(&mut self, name: impl Into<String>, value: bool) {
        self.own.insert(name.into(), value);
        self.order_patterns();
    }

    /// Sets a facet that the image has from its parent.
    pub(crate) fn set_inherited(&mut self, name: impl Into<String>, value: bool) {
        self.inherited.insert(name.into(), value);
        self.order_patterns();
    }

    /// The image's own settings, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.own.iter().map(|(name, &value)| (name.as_str(), value))
    }

    /// The settings of the parent image, by name.
    pub(crate) fn iter_inherited(&self) -> impl Iterator<Item = (&str, bool)> {
        self.inherited.iter().map(|(name, &value)| (name.as_str(), value))
    }

    fn order_patterns(&mut self) {
        self.patterns.clear();
        for settings in [&self.inherited, &self.own] {
            let mut names: Vec<_> =
                settings.iter().filter(|(name, _)| name.contains(['*', '?', '['])).collect();
            names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(b.0)));
            for (name, &value) in names {
                // A shell pattern that globset cannot read matches only its own text, as the
                // exact lookup below already does.
                let glob =
                    GlobBuilder::new(name).literal_separator(false).backslash_escape(false).build();
                if let Ok(glob) = glob {
                    self.patterns.push((name.clone(), glob.compile_matcher(), value));
                }
            }
        }
    }

    /// The value of a facet: its exact setting, else that of the longest matching pattern
    /// (`*` matches any text), else the default, which is false below `facet.debug.` and
    /// `facet.optional.` and true elsewhere.
    pub fn value(&self, name: &str) -> bool {
        if let Some(&value) = self.inherited.get(name).or_else(|| self.own.get(name)) {
            return value;
        }
        if let Some((_, _, value)) = self.patterns.iter().find(|(_, glob, _)| glob.is_match(name)) {
            return *value;
        }
        !(name.starts_with("facet.debug.") || name.starts_with("facet.optional."))
    }

    /// Whether an image with these facets takes an action with these attributes: every facet
    /// with the value `all` is true and, if there are others, at least one of those is.
    pub fn allow(&self, attributes: &Attributes) -> bool {
        let mut any = None;
        for (name, values) in attributes.with_prefix("facet.") {
            let value = self.value(name);
            if matches!(values, [only] if only == "all") {
                if !value {
                    return false;
                }
            } else {
                any = Some(any.unwrap_or(false) || value);
            }
        }
        any.unwrap_or(true)
    }
}

/// Equal settings; patterns follow from them.
impl PartialEq for Facets {
    fn eq(&self, other: &Self) -> bool {
        (&self.own, &self.inherited) == (&other.own, &other.inherited)
    }
}

impl Eq for Facets {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    fn facets(settings: &[(&str, bool)]) -> Facets {
        let mut facets = Facets::new();
        for &(name, value) in settings {
            facets.set(name, value);
        }
        facets
    }

    #[test]
    fn values() {
        let set = facets(&[("facet.foo.*", false), ("facet.foo.bar.*", true)]);
        assert!(set.value("facet.foo.bar.qux"));
        assert!(!set.value("facet.foo.x/y"));
        let set = facets(&[("facet.locale.*", false), ("facet.locale.de", true)]);
        assert!(set.value("facet.locale.de"));
        assert!(!set.value("facet.locale.de_DE"));
        let set = Facets::new();
        assert!(set.value("facet.doc.man"));
        assert!(!set.value("facet.debug.x"));
        assert!(!set.value("facet.optional.x"));
    }

    #[test]
    fn what_is_inherited_wins() {
        let mut set = facets(&[("facet.a.very.long.*", true), ("facet.b", true)]);
        set.set_inherited("facet.a.*", false);
        set.set_inherited("facet.b", false);
        assert!(!set.value("facet.a.very.long.x"));
        assert!(!set.value("facet.b"));
    }

    #[test]
    fn rules() {
        let set = facets(&[("facet.locale.en", false), ("facet.doc.html", false)]);
        for (attributes, expected) in [
            ("", true),
            ("facet.doc.man=true", true),
            ("facet.doc.html=true", false),
            ("facet.doc.html=true facet.doc.man=true", true),
            ("facet.doc.html=false facet.doc.man=false", true),
            ("facet.doc.html=all facet.doc.man=true", false),
            ("facet.doc.man=all facet.locale.en=true", false),
            ("facet.doc.man=all", true),
            ("facet.doc.html=ALL facet.doc.man=true", true),
            ("facet.doc.html=all facet.doc.html=all facet.doc.man=true", true),
        ] {
            let action = Action::parse(&format!("dir path=x {attributes}")).unwrap();
            assert_eq!(set.allow(&action.attributes), expected, "{attributes}");
        }
    }
}
