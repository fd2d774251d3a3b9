//! Package names as people type them.

use std::collections::BTreeSet;

use super::depend::Limit;
use super::glob::glob;
use super::version_pattern::VersionPattern;
use crate::Version;

/// A package named on a command line: `zones`, `/system/zones`, `pkg://PUB/system/zones@1.2`,
/// `system/*`, `zones@latest`, `zones@0.5.*-2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    pub(crate) publisher: Option<String>,
    pub(crate) version: Versions,
    stem: String,
    whole: bool,
}

/// Which versions a pattern means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Versions {
    /// Whichever fits.
    Any,
    /// The newest there is and no other.
    Latest,
    /// Those that a limit allows.
    Limited(Limit),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, version) = match text.rsplit_once('@') {
            Some((name, "latest")) => (name, Versions::Latest),
            Some((name, version)) if version.contains(['*', '?']) => {
                let pattern = VersionPattern::parse(version)
                    .map_err(|problem| format!("has the version `{version}`: {problem}"))?;
                (name, Versions::Limited(Limit::Like(pattern)))
            }
            Some((name, version)) => {
                let version: Version =
                    version.parse().map_err(|error: crate::VersionError| error.to_string())?;
                (name, Versions::Limited(Limit::Within(version)))
            }
            None => (text, Versions::Any),
        };
        let rest = name.strip_prefix("pkg:").unwrap_or(name);
        let (publisher, stem, whole) = match rest.strip_prefix("//") {
            Some(rest) => match rest.split_once('/') {
                Some((publisher, stem)) => (Some(publisher).filter(|p| !p.is_empty()), stem, true),
                None => return Err("names a publisher but no package".to_owned()),
            },
            None => match rest.strip_prefix('/') {
                Some(stem) => (None, stem, true),
                None if rest.len() != name.len() => {
                    return Err("`pkg:` must be followed by `/`".to_owned());
                }
                None => (None, rest, false),
            },
        };
        if stem.is_empty() || stem.split('/').any(str::is_empty) {
            return Err("is not a package name".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            publisher: publisher.map(str::to_owned),
            version,
            stem: stem.to_owned(),
            whole,
        })
    }

    /// Whether it may stand for several packages.
    fn has_wildcard(&self) -> bool {
        self.stem.contains(['*', '?'])
    }

    /// Whether a version is meant, so that an older one than the installed may be taken.
    pub(crate) fn has_version(&self) -> bool {
        self.version != Versions::Any
    }

    /// Whether it means this version; of `@latest` that is not asked.
    pub(crate) fn allows(&self, version: Option<&Version>) -> bool {
        match (&self.version, version) {
            (Versions::Limited(limit), Some(version)) => limit.allows(version),
            (Versions::Limited(_), None) => false,
            (Versions::Any | Versions::Latest, _) => true,
        }
    }

    pub(crate) fn matches(&self, stem: &str) -> bool {
        let wanted: Vec<&str> = self.stem.split('/').collect();
        let there: Vec<&str> = stem.split('/').collect();
        if self.stem == "*" {
            return true;
        }
        if there.len() < wanted.len() || (self.whole && there.len() != wanted.len()) {
            return false;
        }
        let tail = &there[there.len() - wanted.len()..];
        wanted.iter().zip(tail).all(|(pattern, text)| glob(pattern.as_bytes(), text.as_bytes()))
    }

    /// The packages it stands for, out of those that are known: exactly one, unless it has a
    /// wildcard. An error says what is wrong with it.
    pub(crate) fn select<'a>(
        &self,
        stems: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeSet<&'a str>, String> {
        self.check(self.find(stems))
    }

    /// The packages that it could stand for.
    pub(crate) fn find<'a>(&self, stems: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let found: BTreeSet<&str> = stems.filter(|stem| self.matches(stem)).collect();
        match found.get(self.stem.as_str()) {
            Some(exact) if !self.has_wildcard() => [*exact].into(),
            _ => found,
        }
    }

    /// Refuses to find nothing, and several packages without a wildcard.
    pub(crate) fn check<'a>(&self, found: BTreeSet<&'a str>) -> Result<BTreeSet<&'a str>, String> {
        if found.is_empty() {
            return Err("matches no package".to_owned());
        }
        if found.len() > 1 && !self.has_wildcard() {
            let names: Vec<&str> = found.into_iter().take(10).collect();
            return Err(format!("matches several packages: {}", names.join(", ")));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEMS: [&str; 5] =
        ["system/zones", "system/zones/brand", "zones", "library/zlib", "system/library"];

    fn select(pattern: &str) -> Result<Vec<&'static str>, String> {
        let found = Pattern::parse(pattern)?.select(STEMS.into_iter())?;
        Ok(found.into_iter().collect())
    }

    #[test]
    fn trailing_components_and_exact_names() {
        assert_eq!(select("brand").unwrap(), ["system/zones/brand"]);
        assert_eq!(select("zones").unwrap(), ["zones"], "an exact name wins");
        assert_eq!(select("/system/zones@latest").unwrap(), ["system/zones"]);
        assert_eq!(select("pkg://p/system/zones@1.2-3").unwrap(), ["system/zones"]);
        assert_eq!(select("system/*").unwrap(), ["system/library", "system/zones"]);
        assert!(select("/brand").is_err());
        assert!(select("pkg:/brand").is_err());
        assert_eq!(select("nothing").unwrap_err(), "matches no package");
        for bad in ["", "a@", "a@x", "pkg:a", "//p", "a//b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*|[a-z*?/@:]*") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let _ = pattern.select(STEMS.into_iter());
            }
        }
    }

    #[test]
    fn two_packages_are_not_one() {
        let found = Pattern::parse("c").unwrap().select(["a/c", "b/c"].into_iter());
        assert_eq!(found.unwrap_err(), "matches several packages: a/c, b/c");
    }
}
