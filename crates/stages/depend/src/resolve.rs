//! From needs to packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ips::{Action, ActionKind, Attributes, Fmri, Line, Manifest};

use crate::combinations::{Combination, Variants, words};
use crate::links::{Delivered, Route};
use crate::need::{PREFIX, is_need, paths};
use crate::{Error, Finding, Severity};

/// The dependencies of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its manifest.
    pub manifest: PathBuf,
    /// Those that the manifest had already, in its order; then those that were found, sorted.
    pub dependencies: Vec<Action>,
    /// What nobody delivers.
    pub findings: Vec<Finding>,
}

/// A dependency without its variants: type, packages, predicate.
type Key = (&'static str, BTreeSet<String>, Option<String>);

/// Finds the packages that deliver what manifests need: among the manifests themselves, else among
/// packages that are there (`others`). Of the latter, those that are resolved are passed over.
pub fn resolve(
    manifests: &[Manifest],
    others: &[(Fmri, Arc<Manifest>)],
) -> Result<Vec<Resolved>, Error> {
    let names: Vec<Fmri> = manifests.iter().map(Manifest::fmri).collect::<Result<_, _>>()?;
    let others: Vec<&(Fmri, Arc<Manifest>)> = others
        .iter()
        .filter(|(fmri, _)| !names.iter().any(|name| name.stem == fmri.stem))
        .collect();
    let mut all = Variants::default();
    let mut ours = Packages::default();
    for (name, manifest) in names.iter().zip(manifests) {
        all.merge(&Variants::declared(manifest));
        ours.add(name, manifest);
    }
    let mut theirs = Packages::default();
    for (name, manifest) in others {
        all.merge(&Variants::declared(manifest));
        theirs.add(name, manifest);
    }
    let both = [ours, theirs];
    manifests
        .iter()
        .zip(&names)
        .map(|(manifest, name)| Package { manifest, name, all: &all, both: &both }.resolve())
        .collect()
}

#[derive(Default)]
struct Packages {
    names: Vec<String>,
    delivered: Delivered,
}

impl Packages {
    fn add(&mut self, fmri: &Fmri, manifest: &Manifest) {
        self.names.push(short(fmri));
        self.delivered.add(manifest);
    }
}

/// As dependencies name packages: without publisher, build and timestamp.
fn short(fmri: &Fmri) -> String {
    let mut fmri = fmri.without_publisher();
    if let Some(version) = &mut fmri.version {
        version.timestamp = None;
    }
    fmri.short()
}

/// A package whose needs are resolved.
struct Package<'a> {
    manifest: &'a Manifest,
    name: &'a Fmri,
    all: &'a Variants,
    both: &'a [Packages; 2],
}

impl Package<'_> {
    fn resolve(&self) -> Result<Resolved, Error> {
        let mut variants = Variants::declared(self.manifest);
        variants.add_carried(self.manifest);
        variants.merge_unknown(self.all);
        let mut found: BTreeMap<Key, BTreeSet<Combination>> = BTreeMap::new();
        let mut findings = Vec::new();
        let mut given = Vec::new();
        for line in self.manifest.lines.iter().filter(|l| l.action.kind == ActionKind::Depend) {
            if !is_need(&line.action) {
                given.push(line.action.clone());
                continue;
            }
            let combinations =
                variants.combinations(&line.action.attributes).map_err(|problem| {
                    let path = self.manifest.source.clone();
                    Error::Manifest { path, line: line.number, problem }
                })?;
            let mut unresolved = BTreeSet::new();
            for combination in combinations {
                let keys = self.packages(&line.action, &combination);
                if keys.is_none() {
                    unresolved.insert(combination.clone());
                }
                for key in keys.into_iter().flatten() {
                    found.entry(key).or_default().insert(combination.clone());
                }
            }
            if !unresolved.is_empty() {
                findings.push(self.unresolved(line, &variants.simplify(&unresolved)));
            }
        }
        reduce(&mut found);
        let mut dependencies = given;
        for ((kind, fmris, predicate), combinations) in found {
            for combination in variants.simplify(&combinations) {
                let mut attributes = Attributes::new();
                attributes.set("type", kind);
                attributes.set_list("fmri", fmris.iter().cloned().collect());
                attributes.set_list("predicate", predicate.iter().cloned().collect());
                for (name, value) in combination {
                    attributes.set(name, value);
                }
                let action = Action::new(ActionKind::Depend, attributes);
                if !dependencies.contains(&action) {
                    dependencies.push(action);
                }
            }
        }
        Ok(Resolved { manifest: self.manifest.source.clone(), dependencies, findings })
    }

    /// The dependencies that follow from a need in images of a combination; none if nobody
    /// delivers it. It is empty if the package does so itself.
    fn packages(&self, need: &Action, combination: &Combination) -> Option<Vec<Key>> {
        let own = short(self.name);
        for packages in self.both {
            let routes: BTreeSet<Route> = paths(need)
                .iter()
                .flat_map(|path| packages.delivered.routes(path, combination))
                .collect();
            if routes.is_empty() {
                continue;
            }
            let name = |number: &usize| packages.names[*number].clone();
            let ends: BTreeSet<String> = routes.iter().map(|route| name(&route.package)).collect();
            if ends.contains(&own) {
                return Some(Vec::new());
            }
            let mut keys = Vec::new();
            let kind = if ends.len() == 1 { "require" } else { "require-any" };
            for end in &ends {
                // Without its links the file is not found under the name that is needed.
                let ways: Vec<BTreeSet<String>> = routes
                    .iter()
                    .filter(|route| name(&route.package) == *end)
                    .map(|route| route.links.iter().map(name).collect::<BTreeSet<_>>())
                    .map(|links| links.into_iter().filter(|l| l != end && *l != own).collect())
                    .collect();
                let always: BTreeSet<String> = ways
                    .iter()
                    .cloned()
                    .reduce(|a, b| a.intersection(&b).cloned().collect())
                    .unwrap_or_default();
                let predicate = (ends.len() > 1).then(|| end.clone());
                let need = if predicate.is_some() { "conditional" } else { "require" };
                for link in &always {
                    keys.push((need, BTreeSet::from([link.clone()]), predicate.clone()));
                }
                let rest: Vec<BTreeSet<String>> =
                    ways.iter().map(|way| way.difference(&always).cloned().collect()).collect();
                if predicate.is_none() && rest.iter().all(|way| !way.is_empty()) {
                    let any: BTreeSet<String> = rest.into_iter().flatten().collect();
                    if !any.is_empty() {
                        keys.push(("require-any", any, None));
                    }
                }
            }
            keys.push((kind, ends, None));
            return Some(keys);
        }
        None
    }

    fn unresolved(&self, line: &Line, when: &BTreeSet<Combination>) -> Finding {
        let action = &line.action;
        let reason = action.get(&format!("{PREFIX}.reason")).unwrap_or("something");
        let all: Vec<String> = paths(action).into_iter().collect();
        let when: Vec<String> =
            when.iter().filter(|combination| !combination.is_empty()).map(words).collect();
        let when =
            if when.is_empty() { String::new() } else { format!(" (for {})", when.join("; ")) };
        let mild = action.get(&format!("{PREFIX}.severity")) == Some("warning");
        Finding {
            manifest: self.manifest.source.clone(),
            line: line.number,
            severity: if mild { Severity::Warning } else { Severity::Error },
            problem: format!(
                "{reason} needs {}, which no package delivers{when}; add the package that does, \
                 or pass it over with pkg.depend.bypass-generate",
                all.join(" or ")
            ),
        }
    }
}

/// Takes away what other dependencies say already.
fn reduce(found: &mut BTreeMap<Key, BTreeSet<Combination>>) {
    let requires =
        |found: &BTreeMap<Key, BTreeSet<Combination>>, name: &String, c: &Combination| {
            let key = ("require", BTreeSet::from([name.clone()]), None);
            found.get(&key).is_some_and(|combinations| combinations.contains(c))
        };
    // What is needed if something is there that is needed anyway, is needed.
    loop {
        let mut moved = Vec::new();
        for ((kind, fmris, predicate), combinations) in &*found {
            let Some(predicate) = predicate.as_ref().filter(|_| *kind == "conditional") else {
                continue;
            };
            for combination in combinations.iter().filter(|c| requires(found, predicate, c)) {
                let old = ("conditional", fmris.clone(), Some(predicate.clone()));
                moved.push((old, fmris.clone(), combination.clone()));
            }
        }
        if moved.is_empty() {
            break;
        }
        for (old, fmris, combination) in moved {
            if let Some(combinations) = found.get_mut(&old) {
                combinations.remove(&combination);
            }
            found.entry(("require", fmris, None)).or_default().insert(combination);
        }
    }
    let mut gone = Vec::new();
    for (key, combinations) in &*found {
        if key.0 == "require" {
            continue;
        }
        for combination in combinations {
            if key.1.iter().any(|name| requires(found, name, combination)) {
                gone.push((key.clone(), combination.clone()));
            }
        }
    }
    for (key, combination) in gone {
        if let Some(combinations) = found.get_mut(&key) {
            combinations.remove(&combination);
        }
    }
    found.retain(|_, combinations| !combinations.is_empty());
}
