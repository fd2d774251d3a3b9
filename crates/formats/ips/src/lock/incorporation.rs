//! A lock as an incorporation: a package that holds others at versions.

use super::Lock;
use crate::{Action, ActionKind, Attributes, Fmri, Manifest};

impl Lock {
    /// The source manifest of a package `fmri` that holds every locked package at exactly its
    /// version. It holds them whatever their publisher is, as an incorporation cannot say more.
    ///
    /// A lock with several versions of one package has no incorporation; the error names it.
    pub fn incorporation(&self, fmri: &Fmri, summary: &str) -> Result<Manifest, String> {
        let mut actions =
            vec![Action::set("pkg.fmri", fmri.to_string()), Action::set("pkg.summary", summary)];
        for pair in self.packages.windows(2) {
            if pair[0].fmri.stem == pair[1].fmri.stem {
                return Err(format!(
                    "the lock has {} and {}; an incorporation holds a package at one version only",
                    pair[0].fmri.short(),
                    pair[1].fmri.short()
                ));
            }
        }
        for package in &self.packages {
            if package.fmri.stem == fmri.stem {
                return Err(format!(
                    "{} is locked itself; an incorporation cannot hold its own version",
                    fmri.stem
                ));
            }
            let mut attributes = Attributes::new();
            attributes.push("fmri", package.fmri.without_publisher().long());
            attributes.push("type", "incorporate");
            actions.push(Action { kind: ActionKind::Depend, payload: None, attributes });
        }
        Ok(Manifest::from_actions("", actions))
    }
}
