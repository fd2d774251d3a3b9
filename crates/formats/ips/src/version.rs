//! Package versions: `RELEASE[,BUILD][-BRANCH][:TIMESTAMP]`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::Timestamp;

/// Non-negative integers joined by dots; a proper prefix is smaller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DotSequence(Vec<u64>);

/// A package version.
///
/// Two versions that differ only in BUILD are equal, and BUILD plays no part in the order.
#[derive(Debug, Clone)]
pub struct Version {
    /// What is released, e.g. `0.5.11`.
    pub release: DotSequence,
    /// The system release it was built on; missing reads as `5.11`.
    pub build: Option<DotSequence>,
    /// The branch, e.g. `2.0.22999`; a missing one is smaller than any other.
    pub branch: Option<DotSequence>,
    /// When it was published; a missing one is smaller than any other.
    pub timestamp: Option<Timestamp>,
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version:?}: {problem}")]
pub struct VersionError {
    /// The text that was refused.
    pub version: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl DotSequence {
    /// The numbers, most significant first; never empty.
    pub fn numbers(&self) -> &[u64] {
        &self.0
    }

    /// Whether the first numbers of this sequence are all those of `prefix`.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

impl FromStr for DotSequence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('.')
            .map(|component| {
                if component.is_empty() {
                    return Err("an empty component".to_owned());
                }
                if !component.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("{component:?} where a decimal number was expected"));
                }
                if component.len() > 1 && component.starts_with('0') {
                    return Err(format!("{component} has a leading zero"));
                }
                component.parse().map_err(|_| format!("{component} is too large"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for DotSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}

impl Version {
    /// The build release of versions that name none.
    pub const DEFAULT_BUILD: &'static str = "5.11";

    /// The form of manifests, catalogs and file names: BUILD always there.
    pub fn long(&self) -> String {
        let mut text = self.release.to_string();
        text.push(',');
        match &self.build {
            Some(build) => text.push_str(&build.to_string()),
            None => text.push_str(Self::DEFAULT_BUILD),
        }
        self.push_tail(&mut text);
        text
    }

    /// The form of listings: without BUILD.
    pub fn short(&self) -> String {
        let mut text = self.release.to_string();
        self.push_tail(&mut text);
        text
    }

    fn push_tail(&self, text: &mut String) {
        if let Some(branch) = &self.branch {
            text.push('-');
            text.push_str(&branch.to_string());
        }
        if let Some(timestamp) = &self.timestamp {
            text.push(':');
            text.push_str(&timestamp.to_string());
        }
    }

    /// Whether this version lies within `constraint`, as `incorporate` dependencies and version
    /// patterns mean it: its release begins with the constraint's; so does its branch and equal
    /// is its timestamp where the constraint has one.
    pub fn within(&self, constraint: &Version) -> bool {
        self.release.starts_with(&constraint.release)
            && match (&self.branch, &constraint.branch) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(ours), Some(theirs)) => ours.starts_with(theirs),
            }
            && (constraint.timestamp.is_none() || self.timestamp == constraint.timestamp)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let refuse = |part: &str, problem: String| VersionError {
            version: text.to_owned(),
            problem: format!("the {part}: {problem}"),
        };
        let (rest, timestamp) = match text.split_once(':') {
            Some((rest, timestamp)) => (rest, Some(timestamp)),
            None => (text, None),
        };
        let (rest, branch) = match rest.split_once('-') {
            Some((rest, branch)) => (rest, Some(branch)),
            None => (rest, None),
        };
        let (release, build) = match rest.split_once(',') {
            Some((release, build)) => (release, Some(build)),
            None => (rest, None),
        };
        let dots = |part: &'static str, text: &str| {
            text.parse::<DotSequence>().map_err(|problem| refuse(part, problem))
        };
        Ok(Self {
            release: dots("release", release)?,
            build: build.map(|build| dots("build release", build)).transpose()?,
            branch: branch.map(|branch| dots("branch", branch)).transpose()?,
            timestamp: timestamp
                .map(|t| {
                    t.parse().map_err(|e: crate::TimestampError| refuse("timestamp", e.to_string()))
                })
                .transpose()?,
        })
    }
}

/// As it was given; see [`Version::long`] and [`Version::short`].
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.build {
            Some(_) => f.write_str(&self.long()),
            None => f.write_str(&self.short()),
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.release
            .cmp(&other.release)
            .then_with(|| self.branch.cmp(&other.branch))
            .then_with(|| self.timestamp.cmp(&other.timestamp))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.release, &self.branch, &self.timestamp).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn long_and_short() {
        let full = version("0.5.11,5.11-2.0.22999:20260102T030405Z");
        assert_eq!(full.long(), "0.5.11,5.11-2.0.22999:20260102T030405Z");
        assert_eq!(full.short(), "0.5.11-2.0.22999:20260102T030405Z");
        assert_eq!(version("1.0.42").long(), "1.0.42,5.11");
        assert_eq!(version("1.0.42").to_string(), "1.0.42");
        assert_eq!(version("1.0-2"), version("1.0,5.10-2"));
    }

    #[test]
    fn order() {
        let ascending = [
            "0",
            "1.2",
            "1.2:20260102T030405Z",
            "1.2-0",
            "1.2-0:20260102T030405Z",
            "1.2-0.1",
            "1.2-1",
            "1.2.0",
            "1.10",
            "2",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn constraints() {
        let candidate = version("0.5.11,5.11-2.0.22999:20260102T030405Z");
        for (constraint, expected) in [
            ("0.5.11", true),
            ("0.5", true),
            ("0.5.1", false),
            ("0.5.11-2", true),
            ("0.5.11-2.0.22", false),
            ("0.5.11,5.10-2.0", true),
            ("0.5.11-2.0.22999:20260102T030405Z", true),
            ("0.5.11-2.0.22999:20260102T030406Z", false),
            ("0.5.11.0", false),
        ] {
            assert_eq!(candidate.within(&version(constraint)), expected, "{constraint}");
        }
        assert!(!version("1.2").within(&version("1.2-1")));
    }

    #[test]
    fn refusals_name_the_part() {
        for (bad, part) in [
            ("", "release"),
            ("1..2", "release"),
            ("1.02", "release"),
            ("1.a", "release"),
            ("1,", "build release"),
            ("1-", "branch"),
            ("1-1-2", "branch"),
            ("1:2026", "timestamp"),
            ("99999999999999999999", "too large"),
        ] {
            let error = bad.parse::<Version>().unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }

    fn any_version() -> impl Strategy<Value = String> {
        "(0|[1-9][0-9]{0,5})(\\.(0|[1-9][0-9]{0,3})){0,3}(,5\\.1[01])?(-(0|[1-9][0-9]{0,3})(\\.(0|[1-9])){0,2})?(:20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|2[0-8])T([01][0-9])([0-5][0-9]){2}Z)?"
    }

    proptest! {
        #[test]
        fn printed_is_what_was_read(text in any_version()) {
            prop_assert_eq!(version(&text).to_string(), text);
        }

        #[test]
        fn a_total_order(a in any_version(), b in any_version(), c in any_version()) {
            let (a, b, c) = (version(&a), version(&b), version(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            prop_assert!(a.within(&a));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Version>();
        }
    }
}
