//! Which files of the global zone become links in a zone, and which become copies.
//!
//! One table decides, for each regular file by its path in the global zone. The first rule whose
//! pattern fits the *whole* path wins. In a pattern, `*` stands for any bytes but a slash and
//! `**` for any bytes at all, so how far a rule reaches can be read off it.
//!
//! [`DEPLOYED`] decides as the published brand does for every possible path. That brand looks
//! for pieces of text anywhere in a path; hence the many wildcards, and hence links for
//! `notes.source` and for files below `/usr/share/manifests`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The trees that are replicated, in this order.
pub const TREES: [&str; 3] = ["usr", "lib", "sbin"];

/// What becomes of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A symbolic link to the global zone's file, by way of `/system`.
    Link,
    /// A file of its own.
    Copy,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of a file that fits.
    pub decision: Decision,
    /// What fits: a pattern for the whole path.
    pub pattern: &'static str,
}

const fn link(pattern: &'static str) -> Rule {
    Rule { decision: Decision::Link, pattern }
}

/// The rules of the published brand, in order. A path that fits none is copied.
pub const DEPLOYED: &[Rule] = &[
    link("**/*.so*"),
    link("**usr/bin**"),
    link("**usr/libexec**"),
    link("**usr/share/man**"),
    link("**usr/share/locale**"),
    link("**sbin**"),
];

/// The rule that is left when none of a table fits.
pub const OTHERWISE: Rule = Rule { decision: Decision::Copy, pattern: "**" };

/// The first rule of a table that fits a path of the global zone, as `/usr/bin/ls`.
pub fn decide(table: &[Rule], path: &[u8]) -> Rule {
    let fits = |rule: &&Rule| fits(rule.pattern.as_bytes(), path);
    table.iter().find(fits).copied().unwrap_or(OTHERWISE)
}

/// Whether a pattern fits a whole path.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => {
            let next = rest.first().filter(|byte| **byte != b'*');
            let possible = |skipped: &usize| next.is_none() || path.get(*skipped) == next;
            (0..=path.len()).filter(possible).any(|skipped| fits(rest, &path[skipped..]))
        }
        [b'*', rest @ ..] => {
            let reach = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=reach).any(|skipped| fits(rest, &path[skipped..]))
        }
        [literal, rest @ ..] => {
            path.first().is_some_and(|byte| byte == literal) && fits(rest, &path[1..])
        }
    }
}

/// The link text that stands for the global zone's file at `path` (as `usr/bin/ls`).
///
/// It climbs from the link's directory to the zone root, whatever the zone root's own path is.
///
/// ```
/// use std::path::Path;
/// use brand::rules::link_text;
/// assert_eq!(link_text(Path::new("usr/bin/ls")), Path::new("../../system/usr/bin/ls"));
/// assert_eq!(link_text(Path::new("sbin/init")), Path::new("../system/sbin/init"));
/// ```
pub fn link_text(path: &Path) -> PathBuf {
    let (directory, name) = (path.parent(), path.file_name());
    LinksOf::directory(directory.unwrap_or(Path::new(""))).text(name.unwrap_or_default())
}

/// The texts of links in one directory.
pub(crate) struct LinksOf(PathBuf);

impl LinksOf {
    /// Of a directory of the global zone, as `usr/bin`.
    pub(crate) fn directory(path: &Path) -> LinksOf {
        let mut text: PathBuf = path.components().map(|_| "..").collect();
        text.push("system");
        text.push(path);
        LinksOf(text)
    }

    /// Of the file of this name in it.
    pub(crate) fn text(&self, name: &OsStr) -> PathBuf {
        self.0.join(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The published brand's test, restated.
    fn published(path: &str) -> Decision {
        let name = path.rsplit('/').next().unwrap_or_default();
        let parts = ["usr/bin", "usr/libexec", "usr/share/man", "usr/share/locale", "sbin"];
        if name.contains(".so") || parts.iter().any(|part| path.contains(part)) {
            Decision::Link
        } else {
            Decision::Copy
        }
    }

    #[test]
    fn decisions_can_be_read_off_the_table() {
        for (path, pattern) in [
            ("/usr/bin/ls", "**usr/bin**"),
            ("/usr/lib/libc.so.1", "**/*.so*"),
            ("/usr/share/doc/notes.source", "**/*.so*"),
            ("/usr/lib.so/x", "**"),
            ("/usr/lib/dtrace/unistd.d", "**"),
            ("/usr/libexec/x", "**usr/libexec**"),
            ("/usr/share/man/man1/ls.1", "**usr/share/man**"),
            ("/usr/share/manifests/x", "**usr/share/man**"),
            ("/usr/share/locale/de/x.mo", "**usr/share/locale**"),
            ("/usr/share/lib/xml/dtd/brand.dtd.1", "**"),
            ("/usr/gnu/sbin/x", "**sbin**"),
            ("/sbin/init", "**sbin**"),
            ("/lib/svc/bin/svc.startd", "**"),
            ("/usr/gnu/bin/ls", "**"),
        ] {
            assert_eq!(decide(DEPLOYED, path.as_bytes()).pattern, pattern, "{path}");
        }
    }

    #[test]
    fn wildcards_reach_as_far_as_they_say() {
        for (pattern, path, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "x/a/b", false),
            ("/*/c", "/a/c", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    fn path() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "usr", "/", "bin", "lib", "exec", "share", "man", "locale", "s", "sbin", ".so", ".",
            "so", "x", "*",
        ]);
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn the_table_decides_as_the_published_brand(path in path()) {
            prop_assert_eq!(decide(DEPLOYED, path.as_bytes()).decision, published(&path));
        }

        #[test]
        fn every_link_leads_to_the_same_path_below_system(path in "[a-z]{1,3}(/[a-z.]{1,3}x){1,6}") {
            let path = Path::new(&path);
            let mut reached = path.parent().map(PathBuf::from).unwrap_or_default();
            for component in link_text(path).components() {
                match component {
                    std::path::Component::ParentDir => prop_assert!(reached.pop()),
                    other => reached.push(other),
                }
            }
            prop_assert_eq!(reached, Path::new("system").join(path));
        }
    }
}
