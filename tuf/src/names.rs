//! Rules for the names and versions that a repository may hold.

/// Says what is wrong with a name below `repo/targets/` or `repo/metadata/`, if anything.
///
/// The rule is narrow on purpose: every reader must take the name for the same file, on every
/// disk and in every URL.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if name.len() > 512 {
        return Err(format!("the name is {} bytes long; 512 are allowed", name.len()));
    }
    if name.starts_with('/') {
        return Err("the name is absolute".to_owned());
    }
    if let Some(odd) = name.chars().find(|c| !c.is_ascii_graphic() || "\\%:*?\"<>|".contains(*c)) {
        return Err(format!("the name holds the character {odd:?}"));
    }
    for part in name.split('/') {
        match part {
            "" => return Err("the name has an empty segment".to_owned()),
            "." | ".." => return Err(format!("the name has the segment {part:?}")),
            long if long.len() > 255 => {
                return Err("a segment of the name is longer than 255 bytes".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says what is wrong with an artifact version, if anything: 1 to 63 of `a-zA-Z0-9._+-`.
pub(crate) fn check_version(version: &str) -> Result<(), String> {
    if version.is_empty() || version.len() > 63 {
        return Err(format!("a version has 1 to 63 characters, this has {}", version.len()));
    }
    match version.chars().find(|c| !c.is_ascii_alphanumeric() && !"._+-".contains(*c)) {
        Some(odd) => {
            Err(format!("a version is made of letters, digits and ._+- only, not {odd:?}"))
        }
        None => Ok(()),
    }
}

/// Says what is wrong with a system version, if anything: an artifact version that is semantic.
pub(crate) fn check_system_version(version: &str) -> Result<(), String> {
    check_version(version)?;
    semver::Version::parse(version).map(drop).map_err(|error| {
        format!("a system version is a semantic version (MAJOR.MINOR.PATCH): {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "zones/ntp.tar.gz", "installinator_document-9.0.0-0.ci+git01.json"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "x".repeat(256);
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "a b",
            "é",
            "a\n",
            "%2e",
            "c:x",
            &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn versions() {
        assert_eq!(check_version("1.2.3-0.ci+gitabcdef"), Ok(()));
        assert!(check_version("").is_err());
        assert!(check_version(&"1".repeat(64)).is_err());
        assert!(check_version("1.0 beta").is_err());
        assert_eq!(check_system_version("20.0.0-0.local+git1"), Ok(()));
        assert!(check_system_version("20").is_err());
    }
}
