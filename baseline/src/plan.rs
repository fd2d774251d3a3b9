//! What the packages of a zone put in its image.

use std::collections::BTreeSet;

use ips::{Action, Facets, InstalledPackage, Variants};

use crate::exclude::from_global_zone;

/// The packages of a zone, and which of their actions it takes.
pub(crate) struct Plan<'a> {
    pub(crate) packages: Vec<&'a InstalledPackage>,
    /// Those of a new zone: the proto's with another zone.
    pub(crate) variants: Variants,
    /// Those of a new image: the proto's are not inherited.
    pub(crate) facets: Facets,
}

impl<'a> Plan<'a> {
    /// The variants that `image-create --zone` gives an image beside one with these.
    pub(crate) fn variants_of_zone(global: &Variants) -> Variants {
        let mut variants = Variants::for_zone("nonglobal");
        if let Some(arch) = global.get(Variants::ARCH) {
            variants.set(Variants::ARCH, arch);
        }
        variants
    }

    /// Whether the zone takes an action, wherever its path is.
    pub(crate) fn takes(&self, action: &Action) -> bool {
        self.variants.allow(&action.attributes) && self.facets.allow(&action.attributes)
    }

    /// Paths at which a package puts its file in the place of another's.
    pub(crate) fn overlaid(&self) -> BTreeSet<&'a str> {
        self.actions()
            .filter(|(_, action)| is_overlay(action))
            .filter_map(|(_, action)| action.path())
            .collect()
    }

    /// Every action that the zone takes and that is not left to the global zone.
    pub(crate) fn actions(&self) -> impl Iterator<Item = (&'a InstalledPackage, &'a Action)> {
        self.all_actions().filter(|(_, action)| !action.path().is_some_and(from_global_zone))
    }

    /// Every action that the zone takes.
    pub(crate) fn all_actions(&self) -> impl Iterator<Item = (&'a InstalledPackage, &'a Action)> {
        let packages = self.packages.iter().copied();
        packages
            .flat_map(|package| package.manifest.actions().map(move |action| (package, action)))
            .filter(|(_, action)| self.takes(action))
    }
}

/// Whether a file takes the place of another package's.
pub(crate) fn is_overlay(action: &Action) -> bool {
    action.get("overlay") == Some("true")
}
