//! Which packages of the proto a zone gets.

use std::path::Path;

use ips::{
    ActionKind, Chosen, Fmri, Image, ImageConfig, InstalledPackage, Origin, StoredPayload, Variants,
};

use crate::{Error, Selection};

const INCORPORATION: &str = "consolidation/osnet/osnet-incorporation";
const ENTIRE: &str = "entire";
/// What a development system's zones get beside `entire`: the switch zone wants one, the time
/// zone the other.
const SERVERS: [&str; 2] = ["network/openssh-server", "service/network/chrony"];

/// The packages of the zone, the incorporation first, and those that are for global zones only.
pub(crate) struct Selected {
    pub(crate) packages: Vec<InstalledPackage>,
    pub(crate) global_only: Vec<Fmri>,
}

pub(crate) fn select(
    image: &Image,
    variants: &Variants,
    selection: Selection,
    origins: &[&dyn Origin],
) -> Result<Selected, Error> {
    let incorporations: Vec<&InstalledPackage> =
        image.packages.iter().filter(|package| package.fmri.stem == INCORPORATION).collect();
    let [incorporation] = incorporations[..] else {
        let found = incorporations.iter().map(|package| package.fmri.short()).collect();
        return Err(Error::Incorporation { found });
    };
    if selection == Selection::Development {
        return development(image, variants, incorporation, origins);
    }
    let mut selected = Selected { packages: vec![incorporation.clone()], global_only: Vec::new() };
    for package in &image.packages {
        if [INCORPORATION, ENTIRE].contains(&package.fmri.stem.as_str()) {
            continue;
        }
        if is_for_zones(package) {
            selected.packages.push(package.clone());
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

/// What exact-install chooses for a new zone beside a development system: the incorporation,
/// `entire`, the servers that are installed, each at its version, and what they need. `entire` is
/// the newest that an origin has where it is not installed.
fn development(
    image: &Image,
    variants: &Variants,
    incorporation: &InstalledPackage,
    origins: &[&dyn Origin],
) -> Result<Selected, Error> {
    let mut wanted = vec![incorporation.fmri.long()];
    match image.package(ENTIRE) {
        Some(entire) => wanted.push(entire.fmri.long()),
        None => {
            let has = |origin: &&dyn Origin| origin.packages().iter().any(|p| p.stem == ENTIRE);
            if !origins.iter().any(has) {
                return Err(Error::NotInstalled { package: ENTIRE });
            }
            wanted.push(format!("/{ENTIRE}@latest"));
        }
    }
    let servers = SERVERS.iter().filter_map(|server| image.package(server));
    wanted.extend(servers.map(|server| server.fmri.long()));

    let installed = Installed::of(image);
    let mut all: Vec<&dyn Origin> = vec![&installed];
    all.extend(origins);
    let mut config = ImageConfig::new(variants.clone());
    config.publishers.clone_from(&image.config.publishers);
    let chosen = ips::solve(&Image::new(config), &all, &wanted)?;
    let (first, others): (Vec<Chosen>, Vec<Chosen>) =
        chosen.into_iter().partition(|chosen| chosen.fmri == incorporation.fmri);
    let packages = first.into_iter().chain(others).map(|chosen| InstalledPackage {
        fmri: chosen.fmri,
        manifest: chosen.manifest,
        states: Vec::new(),
        last_install: None,
    });
    Ok(Selected { packages: packages.collect(), global_only: Vec::new() })
}

/// The packages of an image as an origin without payloads.
struct Installed<'a> {
    image: &'a Image,
    packages: Vec<Fmri>,
}

impl<'a> Installed<'a> {
    fn of(image: &'a Image) -> Self {
        let mut packages: Vec<Fmri> =
            image.packages.iter().map(|package| package.fmri.clone()).collect();
        packages.sort();
        Self { image, packages }
    }
}

impl Origin for Installed<'_> {
    fn location(&self) -> &Path {
        Path::new("the image")
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, ips::Error> {
        let found = self.image.packages.iter().find(|package| package.fmri == *fmri);
        let missing = || ips::Error::NoPackage {
            path: self.location().to_owned(),
            fmri: Box::new(fmri.clone()),
        };
        found.map(|package| package.manifest.to_string()).ok_or_else(missing)
    }

    fn stored_payload(&self, _: &str, sha1: &str) -> Result<StoredPayload, ips::Error> {
        Err(ips::Error::NoPayload { path: self.location().to_owned(), hash: sha1.to_owned() })
    }
}

/// A solver would refuse a zone whose package requires what zones cannot have.
fn check_requirements(selected: &Selected, variants: &Variants) -> Result<(), Error> {
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
