//! What decides about a package beside other packages: freezes, what is avoided, the image as it
//! was before, and the image that a zone belongs to.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::depend::{DependKind, Facts, SELF};
use crate::{Fmri, Image, Version};

/// The circumstances under which packages are chosen.
pub(crate) struct Circumstances<'a> {
    pub(crate) image: &'a Image,
    /// The image that this one belongs to, if it is a zone's.
    pub(crate) parent: Option<&'a Image>,
    /// Packages that are asked for by name, which nobody avoids.
    pub(crate) named: BTreeSet<&'a str>,
}

impl Circumstances<'_> {
    /// Why a candidate cannot be taken, as far as its name alone says.
    pub(crate) fn barred(&self, candidate: &Candidate<'_>) -> Option<String> {
        let fmri = candidate.fmri;
        let freeze = self.image.frozen.get(&fmri.stem)?;
        if fmri.version.as_ref().is_some_and(|version| version.within(&freeze.version)) {
            return None;
        }
        let held = freeze.version.short();
        let mut why = format!("the image freezes {} at {held}", fmri.stem);
        if !freeze.comment.is_empty() {
            why += &format!(" ({})", freeze.comment);
        }
        Some(why)
    }

    /// Why a candidate that is not installed cannot be taken, as its dependencies say.
    pub(crate) fn refused(&self, candidate: &Candidate<'_>, facts: &Facts) -> Option<String> {
        let who = candidate.short();
        if let Some(why) = self.unnamed(candidate, facts) {
            return Some(why);
        }
        for depend in &facts.depends {
            for target in &depend.on {
                let why = match depend.kind {
                    DependKind::Origin => self.origin(&who, target),
                    DependKind::Parent if target.stem == SELF => self.parent(&who, candidate.fmri),
                    DependKind::Parent => self.parent(&who, target),
                    _ => None,
                };
                if why.is_some() {
                    return why;
                }
            }
        }
        None
    }

    /// Why a candidate cannot be taken if it must be asked for by name.
    pub(crate) fn unnamed(&self, candidate: &Candidate<'_>, facts: &Facts) -> Option<String> {
        let stem = &candidate.fmri.stem;
        let free = !facts.explicit
            || self.named.contains(stem.as_str())
            || self.image.package(stem).is_some();
        let who = || candidate.short();
        (!free).then(|| format!("{} is only installed when it is asked for by name", who()))
    }

    fn origin(&self, who: &str, target: &Fmri) -> Option<String> {
        let (least, there) = (target.version.as_ref()?, self.image.package(&target.stem)?);
        let version = there.fmri.version.as_ref()?;
        (version < least).then(|| {
            format!(
                "{who} can be installed over {} {} or newer, and the image has {}; go to that \
                 version first",
                target.stem,
                least.short(),
                version.short()
            )
        })
    }

    fn parent(&self, who: &str, target: &Fmri) -> Option<String> {
        let parent = self.parent?;
        let wanted = target.version.as_ref();
        let at = wanted.map(|version| format!(" at {}", version.short())).unwrap_or_default();
        let stem = &target.stem;
        let there = parent.package(stem).map(|package| package.fmri.version.as_ref());
        match (there, wanted) {
            (None, _) => Some(format!(
                "{who} needs {stem}{at} in the image that this one belongs to, which does not \
                 have it"
            )),
            (Some(Some(there)), Some(wanted)) if !there.within(wanted) => Some(format!(
                "{who} needs {stem}{at} in the image that this one belongs to, which has {}",
                Version::short(there)
            )),
            _ => None,
        }
    }

    /// Whether a group does not pull the package in.
    pub(crate) fn avoids(&self, stem: &str) -> bool {
        self.image.avoided.contains(stem) && !self.named.contains(stem)
    }
}
