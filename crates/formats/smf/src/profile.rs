//! Profiles against the manifests they are for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Bundle, BundleKind, Finding, Problem, ServiceFmri};

/// Reports every service and instance a profile names that none of the manifests defines.
///
/// Such a line has no effect when the profile is applied, which is nearly always a misspelling or
/// a service that has been renamed. Inclusions are not followed: check each profile by itself.
pub fn check_profile<'a>(
    profile: &Bundle,
    manifests: impl IntoIterator<Item = &'a Bundle>,
) -> Vec<Finding> {
    let finding = |line, problem| Finding { file: profile.file.clone(), line, problem };
    if profile.kind != BundleKind::Profile {
        let found = profile.kind.word().to_owned();
        return vec![finding(1, Problem::NotAProfile { found })];
    }
    let mut defined: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for service in manifests.into_iter().flat_map(|manifest| &manifest.services) {
        defined
            .entry(&service.name)
            .or_default()
            .extend(service.instances.iter().map(|instance| instance.name.as_str()));
    }
    let mut findings = Vec::new();
    for service in &profile.services {
        let fmri = service.fmri();
        let Some(instances) = defined.get(service.name.as_str()) else {
            let nearest = same_last_part(&service.name, defined.keys().copied());
            let nearest = nearest.map(ServiceFmri::service);
            findings.push(finding(service.line, Problem::Undefined { fmri, nearest }));
            continue;
        };
        for instance in &service.instances {
            if !instances.contains(instance.name.as_str()) {
                let nearest = (instances.len() == 1)
                    .then(|| instances.first().map(|only| fmri.with_instance(*only)))
                    .flatten();
                let fmri = fmri.with_instance(&instance.name);
                findings.push(finding(instance.line, Problem::Undefined { fmri, nearest }));
            }
        }
    }
    findings
}

/// The one defined service that ends in the same name: services move between categories.
fn same_last_part<'a>(name: &str, defined: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = name.rsplit('/').next();
    let mut candidates = defined.filter(|other| other.rsplit('/').next() == last);
    let only = candidates.next()?;
    candidates.next().is_none().then_some(only)
}
