//! Package names with publisher and version: `pkg://PUBLISHER/STEM@VERSION`.

use std::fmt;
use std::str::FromStr;

use crate::{Version, VersionError};

/// The name of a package, with its publisher and version where they are known.
///
/// FMRIs order by publisher, stem (both by bytes) and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fmri {
    /// Who publishes it.
    pub publisher: Option<String>,
    /// The name, e.g. `system/zones`.
    pub stem: String,
    /// The version.
    pub version: Option<Version>,
}

/// Why a text is no FMRI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("package {fmri:?}: {problem}")]
pub struct FmriError {
    /// The text that was refused.
    pub fmri: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl Fmri {
    /// Reads `pkg://PUB/STEM@VERSION`, `pkg:/STEM`, `//PUB/STEM`, `/STEM` or `STEM`.
    pub fn parse(text: &str) -> Result<Self, FmriError> {
        let refuse = |problem: String| FmriError { fmri: text.to_owned(), problem };
        let rest = text.strip_prefix("pkg:").unwrap_or(text);
        if rest.len() != text.len() && !rest.starts_with('/') {
            return Err(refuse("`pkg:` must be followed by `/`".to_owned()));
        }
        let (publisher, rest) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (publisher, rest) = rest
                    .split_once('/')
                    .ok_or_else(|| refuse("a publisher without a package name".to_owned()))?;
                if !publisher.is_empty() {
                    check_publisher(publisher).map_err(refuse)?;
                }
                (Some(publisher).filter(|p| !p.is_empty()), rest)
            }
            None => (None, rest.strip_prefix('/').unwrap_or(rest)),
        };
        let (stem, version) = match rest.rsplit_once('@') {
            Some((stem, version)) => (stem, Some(version)),
            None => (rest, None),
        };
        check_stem(stem).map_err(refuse)?;
        Ok(Self {
            publisher: publisher.map(str::to_owned),
            stem: stem.to_owned(),
            version: version
                .map(|v| v.parse().map_err(|e: VersionError| refuse(e.to_string())))
                .transpose()?,
        })
    }

    /// The same package without its publisher.
    pub fn without_publisher(&self) -> Self {
        Self { publisher: None, ..self.clone() }
    }

    /// The same package from `publisher`.
    pub fn with_publisher(&self, publisher: impl Into<String>) -> Self {
        Self { publisher: Some(publisher.into()), ..self.clone() }
    }

    /// The form of listings, without the build release: `pkg://PUB/STEM@REL-BRANCH:TIME`.
    pub fn short(&self) -> String {
        self.print(Version::short)
    }

    /// The form of manifests and catalogs: `pkg://PUB/STEM@REL,BUILD-BRANCH:TIME`.
    pub fn long(&self) -> String {
        self.print(Version::long)
    }

    fn print(&self, version: impl Fn(&Version) -> String) -> String {
        let mut text = match &self.publisher {
            Some(publisher) => format!("pkg://{publisher}/{}", self.stem),
            None => format!("pkg:/{}", self.stem),
        };
        if let Some(v) = &self.version {
            text.push('@');
            text.push_str(&version(v));
        }
        text
    }

    /// The directory and file name under which repositories and images keep the manifest:
    /// the quoted stem and the quoted long version; none without a version.
    pub fn quoted(&self) -> Option<(String, String)> {
        Some((quote(&self.stem), quote(&self.version.as_ref()?.long())))
    }
}

/// Checks a publisher's name (which becomes a directory name): letters, digits, `-`, `_`, `.`,
/// `:`, `[`, `]`, starting with a letter, digit or `[`. Says what is wrong.
pub(crate) fn check_publisher(name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c));
    if good {
        Ok(())
    } else {
        Err(format!("{name:?} is no publisher; letters, digits, `-` and `.` were expected"))
    }
}

fn check_stem(stem: &str) -> Result<(), String> {
    if stem.is_empty() {
        return Err("the package name is missing".to_owned());
    }
    for component in stem.split('/') {
        let good = component.starts_with(|c: char| c.is_ascii_alphanumeric())
            && component.chars().all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c));
        if !good {
            return Err(format!(
                "{component:?} is no component of a package name; a letter or digit and then \
                 letters, digits, `_`, `.`, `+`, `-` were expected"
            ));
        }
    }
    Ok(())
}

/// Percent-encodes everything but letters, digits, `-`, `.`, `_` and `~`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// Undoes [`quote`]; none when the text is not what [`quote`] could have made.
pub fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    let plain = String::from_utf8(bytes).ok()?;
    (quote(&plain) == text).then_some(plain)
}

impl FromStr for Fmri {
    type Err = FmriError;

    fn from_str(text: &str) -> Result<Self, FmriError> {
        Self::parse(text)
    }
}

/// With the version as it was given; see [`Fmri::long`] and [`Fmri::short`].
impl fmt::Display for Fmri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print(Version::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fmri(text: &str) -> Fmri {
        Fmri::parse(text).unwrap()
    }

    #[test]
    fn forms() {
        let full = fmri("pkg://helios-dev/system/zones@0.5.11,5.11-2.0:20260102T030405Z");
        assert_eq!(full.publisher.as_deref(), Some("helios-dev"));
        assert_eq!(full.stem, "system/zones");
        assert_eq!(full.short(), "pkg://helios-dev/system/zones@0.5.11-2.0:20260102T030405Z");
        for same in ["pkg:/system/zones", "/system/zones", "system/zones", "pkg:///system/zones"] {
            assert_eq!(fmri(same).to_string(), "pkg:/system/zones");
        }
        assert_eq!(fmri("//p/a/b").to_string(), "pkg://p/a/b");
        assert_eq!(
            full.quoted().unwrap(),
            ("system%2Fzones".to_owned(), "0.5.11%2C5.11-2.0%3A20260102T030405Z".to_owned())
        );
    }

    #[test]
    fn refusals() {
        for bad in [
            "",
            "pkg:",
            "pkg:x",
            "pkg://p",
            "pkg://p/",
            "a//b",
            "a/../b",
            "../x",
            ".a",
            "a b",
            "a@",
            "a@x",
            "pkg://../x",
            "pkg://p q/x",
            "a\0",
            "/",
            "ä",
        ] {
            assert!(Fmri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quoting() {
        assert_eq!(quote("a+b/ü~"), "a%2Bb%2F%C3%BC~");
        assert_eq!(unquote("a%2Bb%2F%C3%BC~").as_deref(), Some("a+b/ü~"));
        for bad in ["%", "%2", "%zz", "a/b", "%2b", "%FF"] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printed_is_what_was_read(
            publisher in proptest::option::of("[a-z][a-z0-9.-]{0,10}"),
            stem in "[A-Za-z0-9][A-Za-z0-9_.+-]{0,8}(/[A-Za-z0-9][A-Za-z0-9_.+-]{0,8}){0,3}",
            version in proptest::option::of("[1-9](\\.[0-9]){0,3}(,5\\.11)?(-[0-9])?"),
        ) {
            let mut text = publisher.map_or("pkg:/".to_owned(), |p| format!("pkg://{p}/")) + &stem;
            if let Some(version) = version {
                text = text + "@" + &version;
            }
            prop_assert_eq!(fmri(&text).to_string(), text);
        }

        #[test]
        fn quoting_goes_both_ways(text in "\\PC*") {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = Fmri::parse(&text);
            let _ = unquote(&text);
        }
    }
}
