//! Which packages of the proto a zone gets.

use std::collections::BTreeSet;

use ips::{ActionKind, Fmri, Image, InstalledPackage, Variants};

use crate::{Error, Selection};

const INCORPORATION: &str = "consolidation/osnet/osnet-incorporation";
const ENTIRE: &str = "entire";
/// What a development system's zones get beside `entire`: the switch zone wants one, the time
/// zone the other.
const SERVERS: [&str; 2] = ["network/openssh-server", "service/network/chrony"];

/// The packages of the zone, the incorporation first, and those that are for global zones only.
pub(crate) struct Selected<'a> {
    pub(crate) packages: Vec<&'a InstalledPackage>,
    pub(crate) global_only: Vec<Fmri>,
}

pub(crate) fn select<'a>(
    image: &'a Image,
    variants: &Variants,
    selection: Selection,
) -> Result<Selected<'a>, Error> {
    let incorporations: Vec<&InstalledPackage> =
        image.packages.iter().filter(|package| package.fmri.stem == INCORPORATION).collect();
    let [incorporation] = incorporations[..] else {
        let found = incorporations.iter().map(|package| package.fmri.short()).collect();
        return Err(Error::Incorporation { found });
    };
    let wanted = match selection {
        Selection::Installed => None,
        Selection::Development => Some(development(image, variants)?),
    };
    let mut selected = Selected { packages: vec![incorporation], global_only: Vec::new() };
    for package in &image.packages {
        let stem = package.fmri.stem.as_str();
        let is_wanted = match &wanted {
            None => stem != ENTIRE,
            Some(stems) => stems.contains(stem),
        };
        if stem == INCORPORATION || !is_wanted {
            continue;
        }
        if is_for_zones(package) {
            selected.packages.push(package);
        } else {
            selected.global_only.push(package.fmri.clone());
        }
    }
    check_requirements(&selected, variants)?;
    Ok(selected)
}

/// A package that does not say for which zones it is, is for all.
fn is_for_zones(package: &InstalledPackage) -> bool {
    package
        .manifest
        .variant(Variants::ZONE)
        .is_none_or(|zones| zones.iter().any(|zone| zone == "nonglobal"))
}

/// The stems that `entire` and the servers pull in, as far as they are installed.
fn development<'a>(image: &'a Image, variants: &Variants) -> Result<BTreeSet<&'a str>, Error> {
    let entire = image.package(ENTIRE).ok_or(Error::NotInstalled { package: ENTIRE })?;
    let servers = SERVERS.iter().filter_map(|server| image.package(server));
    let mut open: Vec<&InstalledPackage> = std::iter::once(entire).chain(servers).collect();
    let mut stems = BTreeSet::new();
    while let Some(package) = open.pop() {
        if !stems.insert(package.fmri.stem.as_str()) {
            continue;
        }
        let pulls = ["require", "require-any", "group", "group-any", "conditional"];
        for (kind, stem) in dependencies(package, variants) {
            if pulls.contains(&kind)
                && let Some(needed) = image.package(&stem)
                && (is_for_zones(needed) || kind == "require")
            {
                open.push(needed);
            }
        }
    }
    Ok(stems)
}

/// A solver would refuse a zone whose package requires what zones cannot have.
fn check_requirements(selected: &Selected<'_>, variants: &Variants) -> Result<(), Error> {
    for package in &selected.packages {
        for (kind, stem) in dependencies(package, variants) {
            if kind == "require"
                && let Some(needed) = selected.global_only.iter().find(|fmri| fmri.stem == stem)
            {
                return Err(Error::GlobalOnly {
                    package: package.fmri.short(),
                    needed: needed.short(),
                });
            }
        }
    }
    Ok(())
}

/// The kind and the stem of everything a package depends on in a zone.
fn dependencies<'a>(
    package: &'a InstalledPackage,
    variants: &'a Variants,
) -> impl Iterator<Item = (&'a str, String)> {
    package
        .manifest
        .of_kind(ActionKind::Depend)
        .filter(|action| variants.allow(&action.attributes))
        .flat_map(|action| {
            let kind = action.get("type").unwrap_or_default();
            let stems = action.attributes.list("fmri").iter();
            stems.filter_map(move |text| Some((kind, Fmri::parse(text).ok()?.stem)))
        })
}
