//! Variants: which of several flavours of a package an image takes.

use std::collections::BTreeMap;

use crate::{Attributes, Manifest};

/// The variants an image has set, under their full names (`variant.arch`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variants(BTreeMap<String, String>);

impl Variants {
    /// What decides whether an image is a global or a non-global zone.
    pub const ZONE: &'static str = "variant.opensolaris.zone";
    /// What decides the instruction set.
    pub const ARCH: &'static str = "variant.arch";
    /// Whether an image is whole; `full` unless an image says otherwise.
    pub const IMAGE_TYPE: &'static str = "variant.opensolaris.imagetype";

    /// The defaults of a new image: i386 (which means all of x86), the given zone (`global` or
    /// `nonglobal`), a full image.
    pub fn for_zone(zone: &str) -> Self {
        [(Self::ARCH, "i386"), (Self::ZONE, zone), (Self::IMAGE_TYPE, "full")].into_iter().collect()
    }

    /// The value of a variant, by its full name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variant, by its full name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether an image with these variants takes an action with these attributes: each of its
    /// variants is what the image has. A variant that the image does not know passes when its
    /// value begins with `false`; a list of values never passes.
    pub fn allow(&self, attributes: &Attributes) -> bool {
        attributes.with_prefix("variant.").all(|(name, values)| match (self.get(name), values) {
            (Some(ours), [only]) => ours == only,
            (None, [only]) => only.starts_with("false"),
            _ => false,
        })
    }

    /// Whether the package supports an image with these variants; else the first variant that
    /// it does not support, with the values it would support.
    pub(crate) fn supported_by<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> Result<(), (&'m str, &'m [String])> {
        for action in manifest.of_kind(crate::ActionKind::Set) {
            if let Some(name) = action.get("name")
                && let Some(ours) = self.get(name)
                && name.starts_with("variant.")
                && !action.attributes.list("value").iter().any(|value| value == ours)
            {
                return Err((name, action.attributes.list("value")));
            }
        }
        Ok(())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variants {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    #[test]
    fn rules() {
        let image = Variants::for_zone("global");
        for (attributes, expected) in [
            ("", true),
            ("variant.opensolaris.zone=global", true),
            ("variant.opensolaris.zone=nonglobal", false),
            ("variant.opensolaris.zone=global variant.arch=sparc", false),
            ("variant.opensolaris.zone=global variant.opensolaris.zone=nonglobal", false),
            ("variant.debug.illumos=false", true),
            ("variant.debug.illumos=true", false),
            ("variant.unknown=falsehood", true),
            ("variant.unknown=x", false),
        ] {
            let action = Action::parse(&format!("dir path=x {attributes}")).unwrap();
            assert_eq!(image.allow(&action.attributes), expected, "{attributes}");
        }
    }

    #[test]
    fn packages_name_what_they_support() {
        let text = "set name=variant.opensolaris.zone value=global\nset name=variant.arch value=i386 value=sparc\n";
        let manifest = Manifest::parse("x", text).unwrap();
        assert_eq!(Variants::for_zone("global").supported_by(&manifest), Ok(()));
        let (name, values) = Variants::for_zone("nonglobal").supported_by(&manifest).unwrap_err();
        assert_eq!((name, values), ("variant.opensolaris.zone", &["global".to_owned()][..]));
    }
}
