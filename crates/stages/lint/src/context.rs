//! What rules look at, and where they put what they find.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ips::{Action, ActionKind, Attributes, Fmri, Line, Manifest};

use crate::{Finding, Rule};

/// A package.
pub(crate) struct Package {
    pub(crate) fmri: Option<Fmri>,
    pub(crate) manifest: Arc<Manifest>,
    /// Whether it is linted, not only looked up.
    pub(crate) linted: bool,
}

/// An action of a package.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) number: usize,
    pub(crate) package: &'a Package,
    pub(crate) line: &'a Line,
}

impl<'a> Placed<'a> {
    pub(crate) fn action(self) -> &'a Action {
        &self.line.action
    }

    /// The package, for messages.
    pub(crate) fn name(self) -> String {
        self.package.name()
    }

    /// The values of a variant with which it is there; none if it always is.
    fn variant(self, name: &str) -> Option<&'a [String]> {
        match self.action().attributes.list(name) {
            [] => self.package.manifest.variant(name),
            own => Some(own),
        }
    }

    /// Whether both can be in one image.
    pub(crate) fn meets(self, other: Self) -> bool {
        let names = |placed: Self| {
            let own = placed.action().attributes.with_prefix("variant.").map(|(name, _)| name);
            own.chain(placed.package.variants()).collect::<BTreeSet<_>>()
        };
        names(self).union(&names(other)).all(|name| {
            match (self.variant(name), other.variant(name)) {
                (Some(ours), Some(theirs)) => ours.iter().any(|value| theirs.contains(value)),
                _ => true,
            }
        })
    }
}

impl Package {
    fn new(manifest: &Arc<Manifest>, linted: bool) -> Self {
        Self { fmri: manifest.fmri().ok(), manifest: Arc::clone(manifest), linted }
    }

    pub(crate) fn name(&self) -> String {
        match &self.fmri {
            Some(fmri) => fmri.stem.clone(),
            None => self.manifest.source.display().to_string(),
        }
    }

    fn variants(&self) -> impl Iterator<Item = &str> {
        let sets = self.manifest.of_kind(ActionKind::Set);
        sets.filter_map(|set| set.get("name")).filter(|name| name.starts_with("variant."))
    }

    /// Whether it delivers anything.
    pub(crate) fn is_alive(&self) -> bool {
        !self.manifest.is_obsolete() && !self.manifest.is_renamed()
    }
}

/// All packages.
pub(crate) struct Context {
    pub(crate) packages: Vec<Package>,
    /// Whether there are packages besides those that are linted.
    pub(crate) has_others: bool,
}

impl Context {
    pub(crate) fn new(linted: &[Arc<Manifest>], others: &[Arc<Manifest>]) -> Self {
        let mut packages: Vec<Package> = linted.iter().map(|m| Package::new(m, true)).collect();
        let mut last: BTreeMap<String, Package> = BTreeMap::new();
        for manifest in others {
            let package = Package::new(manifest, false);
            let stem = |package: &Package| package.fmri.as_ref().map(|fmri| fmri.stem.clone());
            if !packages.iter().any(|other| stem(other) == stem(&package)) {
                last.insert(package.name(), package);
            }
        }
        packages.extend(last.into_values());
        Self { packages, has_others: !others.is_empty() }
    }

    /// Every action.
    pub(crate) fn all(&self) -> impl Iterator<Item = Placed<'_>> {
        self.packages.iter().enumerate().flat_map(|(number, package)| {
            package.manifest.lines.iter().map(move |line| Placed { number, package, line })
        })
    }

    /// Every action of the packages that are linted.
    pub(crate) fn linted(&self) -> impl Iterator<Item = Placed<'_>> {
        self.all().filter(|placed| placed.package.linted)
    }

    /// Every action of some kinds, by what they deliver, where one at least is linted.
    pub(crate) fn groups<'a>(
        &'a self,
        kinds: &[ActionKind],
        key: impl Fn(&'a Action) -> Option<&'a str>,
    ) -> BTreeMap<&'a str, Vec<Placed<'a>>> {
        let mut groups: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
        for placed in self.all().filter(|placed| kinds.contains(&placed.line.action.kind)) {
            if let Some(key) = key(placed.action()) {
                groups.entry(key).or_default().push(placed);
            }
        }
        groups.retain(|_, group| group.iter().any(|placed| placed.package.linted));
        groups
    }

    /// Every path, with its deliveries, where one at least is linted.
    pub(crate) fn paths(&self) -> BTreeMap<&str, Vec<Placed<'_>>> {
        let kinds = [ActionKind::Dir, ActionKind::File, ActionKind::Hardlink, ActionKind::Link];
        self.groups(&kinds, |action| action.path())
    }

    /// The package of a name.
    pub(crate) fn package(&self, stem: &str) -> Option<&Package> {
        self.packages
            .iter()
            .find(|package| package.fmri.as_ref().is_some_and(|fmri| fmri.stem == stem))
    }
}

/// Pairs of a group that can meet, with at least one linted; the second is the one to blame.
pub(crate) fn pairs<'a>(group: &[Placed<'a>]) -> Vec<(Placed<'a>, Placed<'a>)> {
    let mut pairs = Vec::new();
    for (index, second) in group.iter().enumerate() {
        for first in &group[..index] {
            if (first.package.linted || second.package.linted) && first.meets(*second) {
                let swap = !second.package.linted;
                pairs.push(if swap { (*second, *first) } else { (*first, *second) });
            }
        }
    }
    pairs
}

/// Collects findings.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rule: Option<&'static Rule>,
    found: Vec<(usize, Finding)>,
}

impl Report {
    /// Blames an action, unless it or its package says that it is meant.
    pub(crate) fn blame(&mut self, placed: Placed<'_>, problem: impl Into<String>) {
        if let Some(rule) = self.rule
            && placed.package.linted
            && !is_meant(&placed.action().attributes, rule)
        {
            self.add(placed.number, placed.package, placed.line.number, problem.into());
        }
    }

    /// Blames a package.
    pub(crate) fn blame_package(
        &mut self,
        context: &Context,
        number: usize,
        problem: impl Into<String>,
    ) {
        let package = &context.packages[number];
        if package.linted {
            self.add(number, package, 0, problem.into());
        }
    }

    fn add(&mut self, number: usize, package: &Package, line: usize, problem: String) {
        let Some(rule) = self.rule else { return };
        let of_package: Attributes = package
            .manifest
            .of_kind(ActionKind::Set)
            .filter_map(|set| Some((set.get("name")?, set.get("value")?)))
            .collect();
        if !is_meant(&of_package, rule) {
            let manifest = package.manifest.source.clone();
            let finding =
                Finding { manifest, line, rule: rule.id, severity: rule.severity, problem };
            self.found.push((number, finding));
        }
    }

    /// The findings, by manifest and line.
    pub(crate) fn findings(mut self, context: &Context) -> Vec<Finding> {
        debug_assert!(self.found.iter().all(|(number, _)| *number < context.packages.len()));
        self.found.sort_by(|(a, left), (b, right)| {
            (a, left.line, left.rule, &left.problem).cmp(&(
                b,
                right.line,
                right.rule,
                &right.problem,
            ))
        });
        self.found.dedup();
        self.found.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// Whether `pkg.linted`, or `pkg.linted.` with an id of the rule or the beginning of one, says that
/// all is well.
fn is_meant(attributes: &Attributes, rule: &Rule) -> bool {
    attributes
        .with_prefix("pkg.linted")
        .filter(|(_, values)| values.iter().any(|value| value.eq_ignore_ascii_case("true")))
        .any(|(name, _)| match name.strip_prefix("pkg.linted.") {
            None => name == "pkg.linted",
            Some(id) => rule.pkglint.iter().chain([&rule.id]).any(|known| {
                // pkglint numbers the parts of a check: pkglint.action001.2.
                let longer = id.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
                let shorter = known.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'));
                id == *known || longer || shorter
            }),
        })
}
