//! The image property `exclude-patterns`: paths that an operation passes over.

/// The patterns of an image, in the small language that is used for them: a literal beginning of
/// a path, then at most one `(?!A|B)`: not followed by the literal A or B.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExcludePatterns(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    prefix: String,
    unless: Vec<String>,
}

impl ExcludePatterns {
    /// Reads the patterns; one outside of the language is an error that says so.
    pub(crate) fn parse(patterns: &[String]) -> Result<Self, String> {
        patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path (without leading `/`) is passed over.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| {
            path.strip_prefix(&pattern.prefix)
                .is_some_and(|rest| !pattern.unless.iter().any(|text| rest.starts_with(text)))
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (prefix, unless) = match text.split_once("(?!") {
            None => (text, Vec::new()),
            Some((prefix, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| not_understood(text))?;
                let unless = inner.split('|').map(|part| literal(part, text));
                (prefix, unless.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { prefix: literal(prefix, text)?, unless })
    }
}

/// Regular-expression text that stands for itself: escaped characters, and a `.` read as a dot
/// only when escaped.
fn literal(part: &str, whole: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_alphanumeric() => text.push(escaped),
                _ => return Err(not_understood(whole)),
            },
            '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => {
                return Err(not_understood(whole));
            }
            c => text.push(c),
        }
    }
    Ok(text)
}

fn not_understood(pattern: &str) -> String {
    format!(
        "exclude-patterns: `{pattern}` is more than a literal beginning of a path, optionally \
         with one `(?!A|B)` at its end"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_the_baseline() {
        let patterns = ["usr/", "sbin/", "lib/(?!svc/seed|svc/manifest)"].map(str::to_owned);
        let patterns = ExcludePatterns::parse(&patterns).unwrap();
        for out in ["usr/bin", "lib/libc.so.1", "lib/svc", "lib/svc/method"] {
            assert!(patterns.matches(out), "{out}");
        }
        for kept in ["usr", "usr2/bin", "lib", "lib/svc/seed", "lib/svc/manifest/x", "etc/usr/"] {
            assert!(!patterns.matches(kept), "{kept}");
        }
        assert!(ExcludePatterns::parse(&["a.*b".to_owned()]).is_err());
        assert!(ExcludePatterns::parse(&["a\\.b".to_owned()]).unwrap().matches("a.b/c"));
    }
}
