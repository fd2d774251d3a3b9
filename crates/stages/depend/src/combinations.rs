//! Combinations of variants: the kinds of images a package can be installed into.

use std::collections::{BTreeMap, BTreeSet};

use ips::{ActionKind, Attributes, Manifest};

/// A value for each variant.
pub(crate) type Combination = BTreeMap<String, String>;

/// More combinations than any distribution has; a guard against made-up manifests.
const MOST: usize = 4096;

/// The values that each variant can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variants(BTreeMap<String, BTreeSet<String>>);

impl Variants {
    /// The variants that a package says it supports.
    pub(crate) fn declared(manifest: &Manifest) -> Self {
        let mut variants = Self::default();
        for action in manifest.of_kind(ActionKind::Set) {
            if let Some(name) = action.get("name").filter(|name| name.starts_with("variant.")) {
                variants.add(name, action.attributes.list("value"));
            }
        }
        variants
    }

    fn add(&mut self, name: &str, values: &[String]) {
        self.0.entry(name.to_owned()).or_default().extend(values.iter().cloned());
    }

    /// Adds the variants that actions of a package carry.
    pub(crate) fn add_carried(&mut self, manifest: &Manifest) {
        for action in manifest.actions() {
            for (name, values) in action.attributes.with_prefix("variant.") {
                self.add(name, values);
            }
        }
    }

    /// Whether a variant is among these.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Adds all values of other variants.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, values) in &other.0 {
            self.0.entry(name.clone()).or_default().extend(values.iter().cloned());
        }
    }

    /// Adds variants that are not among these.
    pub(crate) fn merge_unknown(&mut self, other: &Self) {
        for (name, values) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(|| values.clone());
        }
    }

    /// The combinations in which an action is there. An error says why they cannot be listed.
    pub(crate) fn combinations(
        &self,
        attributes: &Attributes,
    ) -> Result<BTreeSet<Combination>, String> {
        let mut all = BTreeSet::from([Combination::new()]);
        let carried: BTreeSet<&str> =
            attributes.with_prefix("variant.").map(|(name, _)| name).collect();
        let names = self.0.keys().map(String::as_str).chain(carried);
        for name in names.collect::<BTreeSet<_>>() {
            let own = attributes.list(name);
            let values: Vec<&String> = match (own, self.0.get(name)) {
                ([], Some(values)) => values.iter().collect(),
                (own, _) => own.iter().collect(),
            };
            if all.len().saturating_mul(values.len()) > MOST {
                return Err(format!("there are more than {MOST} combinations of variants"));
            }
            all = all
                .iter()
                .flat_map(|combination| {
                    values.iter().map(move |value| {
                        let mut combination = combination.clone();
                        combination.insert(name.to_owned(), (*value).clone());
                        combination
                    })
                })
                .collect();
        }
        Ok(all)
    }

    /// Whether an action with these attributes, of a package with these variants, is there in an
    /// image of a combination.
    pub(crate) fn cover(&self, attributes: &Attributes, combination: &Combination) -> bool {
        combination.iter().all(|(name, value)| match (attributes.list(name), self.0.get(name)) {
            ([], None) => true,
            ([], Some(values)) => values.contains(value),
            (own, _) => own.contains(value),
        })
    }

    /// The same combinations with as few variants as possible: a variant all of whose values are
    /// there is left out.
    pub(crate) fn simplify(&self, combinations: &BTreeSet<Combination>) -> BTreeSet<Combination> {
        let mut simple = combinations.clone();
        for (name, values) in &self.0 {
            let mut by_rest: BTreeMap<Combination, BTreeSet<String>> = BTreeMap::new();
            for combination in &simple {
                let mut rest = combination.clone();
                let Some(value) = rest.remove(name) else { continue };
                by_rest.entry(rest).or_default().insert(value);
            }
            if !by_rest.is_empty() && by_rest.values().all(|found| values.is_subset(found)) {
                simple = by_rest.into_keys().collect();
            }
        }
        simple
    }
}

/// For people: `arch=i386 opensolaris.zone=global`.
pub(crate) fn words(combination: &Combination) -> String {
    let pair = |(name, value): (&String, &String)| {
        format!("{}={value}", name.strip_prefix("variant.").unwrap_or(name))
    };
    combination.iter().map(pair).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn products_and_back() {
        let text = "set name=variant.zone value=global value=nonglobal\n\
                    set name=variant.arch value=i386\n";
        let variants = Variants::declared(&Manifest::parse("x", text).unwrap());
        let action = |text: &str| ips::Action::parse(text).unwrap().attributes;
        let all = variants.combinations(&action("dir path=a")).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(variants.simplify(&all), BTreeSet::from([Combination::new()]));
        let global = action("dir path=a variant.zone=global variant.debug=true");
        let some = variants.combinations(&global).unwrap();
        let simple: Vec<String> = variants.simplify(&some).iter().map(words).collect();
        assert_eq!(simple, ["debug=true zone=global"]);
        assert!(some.iter().all(|combination| variants.cover(&global, combination)));
        let nonglobal = action("dir path=a variant.zone=nonglobal");
        assert!(!some.iter().any(|combination| variants.cover(&nonglobal, combination)));

        let mut many = Variants::default();
        for name in 0..13 {
            many.add(&format!("variant.{name}"), &["a".to_owned(), "b".to_owned()]);
        }
        assert!(many.combinations(&action("dir path=a")).is_err());
    }
}
