//! The text of a lock file: TOML, always written in the same way.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use proto::Digest;
use serde::Deserialize;
use toml::Spanned;

use super::{Lock, LockOrigin, LockedPackage, check_origin, check_package};
use crate::{Error, Fmri};

/// The version of the form.
const VERSION: i64 = 1;

const COMMENT: &str = "\
# The packages of a build. `cargo xtask lock` writes this file and `cargo xtask lock update`
# changes it; commit it beside the configuration. Do not edit it.
";

/// What can be read whatever the version is.
#[derive(Deserialize)]
struct Versioned {
    version: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    origin: Vec<Spanned<Origin>>,
    #[serde(default)]
    package: Vec<Spanned<Package>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    location: String,
    publishers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    fmri: Spanned<String>,
    publisher: Spanned<String>,
    digest: Spanned<String>,
    origin: Spanned<String>,
}

pub(super) fn parse(source: &Path, text: &str) -> Result<Lock, Error> {
    let refuse = |at: usize, problem: String| {
        let line = text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
        Error::Lock { path: source.to_owned(), line: line + 1, problem }
    };
    let not_toml = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let mut problem = error.message().replace('\n', " ");
        if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
            problem.push_str(
                "; the file has the marks of a merge that was not finished: take either side, \
                 then run `cargo xtask lock`",
            );
        }
        refuse(at, problem)
    };
    let versioned: Versioned = toml::from_str(text).map_err(not_toml)?;
    match versioned.version {
        Some(version) if *version.get_ref() == VERSION => {}
        Some(version) => {
            let problem = format!(
                "version {} of lock files is not known here, only {VERSION} is; use the tool that \
                 wrote it, or remove the file and run `cargo xtask lock`",
                version.get_ref()
            );
            return Err(refuse(version.span().start, problem));
        }
        None => return Err(refuse(0, format!("`version = {VERSION}` is missing"))),
    }
    let whole: Whole = toml::from_str(text).map_err(not_toml)?;

    let mut origins: Vec<LockOrigin> = Vec::new();
    for origin in whole.origin {
        let at = origin.span();
        let Origin { location, publishers } = origin.into_inner();
        let origin = LockOrigin { location, publishers };
        check_origin(&origin, &origins).map_err(|problem| refuse(at.start, problem))?;
        origins.push(origin);
    }
    let mut packages: Vec<(usize, LockedPackage)> = Vec::new();
    for package in whole.package {
        let at = package.span();
        let refuse = |at: Range<usize>, problem: String| refuse(at.start, problem);
        let Package { fmri, publisher, digest, origin } = package.into_inner();
        let name =
            Fmri::parse(fmri.get_ref()).map_err(|error| refuse(fmri.span(), error.to_string()))?;
        if name.publisher.is_some() {
            let problem = "`fmri` is written without publisher; `publisher` names it".to_owned();
            return Err(refuse(fmri.span(), problem));
        }
        crate::fmri::check_publisher(publisher.get_ref())
            .map_err(|problem| refuse(publisher.span(), problem))?;
        let digest: Digest = digest
            .get_ref()
            .strip_prefix("sha256:")
            .and_then(|hex| hex.parse().ok())
            .filter(|read: &Digest| *digest.get_ref() == format!("sha256:{read}"))
            .ok_or_else(|| {
                let problem = "`sha256:` and 64 lower-case hex digits were expected";
                refuse(digest.span(), problem.to_owned())
            })?;
        let fmri = name.with_publisher(publisher.into_inner());
        let package = LockedPackage { fmri, digest, origin: origin.into_inner() };
        check_package(&package, &origins).map_err(|problem| refuse(at.clone(), problem))?;
        packages.push((at.start, package));
    }
    packages.sort_by(|(_, a), (_, b)| super::key(&a.fmri).cmp(&super::key(&b.fmri)));
    for pair in packages.windows(2) {
        if pair[0].1.fmri == pair[1].1.fmri {
            let at = pair[0].0.max(pair[1].0);
            return Err(refuse(at, format!("{} is named twice", pair[0].1.fmri)));
        }
    }
    let packages = packages.into_iter().map(|(_, package)| package).collect();
    Ok(Lock { origins, packages })
}

pub(super) fn print(lock: &Lock, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "{COMMENT}\nversion = {VERSION}\n")?;
    for LockOrigin { location, publishers } in &lock.origins {
        let location = quoted(location);
        let publishers: Vec<String> = publishers.iter().map(|name| quoted(name)).collect();
        write!(out, "\n[[origin]]\nlocation = {location}\n")?;
        writeln!(out, "publishers = [{}]", publishers.join(", "))?;
    }
    for LockedPackage { fmri, digest, origin } in &lock.packages {
        let name = quoted(&fmri.without_publisher().long());
        let publisher = quoted(fmri.publisher.as_deref().unwrap_or_default());
        write!(out, "\n[[package]]\nfmri = {name}\npublisher = {publisher}\n")?;
        write!(out, "digest = \"sha256:{digest}\"\norigin = {}\n", quoted(origin))?;
    }
    Ok(())
}

/// A basic string of TOML, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\0'..='\u{1f}' | '\u{7f}' => quoted += &format!("\\u{:04X}", u32::from(char)),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"# The packages of a build. `cargo xtask lock` writes this file and `cargo xtask lock update`
# changes it; commit it beside the configuration. Do not edit it.

version = 1

[[origin]]
location = "../repo"
publishers = ["main", "extra"]

[[package]]
fmri = "pkg:/a/b@1,5.11-2:20260102T030405Z"
publisher = "extra"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
origin = "../repo"

[[package]]
fmri = "pkg:/a/b@1,5.11-2:20260102T030405Z"
publisher = "main"
digest = "sha256:00000000000000000000000000000000000000000000000000000000000000ff"
origin = "../repo"
"#;

    #[test]
    fn what_is_written_is_what_was_read() {
        let lock = Lock::parse("helios.lock", GOOD).unwrap();
        assert_eq!(lock.to_string(), GOOD);
        assert_eq!(lock.packages().len(), 2);
        assert_eq!(lock.packages()[0].fmri.publisher.as_deref(), Some("extra"));
        let empty = Lock::default().to_string();
        assert_eq!(Lock::parse("x", &empty).unwrap(), Lock::default());
    }

    #[test]
    fn refusals_name_the_line_and_what_was_expected() {
        for (from, to, line, problem) in [
            ("version = 1", "", 1, "`version = 1` is missing"),
            ("version = 1", "version = 2", 4, "version 2 of lock files is not known"),
            ("version = 1", "version = 1\nmore = 1", 5, "unknown field `more`"),
            ("location", "place", 7, "unknown field `place`"),
            ("[\"main\", \"extra\"]", "[\"main\"]", 10, "does not name"),
            ("[\"main\", \"extra\"]", "[\"main\", \"main\"]", 6, "named twice"),
            ("[\"main\", \"extra\"]", "[\"../x\"]", 6, "is no publisher"),
            ("pkg:/a/b@1,5.11-2:20260102T030405Z", "pkg:/a/b", 10, "a full version"),
            ("pkg:/a/b@1,5.11-2:20260102T030405Z", "pkg:/../b@1", 11, "no component"),
            ("pkg:/a/b", "pkg://main/a/b", 11, "without publisher"),
            ("publisher = \"extra\"", "publisher = \"main\"", 16, "named twice"),
            ("sha256:00", "sha1:00", 13, "64 lower-case hex digits"),
            ("0000ff", "0000FF", 19, "64 lower-case hex digits"),
            ("0000ff", "00", 19, "64 lower-case hex digits"),
            ("digest = \"sha256:00", "x = \"", 13, "unknown field `x`"),
            ("origin = \"../repo\"\n", "origin = \"elsewhere\"\n", 10, "no [[origin]] names"),
            ("origin = \"../repo\"\n", "", 10, "missing field `origin`"),
            ("[[package]]", "<<<<<<< HEAD\n[[package]]", 10, "a merge that was not finished"),
            ("[[package]]", "[[package]", 10, "]"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = Lock::parse("dir/helios.lock", &text).unwrap_err().to_string();
            let place = format!("dir/helios.lock:{line}: ");
            assert!(error.starts_with(&place) && error.contains(problem), "{to}: {error}");
        }
        let twice = GOOD.replace(
            "version = 1\n",
            "version = 1\n\n[[origin]]\nlocation = \
            \"../repo\"\npublishers = []\n",
        );
        let error = Lock::parse("l", &twice).unwrap_err().to_string();
        assert_eq!(error, "l:10: the origin `../repo` is named twice");
    }

    fn package() -> impl Strategy<Value = (String, usize, [u8; 32], usize)> {
        (
            "[a-z][a-z0-9/]{0,6}[a-z]@[1-9](,5\\.11)?(-[0-9])?",
            0..2usize,
            any::<[u8; 32]>(),
            0..2usize,
        )
    }

    proptest! {
        #[test]
        fn printing_and_reading(
            locations in proptest::collection::btree_set("\\PC{1,12}|[a-z\"\\\\\n\t]{1,8}", 2),
            packages in proptest::collection::vec(package(), 0..12),
        ) {
            let publishers = vec!["main".to_owned(), "extra.org".to_owned()];
            let origins: Vec<LockOrigin> = locations
                .into_iter()
                .map(|location| LockOrigin { location, publishers: publishers.clone() })
                .collect();
            let packages = packages.into_iter().filter_map(|(name, publisher, digest, origin)| {
                let fmri = Fmri::parse(&format!("{name}:20260102T030405Z")).ok()?;
                Some(LockedPackage {
                    fmri: fmri.with_publisher(&publishers[publisher]),
                    digest: Digest(digest),
                    origin: origins[origin].location.clone(),
                })
            });
            let mut packages: Vec<LockedPackage> = packages.collect();
            packages.sort_by(|a, b| a.fmri.cmp(&b.fmri));
            packages.dedup_by(|a, b| a.fmri == b.fmri);
            let lock = Lock::new(origins.clone(), packages).unwrap();
            let text = lock.to_string();
            let again = Lock::parse("l", &text).unwrap();
            prop_assert_eq!(&again, &lock);
            prop_assert_eq!(again.to_string(), text);
        }

        #[test]
        fn nothing_panics(text in "\\PC*|[a-z\\[\\]=\" \n#:@.]*") {
            let _ = Lock::parse("l", &text);
        }

        #[test]
        fn damage_is_refused_or_read(at in 0..GOOD.len(), byte in any::<u8>()) {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[at] = byte;
            if let Ok(text) = String::from_utf8(bytes)
                && let Ok(lock) = Lock::parse("l", &text)
            {
                prop_assert_eq!(Lock::parse("l", &lock.to_string()).unwrap(), lock);
            }
        }
    }
}
