//! The image property `exclude-patterns`: paths that an operation passes over.

use fancy_regex::Regex;

/// The patterns of an image: regular expressions (with look-ahead, as Python has them) that match
/// at the beginning of a path.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExcludePatterns(Option<Regex>);

impl ExcludePatterns {
    /// Reads the patterns; one that is no regular expression is an error that says so.
    pub(crate) fn parse(patterns: &[String]) -> Result<Self, String> {
        for pattern in patterns {
            compile(pattern)?;
        }
        match patterns {
            [] => Ok(Self(None)),
            patterns => compile(&patterns.join("|")).map(|regex| Self(Some(regex))),
        }
    }

    /// Whether a path (without leading `/`) is passed over. An error is a pattern that takes too
    /// long on it.
    pub(crate) fn matches(&self, path: &str) -> Result<bool, String> {
        match &self.0 {
            None => Ok(false),
            Some(regex) => {
                regex.is_match(path).map_err(|error| format!("exclude-patterns on {path}: {error}"))
            }
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})"))
        .map_err(|error| format!("exclude-patterns: `{pattern}` is no regular expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_the_baseline() {
        let patterns = ["usr/", "sbin/", "lib/(?!svc/seed|svc/manifest)"].map(str::to_owned);
        let patterns = ExcludePatterns::parse(&patterns).unwrap();
        for out in ["usr/bin", "lib/libc.so.1", "lib/svc", "lib/svc/method"] {
            assert!(patterns.matches(out).unwrap(), "{out}");
        }
        for kept in ["usr", "usr2/bin", "lib", "lib/svc/seed", "lib/svc/manifest/x", "etc/usr/"] {
            assert!(!patterns.matches(kept).unwrap(), "{kept}");
        }
        assert!(!ExcludePatterns::default().matches("usr").unwrap());
        assert!(ExcludePatterns::parse(&["a(".to_owned()]).unwrap_err().contains("`a(`"));
    }
}
