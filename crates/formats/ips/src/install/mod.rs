//! Installing packages into a proto.
//!
//! An image is changed as pkg(7) would change it: from what its packages deliver under its
//! settings before, to what they deliver under its settings after. Everything is checked, and
//! every payload fetched and checked, before the proto changes; a call that fails leaves it as it
//! was.

pub(crate) mod accounts;
mod databases;
mod delivery;
mod drivers;
mod fetch;
mod files;
mod metadata;
mod plan;
mod settings;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use proto::{Metadata, Proto, ProtoPath};
use rayon::prelude::*;

use delivery::Delivery;
use fetch::{Origins, Payloads};
use files::Files;
pub use settings::{
    approve_ca_certificate, change_facets, change_variants, create_image, foresee_facets,
    foresee_variants, optional_dependencies, purge_history, set_properties, set_publisher,
};
use stage::Stage;

use crate::image::{CONFIG, ImageConfig};
use crate::{
    Action, Chosen, Error, Fmri, Image, Manifest, Origin, Owners, Timestamp, solve, solve_removal,
};

/// How packages are installed.
#[derive(Debug, Clone, Copy)]
pub struct InstallOptions {
    /// The moment of the installation: the time of files that have none of their own, the date of
    /// new accounts, and what the image notes as time of installation. It never comes from the
    /// clock.
    pub date: Timestamp,
}

/// What a change of an image did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Packages that were not there before.
    pub installed: Vec<Fmri>,
    /// Packages of another version than before: before, after.
    pub updated: Vec<(Fmri, Fmri)>,
    /// Packages that are gone.
    pub removed: Vec<Fmri>,
    /// Payloads that were fetched; each counts once.
    pub payloads: usize,
    /// Their bytes, uncompressed.
    pub bytes: u64,
    /// Packaged paths that `exclude-patterns` passed over.
    pub excluded: Vec<ProtoPath>,
    /// What pkg(7) would do on a running system for actions that came, changed or went:
    /// `restart_fmri`, `refresh_fmri` and the like with a service each, `reboot-needed` with
    /// `true`; in order, each once. Nothing of it is done to a proto.
    pub actuators: Vec<(String, String)>,
}

/// Installs the packages named by `patterns`, and all that they need, into an image: see
/// [`solve`](crate::solve()) for the choice of versions.
///
/// The proto must have package metadata; [`create_image`] makes it.
pub fn install(
    proto: &mut Proto,
    patterns: &[String],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    let (image, chosen) = resolve(proto, patterns, origins)?;
    change(proto, &image, image.config.clone(), chosen, origins, options)
}

/// Does what [`install`] does, but fetches no payloads except of the account and driver files that
/// it edits: the proto gets every path with type, owner, group, mode and size, and conflicts are
/// errors as ever. A regular file has no digest and cannot be opened, so that such a proto is good
/// for checks only.
pub fn foresee(
    proto: &mut Proto,
    patterns: &[String],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    let (image, chosen) = resolve(proto, patterns, origins)?;
    let change = Change { proto, image: &image, config: image.config.clone(), chosen };
    change.carry_out(origins, options, false)
}

/// Reads an image that can be changed, and chooses the packages it is to hold.
fn resolve(
    proto: &Proto,
    patterns: &[String],
    origins: &[&dyn Origin],
) -> Result<(Image, Vec<Chosen>), Error> {
    let image = Image::read_changeable(proto)?;
    let chosen = solve(&image, origins, patterns)?;
    Ok((image, chosen))
}

/// Makes an image hold exactly these packages, without asking what they need: for packages that
/// were chosen before, by [`solve`](crate::solve()) or as those of another image.
pub fn install_chosen(
    proto: &mut Proto,
    chosen: Vec<Chosen>,
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    let image = Image::read_changeable(proto)?;
    change(proto, &image, image.config.clone(), chosen, origins, options)
}

/// Takes the packages named by `patterns` out of an image. A package that another one needs is an
/// error that names both.
pub fn uninstall(
    proto: &mut Proto,
    patterns: &[String],
    options: &InstallOptions,
) -> Result<Report, Error> {
    let image = Image::read_changeable(proto)?;
    let chosen = solve_removal(&image, patterns)?;
    change(proto, &image, image.config.clone(), chosen, &[], options)
}

/// Changes an image to other packages and settings.
fn change(
    proto: &mut Proto,
    image: &Image,
    config: ImageConfig,
    chosen: Vec<Chosen>,
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    let change = Change { proto, image, config, chosen };
    change.carry_out(origins, options, true)
}

/// What an image becomes.
struct Change<'a> {
    proto: &'a mut Proto,
    image: &'a Image,
    config: ImageConfig,
    chosen: Vec<Chosen>,
}

impl Change<'_> {
    /// Changes the image; `fetch` says whether payloads come that nothing here reads.
    fn carry_out(
        self,
        origins: &[&dyn Origin],
        options: &InstallOptions,
        fetch: bool,
    ) -> Result<Report, Error> {
        let Self { proto, image, mut config, chosen } = self;
        let before: Vec<(&Fmri, &Manifest)> = image
            .packages
            .iter()
            .map(|package| (&package.fmri, package.manifest.as_ref()))
            .collect();
        let after: Vec<(&Fmri, &Manifest)> =
            chosen.iter().map(|package| (&package.fmri, package.manifest.as_ref())).collect();
        let old = Delivery::of(&image.config, &before)?;
        let new = Delivery::of(&config, &after)?;
        new.check()?;
        if config.property("exclude-policy") == Some("reject")
            && let Some(first) = new.excluded.first()
        {
            let problem = format!(
                "exclude-policy is reject, and exclude-patterns pass over {} paths, {first} first",
                new.excluded.len()
            );
            return Err(Error::damaged(CONFIG, problem));
        }
        let origins = Origins {
            all: origins,
            chosen: chosen
                .iter()
                .filter_map(|package| Some((package.fmri.stem.clone(), package.origin?)))
                .collect(),
        };

        let mut stage = Stage::new(proto, options.date);
        let store = &stage.contents.store;
        let licenses = databases::missing_licenses(&old, &new);
        let plans = Files::plan_change(&mut stage, &old, &new)?;
        let mut payloads = Payloads::new(licenses.iter().copied().chain(plans.wanted()))?;
        payloads.fetch_read(fetch, &origins, store)?;
        let place = || -> Result<Vec<(String, String)>, Error> {
            let fresh = Files::change(&mut stage, &old, &new, plans, &payloads)?;
            databases::change_accounts(&mut stage, &old, &new)?;
            let owners = {
                let passwd = stage.text("etc/passwd")?;
                let group = stage.text("etc/group")?;
                Owners::from_texts(passwd.as_deref(), group.as_deref())
            };
            files::own(&mut stage, &new, &fresh, &owners)?;
            databases::change_drivers(&mut stage, &old, &new)?;
            let manifests: BTreeMap<&str, &Manifest> =
                after.iter().map(|(fmri, manifest)| (fmri.stem.as_str(), *manifest)).collect();
            databases::change_legacy(&mut stage, &config, &manifests, &old, &new)?;
            config.mediators = new.mediators.settings(&config);
            metadata::write_packages(&mut stage, image, &chosen, &origins)?;
            databases::change_licenses(&mut stage, &old, &new, &licenses, &payloads)?;
            metadata::write_config(&mut stage, &config)?;
            stage.manifest.check()?;
            Ok(actuators(&old, &new))
        };
        // Everything else is done while payloads are fetched, which takes longest.
        let (fetched, placed) = match fetch {
            true => rayon::join(|| payloads.fetch_rest(&origins, store), place),
            false => (Ok(BTreeMap::new()), place()),
        };
        let actuators = placed?;
        stage.arrived(&fetched?);

        let (count, bytes) = payloads.size();
        let mut report = Report {
            payloads: count,
            bytes,
            excluded: new.excluded,
            actuators,
            ..Report::default()
        };
        for package in &chosen {
            match image.package(&package.fmri.stem).map(|there| &there.fmri) {
                None => report.installed.push(package.fmri.clone()),
                Some(there) if *there != package.fmri => {
                    report.updated.push((there.clone(), package.fmri.clone()));
                }
                Some(_) => {}
            }
        }
        for package in &image.packages {
            if !chosen.iter().any(|there| there.fmri.stem == package.fmri.stem) {
                report.removed.push(package.fmri.clone());
            }
        }
        let manifest = stage.manifest;
        proto.manifest = manifest;
        // Their manifests are a million strings.
        chosen.into_par_iter().for_each(drop);
        Ok(report)
    }
}

/// Attributes that ask for something to be done on a running system.
const ACTUATORS: [&str; 5] =
    ["disable_fmri", "reboot-needed", "refresh_fmri", "restart_fmri", "suspend_fmri"];

/// What is asked for by actions that only one side has.
fn actuators(old: &Delivery<'_>, new: &Delivery<'_>) -> Vec<(String, String)> {
    let side = |delivery: &Delivery<'_>| -> BTreeSet<Asks> {
        let paths = delivery.paths.values();
        let all = paths.chain(delivery.named.values().flatten());
        all.filter(|delivered| ACTUATORS.iter().any(|name| delivered.action.get(name).is_some()))
            .flat_map(|delivered| asks(delivered.action))
            .collect()
    };
    let (before, after) = (side(old), side(new));
    let changed = before.symmetric_difference(&after);
    let found: BTreeSet<(String, String)> = changed.map(|(_, asks)| asks.clone()).collect();
    found.into_iter().collect()
}

/// An action as text, and one thing that it asks for.
type Asks = (String, (String, String));

fn asks(action: &Action) -> Vec<Asks> {
    let text = action.to_string();
    let values = ACTUATORS.into_iter().flat_map(|name| {
        let values = action.attributes.list(name).iter();
        values.map(move |value| (name.to_owned(), value.clone()))
    });
    values
        .filter(|(name, value)| name != "reboot-needed" || value == "true")
        .map(|asked| (text.clone(), asked))
        .collect()
}

/// The path a hard link names: from the root if it is absolute, else from the directory that the
/// link is in, worked out as text.
pub(crate) fn hardlink_target(action: &Action, path: &ProtoPath) -> Result<ProtoPath, String> {
    let target = action.get("target").ok_or("has no `target`")?;
    let (mut components, rest): (Vec<&[u8]>, &str) = match target.strip_prefix('/') {
        Some(rest) => (Vec::new(), rest),
        None => {
            let mut above: Vec<&[u8]> = path.components().collect();
            above.pop();
            (above, target)
        }
    };
    for component in rest.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or_else(|| format!("target `{target}` leads outside"))?;
            }
            name => components.push(name.as_bytes()),
        }
    }
    ProtoPath::new(components.join(&b'/')).map_err(|error| format!("target: {error}"))
}

/// Owner, group and mode that a `dir` or `file` action asks for.
pub(crate) fn metadata_of(action: &Action, owners: &Owners) -> Result<Metadata, String> {
    let attribute = |key: &str| action.get(key).ok_or_else(|| format!("has no `{key}`"));
    let mode = attribute("mode")?;
    let bits = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777 && !mode.starts_with(['+', '-']))
        .ok_or_else(|| format!("mode `{mode}` is not three or four octal digits"))?;
    let owner = attribute("owner")?;
    let group = attribute("group")?;
    let uid = owners.uid(owner).ok_or_else(|| format!("owner `{owner}` is unknown"))?;
    let gid = owners.gid(group).ok_or_else(|| format!("group `{group}` is unknown"))?;
    Ok(Metadata::owned(bits, uid, gid))
}
