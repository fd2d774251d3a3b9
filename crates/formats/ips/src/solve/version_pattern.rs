//! Versions as people type them where several are meant: `1.2`, `0.5.*`, `*-2.0.22999`.

use std::fmt;

use super::glob::glob;
use crate::{DotSequence, Version};

/// A version in which a component of release, branch and time may have the wildcards `*` and `?`.
/// As with versions without wildcards, what is given must be how the version begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VersionPattern {
    text: String,
    release: Vec<String>,
    branch: Vec<String>,
    timestamp: Option<String>,
}

impl VersionPattern {
    /// Reads a version pattern; an error is what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (rest, timestamp) = match text.split_once(':') {
            Some((rest, timestamp)) => (rest, Some(timestamp)),
            None => (text, None),
        };
        let (rest, branch) = match rest.split_once('-') {
            Some((rest, branch)) => (rest, components("branch", branch)?),
            None => (rest, Vec::new()),
        };
        // The build release plays no part, but must be one.
        let release = match rest.split_once(',') {
            Some((release, build)) => components("build release", build).map(|_| release)?,
            None => rest,
        };
        let good = |c: char| c.is_ascii_digit() || matches!(c, 'T' | 'Z' | '*' | '?');
        if timestamp.is_some_and(|time| time.is_empty() || !time.chars().all(good)) {
            return Err("the timestamp: digits, `T`, `Z`, `*` and `?` were expected".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            release: components("release", release)?,
            branch,
            timestamp: timestamp.map(str::to_owned),
        })
    }

    pub(crate) fn matches(&self, version: &Version) -> bool {
        begins(Some(&version.release), &self.release)
            && begins(version.branch.as_ref(), &self.branch)
            && self.timestamp.as_ref().is_none_or(|pattern| {
                let time = version.timestamp.map(|time| time.to_string()).unwrap_or_default();
                glob(pattern.as_bytes(), time.as_bytes())
            })
    }
}

fn components(part: &str, text: &str) -> Result<Vec<String>, String> {
    let good = |component: &str| {
        let letters = component.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '?'));
        !component.is_empty() && letters
    };
    let components = text.split('.').map(str::to_owned).collect::<Vec<_>>();
    match components.iter().find(|component| !good(component)) {
        Some(bad) => Err(format!("the {part}: {bad:?} where a number, `*` or `?` was expected")),
        None => Ok(components),
    }
}

fn begins(sequence: Option<&DotSequence>, pattern: &[String]) -> bool {
    if matches!(pattern, [only] if only == "*") {
        return true;
    }
    let numbers = sequence.map_or(&[][..], DotSequence::numbers);
    numbers.len() >= pattern.len()
        && pattern
            .iter()
            .zip(numbers)
            .all(|(pattern, number)| glob(pattern.as_bytes(), number.to_string().as_bytes()))
}

impl fmt::Display for VersionPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards() {
        let version: Version = "0.5.11,5.11-2.0.22999:20260102T030405Z".parse().unwrap();
        for (pattern, expected) in [
            ("*", true),
            ("0.*", true),
            ("0.*.11", true),
            ("0.?.11", true),
            ("0.5.1", false),
            ("0.5.1?", true),
            ("0.6.*", false),
            ("0.5.11.*", false),
            ("*-2.0.22999", true),
            ("*-2.*.2*", true),
            ("*-2.1.*", false),
            ("*,5.*-2", true),
            ("*:20260102T*", true),
            ("*:2027*", false),
        ] {
            let pattern = VersionPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&version), expected, "{pattern}");
        }
        let short: Version = "1".parse().unwrap();
        assert!(VersionPattern::parse("*-*").unwrap().matches(&short));
        assert!(!VersionPattern::parse("*-1*").unwrap().matches(&short));
    }

    #[test]
    fn refusals() {
        for bad in ["", "*.", "a*", "1.*x", "*-", "*,", "*:", "*:x", "*--1"] {
            assert!(VersionPattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_version_is_a_pattern_of_what_is_within_it(
            version in "[1-9](\\.[0-9]){0,3}(-[0-9](\\.[0-9]){0,2})?",
            given in "[1-9](\\.[0-9]){0,3}(-[0-9](\\.[0-9]){0,2})?",
        ) {
            let pattern = VersionPattern::parse(&given).unwrap();
            let (version, given): (Version, Version) = (version.parse().unwrap(), given.parse().unwrap());
            prop_assert_eq!(pattern.matches(&version), version.within(&given));
        }
    }
}
