//! The package metadata of an image: `var/pkg`, image format 4.

use std::collections::BTreeSet;

use proto::ProtoPath;

use super::fetch::Origins;
use super::stage::Stage;
use crate::catalog::CatalogBuilder;
use crate::image::{AVOIDED, CONFIG, ImageConfig, StateMetadata, manifest_path, print_avoided};
use crate::{ActionKind, Chosen, Error, Fmri, Image, Standing, State};

/// Directories that every image has.
const DIRECTORIES: [&str; 10] = [
    "var/pkg",
    "var/pkg/cache",
    "var/pkg/history",
    "var/pkg/license",
    "var/pkg/lost+found",
    "var/pkg/publisher",
    "var/pkg/ssl",
    "var/pkg/state",
    "var/pkg/state/installed",
    "var/pkg/state/known",
];

/// States by which pkg(7) knows that catalogs of version 1 name a package.
const FROM_CATALOG: State = State::Other(7);

/// Writes the settings.
pub(crate) fn write_config(stage: &mut Stage<'_>, config: &ImageConfig) -> Result<(), Error> {
    stage.write(CONFIG, config.print().as_bytes(), 0o644)?;
    for publisher in &config.publishers {
        for below in ["catalog", "certs", "pkg"] {
            stage.directory(&format!("var/pkg/publisher/{}/{below}", publisher.name))?;
        }
    }
    stage.write("var/pkg/modified", b"", 0o644)
}

/// Writes the list of installed packages and their manifests.
pub(crate) fn write_packages(
    stage: &mut Stage<'_>,
    image: &Image,
    packages: &[Chosen],
    origins: &Origins<'_>,
) -> Result<(), Error> {
    for directory in DIRECTORIES {
        stage.directory(directory)?;
    }
    if !stage.manifest.contains(&stage.path("var/pkg/lock")?) {
        stage.write("var/pkg/lock", b"", 0o755)?;
    }
    write_avoided(stage, image, packages)?;
    let kept: BTreeSet<String> =
        packages.iter().map(|package| manifest_path(&package.fmri)).collect();
    for gone in image.packages.iter().map(|package| manifest_path(&package.fmri)) {
        if !kept.contains(&gone) {
            let path = stage.path(&gone)?;
            stage.manifest.remove(&path);
            remove_if_empty(stage, path.parent());
        }
    }
    let mut ordered: Vec<&Chosen> = packages.iter().collect();
    ordered.sort_by(|a, b| a.fmri.cmp(&b.fmri));
    let now = stage.date.to_string();
    let mut catalog = CatalogBuilder::default();
    for package in ordered {
        let path = manifest_path(&package.fmri);
        let text = match stage.text(&path)? {
            Some(text) => text,
            None => {
                let text = origins.manifest_text(&package.fmri)?;
                stage.write(&path, text.as_bytes(), 0o644)?;
                text
            }
        };
        let there = image.packages.iter().find(|there| there.fmri == package.fmri);
        let metadata = StateMetadata {
            states: states(image, package, there.map_or(&[], |there| there.states.as_slice())),
            last_install: there
                .and_then(|there| there.last_install.clone())
                .or_else(|| Some(now.clone())),
        };
        catalog.add(&package.fmri, &text, &package.manifest, Some(metadata.to_json()));
    }
    for state in ["installed", "known"] {
        let directory = stage.path(&format!("var/pkg/state/{state}"))?;
        let stale: Vec<ProtoPath> = stage
            .manifest
            .subtree(&directory)
            .map(|(path, _)| path.clone())
            .filter(|path| *path != directory)
            .collect();
        for path in stale {
            stage.manifest.remove(&path);
        }
    }
    for (name, text) in catalog.finish(stage.date, false) {
        for state in ["installed", "known"] {
            stage.write(&format!("var/pkg/state/{state}/{name}"), text.as_bytes(), 0o644)?;
        }
    }
    forget_caches(stage)
}

/// Writes what groups name and is not installed. What was asked for by name is no longer avoided,
/// and what was taken away while a group names it is from now on.
fn write_avoided(stage: &mut Stage<'_>, image: &Image, packages: &[Chosen]) -> Result<(), Error> {
    let installed: BTreeSet<&str> = packages.iter().map(|package| &*package.fmri.stem).collect();
    let depends = packages.iter().flat_map(|package| package.manifest.of_kind(ActionKind::Depend));
    let groups = depends.filter(|depend| {
        matches!(depend.get("type"), Some("group" | "group-any")) && image.allows(depend)
    });
    let named: BTreeSet<String> = groups
        .flat_map(|depend| depend.attributes.list("fmri"))
        .filter_map(|fmri| Some(Fmri::parse(fmri).ok()?.stem))
        .filter(|stem| !installed.contains(&**stem))
        .collect();
    let asked: BTreeSet<&str> =
        packages.iter().filter(|package| package.manual).map(|p| &*p.fmri.stem).collect();
    let mut avoided: BTreeSet<&str> = image.avoided.iter().map(String::as_str).collect();
    avoided.retain(|stem| !asked.contains(stem));
    let removed = image.packages.iter().map(|package| &*package.fmri.stem);
    avoided.extend(removed.filter(|stem| named.contains(*stem)));
    let implicit: BTreeSet<&str> =
        named.iter().map(String::as_str).filter(|stem| !avoided.contains(stem)).collect();
    let text = print_avoided(&avoided, &implicit);
    let path = stage.path(AVOIDED)?;
    if stage.text(AVOIDED)?.as_deref() == Some(&*text) && stage.manifest.contains(&path) {
        return Ok(());
    }
    stage.write(AVOIDED, text.as_bytes(), 0o644)
}

/// Everything that pkg(1) derives from the rest no longer fits.
fn forget_caches(stage: &mut Stage<'_>) -> Result<(), Error> {
    let cache = stage.path("var/pkg/cache")?;
    let derived: Vec<ProtoPath> = stage
        .manifest
        .subtree(&cache)
        .map(|(path, _)| path.clone())
        .filter(|path| *path != cache)
        .collect();
    for path in derived {
        stage.manifest.remove(&path);
    }
    Ok(())
}

fn states(image: &Image, package: &Chosen, before: &[State]) -> Vec<State> {
    let mut states: BTreeSet<State> = before
        .iter()
        .copied()
        .filter(|state| matches!(state, State::Known | State::Installed | State::Other(_)))
        .collect();
    let version = package.fmri.version.as_ref();
    if let (Some(freeze), Some(version)) = (image.frozen.get(&package.fmri.stem), version)
        && version.within(&freeze.version)
    {
        states.insert(State::Frozen);
    }
    states.extend([State::Known, State::Installed]);
    if package.manual {
        states.insert(State::Manual);
    }
    let says = |is: bool, state: State| is.then_some(state);
    let standing = Standing::of(&package.manifest);
    states.extend(says(standing.renamed, State::Renamed));
    states.extend(says(standing.legacy, State::Legacy));
    states.remove(&FROM_CATALOG);
    states.into_iter().chain([FROM_CATALOG]).collect()
}

fn remove_if_empty(stage: &mut Stage<'_>, directory: Option<ProtoPath>) {
    if let Some(directory) = directory
        && stage.manifest.subtree(&directory).count() == 1
    {
        stage.manifest.remove(&directory);
    }
}
