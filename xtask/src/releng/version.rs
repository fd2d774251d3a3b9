//! The system version of a repository.

use crate::environment::{self, Checkout};
use crate::failure::Failure;

/// The version when the user gives none: `BASE-0.local+git<commit>`, `-0.ci` when CI is set, and
/// the word `sample` where the sample is built.
pub(crate) fn default_version(base: &str, checkout: &Checkout, sample: bool) -> String {
    let place = if environment::is_ci() { "ci" } else { "local" };
    compose(base, place, checkout.short(11), sample)
}

fn compose(base: &str, place: &str, commit: &str, sample: bool) -> String {
    let sample = if sample { "sample." } else { "" };
    format!("{base}-0.{sample}{place}+git{commit}")
}

/// Checks a version given by the user: semantic, and short enough for every place it stands in.
pub(crate) fn check_version(version: &str) -> Result<(), Failure> {
    semver::Version::parse(version)
        .map_err(|error| Failure::usage(format!("version `{version}`: {error}")))?;
    if version.len() > 63 {
        return Err(Failure::usage(format!(
            "version `{version}` is {} characters long; an artifact version has at most 63",
            version.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_field() {
        assert_eq!(compose("20.0.0", "ci", "0123456789a", false), "20.0.0-0.ci+git0123456789a");
        assert_eq!(
            compose("20.0.0", "local", "0123456789a", true),
            "20.0.0-0.sample.local+git0123456789a"
        );
    }

    #[test]
    fn what_is_not_semantic_is_refused() {
        assert!(check_version("20.0.0-0.ci+git0123456789a").is_ok());
        assert!(check_version("20").is_err());
        assert!(check_version(&format!("1.0.0+{}", "a".repeat(60))).is_err());
    }
}
