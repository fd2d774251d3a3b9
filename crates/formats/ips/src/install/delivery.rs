//! What a set of packages delivers to an image, and whether it agrees with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use proto::ProtoPath;

use crate::image::{ExcludePatterns, ImageConfig, Mediators};
use crate::{Action, ActionKind, Error, Fmri, Manifest, Variants};

/// An action of a package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivered<'a> {
    pub(crate) fmri: &'a Fmri,
    pub(crate) action: &'a Action,
}

impl Delivered<'_> {
    /// The path, or what else is delivered.
    pub(crate) fn name(&self) -> String {
        let key = self.action.key().unwrap_or_default();
        match self.action.kind.is_path() {
            true => key.to_owned(),
            false => format!("{} {key}", self.action.kind),
        }
    }

    /// Puts the package, and what it delivers, on a problem.
    pub(crate) fn refuse(&self, problem: impl Into<String>) -> Error {
        Error::Packaged {
            path: self.name(),
            package: self.fmri.stem.clone(),
            problem: problem.into(),
        }
    }

    /// Whether what is installed is the administrator's to edit.
    pub(crate) fn preserve(&self) -> Option<&str> {
        // pkg ignores `preserve` on executables.
        self.action.get("preserve").filter(|_| !self.action.attributes.contains("elfhash"))
    }
}

/// What packages deliver to an image with its variants, facets and mediators.
#[derive(Debug, Default)]
pub(crate) struct Delivery<'a> {
    /// The names of the packages.
    pub(crate) stems: BTreeSet<&'a str>,
    /// Files, directories and links; the first that was found, where several agree.
    pub(crate) paths: BTreeMap<ProtoPath, Delivered<'a>>,
    /// Directories that are only there because of what is below them.
    pub(crate) implied: BTreeSet<ProtoPath>,
    /// Users, groups, drivers, legacy packages, by name.
    pub(crate) named: BTreeMap<ActionKind, Vec<Delivered<'a>>>,
    /// Licenses.
    pub(crate) licenses: Vec<Delivered<'a>>,
    /// The choice for mediated links.
    pub(crate) mediators: Mediators,
    /// Paths that `exclude-patterns` passes over.
    pub(crate) excluded: Vec<ProtoPath>,
    /// Everything else that is delivered at a path.
    further: Vec<(ProtoPath, Delivered<'a>)>,
}

impl<'a> Delivery<'a> {
    /// Collects the actions that the image takes. Packages should come ordered by stem.
    pub(crate) fn of(
        config: &ImageConfig,
        packages: &[(&'a Fmri, &'a Manifest)],
    ) -> Result<Self, Error> {
        let patterns = config.property_list("exclude-patterns");
        let excluded = ExcludePatterns::parse(&patterns)
            .map_err(|problem| Error::damaged(crate::image::CONFIG, problem))?;
        let taken: Vec<Delivered<'a>> = packages
            .iter()
            .flat_map(|(fmri, manifest)| {
                manifest.actions().map(|action| Delivered { fmri, action })
            })
            .filter(|delivered| {
                config.variants.allow(&delivered.action.attributes)
                    && config.facets.allow(&delivered.action.attributes)
            })
            .collect();
        let global = config.variants.get(Variants::ZONE) != Some("nonglobal");
        let mut delivery = Self {
            stems: packages.iter().map(|(fmri, _)| fmri.stem.as_str()).collect(),
            mediators: Mediators::choose(config, taken.iter().map(|d| d.action)),
            ..Self::default()
        };
        for delivered in taken {
            match delivered.action.kind {
                kind if kind.is_path() && delivery.mediators.allow(delivered.action) => {
                    delivery.add_path(delivered, &excluded)?;
                }
                ActionKind::Driver if !global => {}
                kind @ (ActionKind::User
                | ActionKind::Group
                | ActionKind::Driver
                | ActionKind::Legacy) => {
                    delivery.named.entry(kind).or_default().push(delivered);
                }
                ActionKind::License => delivery.licenses.push(delivered),
                _ => {}
            }
        }
        Ok(delivery)
    }

    fn add_path(
        &mut self,
        delivered: Delivered<'a>,
        excluded: &ExcludePatterns,
    ) -> Result<(), Error> {
        let text = delivered.action.path().ok_or_else(|| delivered.refuse("has no `path`"))?;
        let path = ProtoPath::new(text).map_err(|error| delivered.refuse(error.to_string()))?;
        if path.is_root() || text.starts_with('/') {
            return Err(delivered.refuse("is not a path below the root"));
        }
        if excluded.matches(text).map_err(|problem| delivered.refuse(problem))? {
            self.excluded.push(path);
            return Ok(());
        }
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|directory| !directory.is_root()) {
            parent = directory.parent();
            if !self.implied.insert(directory) {
                break;
            }
        }
        match self.paths.get(&path) {
            None => {
                self.paths.insert(path, delivered);
            }
            Some(there) => {
                let mut further = delivered;
                if is_overlay(delivered) && !is_overlay(*there) {
                    further = *there;
                    self.paths.insert(path.clone(), delivered);
                }
                self.further.push((path, further));
            }
        }
        Ok(())
    }

    /// The actions of a kind, by what they name.
    pub(crate) fn of_kind(&self, kind: ActionKind) -> &[Delivered<'a>] {
        self.named.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Checks that packages do not contradict each other; an error names both sides.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut several: BTreeMap<&ProtoPath, usize> = BTreeMap::new();
        for (path, further) in &self.further {
            let there = self.paths[path];
            *several.entry(path).or_default() += 1;
            if let Some(problem) = contradiction(there, *further, several[path]) {
                return Err(conflict(path.to_string(), there, *further, problem));
            }
        }
        for directory in &self.implied {
            let Some(above) = self.paths.get(directory) else { continue };
            if above.action.kind == ActionKind::Dir {
                continue;
            }
            let mut below = self.paths.range((Bound::Excluded(directory), Bound::Unbounded));
            if let Some((path, delivered)) = below.next() {
                let problem = format!("lies below {directory}, which is a {}", above.action.kind);
                return Err(conflict(path.to_string(), *above, *delivered, problem));
            }
        }
        for kind in [ActionKind::User, ActionKind::Group, ActionKind::Driver] {
            let mut seen: BTreeMap<&str, Delivered<'_>> = BTreeMap::new();
            for delivered in self.of_kind(kind) {
                let key = delivered.action.key().unwrap_or_default();
                // Every network driver may add to the `clone` driver.
                let shared = kind == ActionKind::Driver && key == "clone";
                if let Some(there) = seen.insert(key, *delivered)
                    && !shared
                    && there.action != delivered.action
                {
                    let what = format!("{kind} {key}");
                    let problem = "is delivered with different attributes".to_owned();
                    return Err(conflict(what, there, *delivered, problem));
                }
            }
        }
        Ok(())
    }
}

fn is_overlay(delivered: Delivered<'_>) -> bool {
    delivered.action.get("overlay") == Some("true")
}

/// Why two actions cannot stand at one path; `number` counts the second ones.
fn contradiction(one: Delivered<'_>, other: Delivered<'_>, number: usize) -> Option<String> {
    let (a, b) = (one.action, other.action);
    if a.kind != b.kind {
        return Some(format!("is a {} and a {}", a.kind, b.kind));
    }
    let same = |key: &str| a.get(key) == b.get(key);
    let mode =
        |action: &Action| action.get("mode").and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let owners_agree = same("owner") && same("group") && mode(a) == mode(b);
    match a.kind {
        ActionKind::Dir if owners_agree => None,
        ActionKind::Dir => Some("is a directory with different owner, group or mode".to_owned()),
        ActionKind::Link | ActionKind::Hardlink if same("target") => None,
        ActionKind::Link | ActionKind::Hardlink => {
            Some(format!("is a {} with different targets", a.kind))
        }
        _ => {
            let allowed = b.get("overlay") == Some("allow") && b.get("preserve").is_some();
            match is_overlay(one) && allowed && number == 1 {
                true if owners_agree => None,
                true => Some("is overlaid with different owner, group or mode".to_owned()),
                false => Some("is a file of both".to_owned()),
            }
        }
    }
}

fn conflict(path: String, one: Delivered<'_>, other: Delivered<'_>, problem: String) -> Error {
    Error::Conflict { path, first: one.fmri.short(), second: other.fmri.short(), problem }
}
