//! Names that survive the zones framework.
//!
//! zoneadm and zoneadmd paste zone names, zonepaths and layer paths into shell command lines
//! without quoting. A name with a space or a shell metacharacter reaches the hook in pieces, or
//! runs something else first. So only names of a safe set are accepted, and they are refused as
//! early as possible: in `verify_cfg`, which reads them from a file and not from a command line.

use std::path::Path;

use crate::Error;

/// The most bytes a zonepath may have: zoneadm builds each hook's command line in 1,024 bytes,
/// and the program, a zone name of 63 bytes and one layer have to fit in too.
pub const MAX_ZONEPATH: usize = 512;

/// The most bytes a zone name may have, as the zones framework has it.
pub const MAX_ZONE_NAME: usize = 63;

fn is_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || "/._-+,:@".contains(character)
}

fn check(what: &'static str, name: &str) -> Result<(), Error> {
    let bad = |why| Err(Error::BadName { what, name: name.into(), why });
    if name.is_empty() {
        return bad("is empty");
    }
    if let Some(character) = name.chars().find(|c| !is_safe(*c)) {
        return Err(Error::UnsafeName { what, name: name.into(), character });
    }
    if name.starts_with('-') {
        return bad("starts with a dash and would be read as an option");
    }
    Ok(())
}

/// Checks a zone name.
///
/// # Errors
///
/// [`Error::UnsafeName`], or [`Error::BadName`] when it is empty or too long, holds a slash, or
/// does not start with a letter or digit.
pub fn check_zone_name(name: &str) -> Result<(), Error> {
    let what = "zone name";
    check(what, name)?;
    let bad = |why| Err(Error::BadName { what, name: name.into(), why });
    if name.len() > MAX_ZONE_NAME {
        return bad("is longer than 63 bytes");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return bad("does not start with a letter or digit");
    }
    if name.contains('/') {
        return bad("holds a slash");
    }
    Ok(())
}

/// Checks a zonepath.
///
/// # Errors
///
/// [`Error::UnsafeName`], or [`Error::BadName`] when it is not absolute, is `/`, is too long or
/// has `.` or `..` as a component.
pub fn check_zonepath(path: &Path) -> Result<(), Error> {
    let what = "zonepath";
    let name = path.to_string_lossy();
    check(what, &name)?;
    let bad = |why| Err(Error::BadName { what, name: name.as_ref().into(), why });
    if !name.starts_with('/') {
        return bad("is not absolute");
    }
    if name.len() > MAX_ZONEPATH {
        return bad("is longer than 512 bytes, too long for zoneadm's command lines");
    }
    if name.split('/').any(|component| component == "." || component == "..") {
        return bad("has . or .. as a component");
    }
    if name.bytes().all(|byte| byte == b'/') {
        return bad("is the root of the system");
    }
    Ok(())
}

/// Checks the path of a layer.
///
/// # Errors
///
/// [`Error::UnsafeName`], or [`Error::BadName`] when it is empty or looks like an option.
pub fn check_layer(path: &Path) -> Result<(), Error> {
    check("layer", &path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_pass() {
        for name in ["oxz_switch", "oxz_crucible_oxp_1b2c-3d", "n9k.lab", "0"] {
            check_zone_name(name).unwrap_or_else(|error| panic!("{error}"));
        }
        for path in ["/zone/oxz_switch", "/pool/ext/6ca1-9f/crypt/zone/oxz_ntp_2b", "/z/"] {
            check_zonepath(Path::new(path)).unwrap_or_else(|error| panic!("{error}"));
        }
        check_layer(Path::new("/opt/oxide/switch-asic.tar.gz"))
            .unwrap_or_else(|error| panic!("{error}"));
        check_layer(Path::new("ntp.tar.gz")).unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn whatever_a_shell_would_touch_is_refused() {
        for character in " \t\n'\"\\$`!*?[]{}()<>|;&#~%=^\u{e9}\u{0}".chars() {
            let name = format!("/zone/a{character}b");
            match check_zonepath(Path::new(&name)) {
                Err(Error::UnsafeName { character: found, .. }) => assert_eq!(found, character),
                other => panic!("{name:?}: {other:?}"),
            }
            assert!(check_layer(Path::new(&name)).is_err());
        }
    }

    #[test]
    fn other_bad_names_are_refused() {
        for name in ["", "-z", "_x", ".x", "a/b", &"z".repeat(64)] {
            assert!(check_zone_name(name).is_err(), "{name:?}");
        }
        let long = format!("/{}", "z".repeat(MAX_ZONEPATH));
        for path in ["", "/", "//", "zone/x", "/zone/../etc", "/zone/./x", &long] {
            assert!(check_zonepath(Path::new(path)).is_err(), "{path:?}");
        }
        assert!(check_layer(Path::new("-f")).is_err());
    }
}
