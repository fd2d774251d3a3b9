//! Whether the packages of a manifest fit together, and which of them are asked for.

use std::collections::{BTreeMap, BTreeSet};

use omicron_zone_package::package::PackageSource;

use crate::manifest::{Manifest, nearest};
use crate::plan::{Output, Package};
use crate::{Error, Problem, Request};

/// Refuses pins of what the manifest does not have: somebody would rely on them in vain.
pub(crate) fn check_pins(manifest: &Manifest, request: &Request) -> Result<(), Error> {
    let packages = &manifest.config.packages;
    let blobs = packages.values().filter_map(|package| match &package.source {
        PackageSource::Local { blobs, .. } => blobs.as_ref(),
        _ => None,
    });
    let blobs = blobs.flatten().map(|blob| blob.as_str());
    let known: BTreeSet<&str> = packages.keys().map(|name| name.as_str()).chain(blobs).collect();
    match request.pins.keys().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let near = nearest(name, known.iter().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let problem = format!("there is no package or blob `{name}` to pin{near}");
            Err(Error::Choice { path: manifest.path.clone(), problem })
        }
    }
}

/// Makes packages of the file names that composite packages list.
pub(crate) fn compose(
    manifest: &Manifest,
    packages: &mut BTreeMap<String, Package>,
    broken: &mut Vec<Problem>,
) {
    let by_file: BTreeMap<String, String> =
        packages.iter().map(|(name, package)| (package.file.clone(), name.clone())).collect();
    let excluded: BTreeMap<String, String> = packages
        .iter()
        .filter_map(|(name, package)| Some((name.clone(), package.excluded.clone()?)))
        .collect();
    for (name, package) in packages.iter_mut() {
        for component in &mut package.components {
            let Some(other) = by_file.get(component) else {
                let near = nearest(component, by_file.keys().map(String::as_str));
                let problem = format!("no package makes its component {component}");
                let remedy = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => "a component is the file of another package: NAME.tar.gz".to_owned(),
                };
                broken.push(Problem::new(name, problem).remedy(remedy));
                continue;
            };
            if !component.ends_with(".tar.gz") {
                let problem = format!("its component {component} is no zone image");
                broken.push(Problem::new(name, problem));
            }
            if let Some(reason) = excluded.get(other) {
                let problem = format!("its component {component} is not in the target: {reason}");
                package.problems.push(
                    Problem::new(name, problem)
                        .remedy(format!("correct only_for_targets in {}", manifest.path.display())),
                );
            }
            component.clone_from(other);
        }
    }
}

/// Finds packages that are composed of themselves.
pub(crate) fn circles(packages: &BTreeMap<String, Package>, broken: &mut Vec<Problem>) {
    fn visit<'a>(
        name: &'a str,
        packages: &'a BTreeMap<String, Package>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = way.iter().position(|other| *other == name) {
            return Some([&way[start..], &[name]].concat());
        }
        if done.contains(name) {
            return None;
        }
        way.push(name);
        let components = packages.get(name).map(|package| &*package.components).unwrap_or_default();
        let circle = components.iter().find_map(|other| visit(other, packages, way, done));
        way.pop();
        done.insert(name);
        circle
    }
    let mut done = BTreeSet::new();
    for name in packages.keys() {
        if let Some(circle) = visit(name, packages, &mut Vec::new(), &mut done) {
            let problem = format!("it is composed of itself: {}", circle.join(" <- "));
            broken.push(Problem::new(circle[0], problem));
            return;
        }
    }
}

/// Finds packages that become the same file on a system.
pub(crate) fn same_files(packages: &BTreeMap<String, Package>, broken: &mut Vec<Problem>) {
    let mut files: BTreeMap<(String, Output), &str> = BTreeMap::new();
    for (name, package) in packages {
        if package.excluded.is_some() || package.intermediate_only {
            continue;
        }
        if let Some(first) = files.insert((package.service.clone(), package.output), name) {
            let ending = match package.output {
                Output::Zone => "tar.gz",
                Output::Tarball => "tar",
            };
            let problem = format!("it becomes {}.{ending}, and so does {first}", package.service);
            broken.push(
                Problem::new(name, problem)
                    .remedy("give one another service_name, or another target"),
            );
        }
    }
}

/// Marks what was asked for.
pub(crate) fn choose(
    manifest: &Manifest,
    request: &Request,
    packages: &mut BTreeMap<String, Package>,
) -> Result<(), Error> {
    let wrong = |problem| Err(Error::Choice { path: manifest.path.clone(), problem });
    for name in &request.names {
        let near = nearest(name, packages.keys().map(String::as_str)).map(str::to_owned);
        match packages.get_mut(name) {
            Some(Package { excluded: Some(reason), .. }) => {
                return wrong(format!("the target does not have `{name}`: {reason}"));
            }
            Some(package) => package.wanted = true,
            None => {
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return wrong(format!("there is no package `{name}`{near}"));
            }
        }
    }
    if request.names.is_empty() {
        for package in packages.values_mut() {
            package.wanted = package.excluded.is_none() && !package.intermediate_only;
        }
    }
    Ok(())
}
