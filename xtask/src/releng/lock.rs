//! The lock file of a config: which packages its images get.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_templates::resolve;
use ips::{Fmri, Lock, LockedPackage};

use super::brand::{self, Brand};
use super::image::Which;
use super::packages::{self, Origins};
use super::settings::{Request, Settings};
use crate::failure::Failure;

/// A config with its packages, for the commands that deal with locks.
pub(crate) struct Locker {
    settings: Settings,
    path: PathBuf,
}

/// What becomes of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep<'a> {
    /// Whatever is locked stays where it fits.
    Everything,
    /// Nothing: the newest packages are chosen.
    Nothing,
    /// Everything but these packages, by pattern.
    AllBut(&'a [String]),
}

impl Locker {
    /// Reads a config.
    pub(crate) fn new(config: &Path) -> Result<Self, Failure> {
        let request = Request { config: Some(config.to_owned()), ..Request::default() };
        // Nothing is laid out for a config that is there.
        let settings = Settings::resolve(request, Path::new(""))?;
        let path = settings.config.lock_file().unwrap_or_default();
        Ok(Self { settings, path })
    }

    /// Where the lock file is, or will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock file, if it is there.
    pub(crate) fn read(&self) -> Result<Option<Lock>, Failure> {
        read(&self.path)
    }

    /// Chooses packages anew.
    pub(crate) fn choose(&self, before: Option<&Lock>, keep: Keep<'_>) -> Result<Lock, Failure> {
        let dropped = match (before, keep) {
            (Some(lock), Keep::AllBut(patterns)) => named(lock, patterns)?,
            _ => BTreeSet::new(),
        };
        let preferred = match (before, keep) {
            (None, _) | (_, Keep::Nothing) => BTreeSet::new(),
            (Some(lock), _) => {
                let packages = lock.packages().iter().map(|package| &package.fmri);
                packages.filter(|fmri| !dropped.contains(&fmri.stem)).cloned().collect()
            }
        };
        choose(&self.settings, &preferred)
    }
}

/// The lock of a run: the lock file if there is one. One that does not fit the config any more is
/// changed as little as possible, or refused if the request says so. The second value is what
/// changed.
pub(super) fn settle(settings: &Settings) -> Result<(Option<Arc<Lock>>, Vec<String>), Failure> {
    let request = &settings.request;
    // The sample's packages are made by the run: there is nothing to lock.
    let Some(path) = settings.config.lock_file().filter(|_| !settings.sample) else {
        return Ok((None, Vec::new()));
    };
    let config = request.config.as_deref().unwrap_or(Path::new("releng.toml")).display();
    let command = format!("cargo xtask lock --config {config}");
    let Some(lock) = read(&path)? else {
        if request.locked {
            return Err(Failure::missing(format!(
                "{} is missing, and --locked does not let it be made",
                path.display()
            ))
            .hint(format!("run `{command}`, and commit the file")));
        }
        return Ok((None, Vec::new()));
    };
    let lock = Arc::new(lock);
    let Some(why) = misfit(settings, &lock)? else { return Ok((Some(lock), Vec::new())) };
    if request.locked {
        return Err(Failure::usage(format!(
            "{} would have to change, and --locked does not let it: {why}",
            path.display()
        ))
        .hint(format!("run `{command}`, and commit the file")));
    }
    let preferred = lock.packages().iter().map(|package| package.fmri.clone()).collect();
    let after = choose(settings, &preferred)?;
    after.write(&path)?;
    let mut changes = vec![format!("{} did not fit any more ({why}); now it does", path.display())];
    changes.extend(ips::diff(&lock, &after).iter().map(ToString::to_string));
    Ok((Some(Arc::new(after)), changes))
}

/// The lock file as it is, whether it fits or not.
pub(super) fn current(settings: &Settings) -> Result<Option<Arc<Lock>>, Failure> {
    match settings.config.lock_file() {
        Some(path) => Ok(read(&path)?.map(Arc::new)),
        None => Ok(None),
    }
}

fn read(path: &Path) -> Result<Option<Lock>, Failure> {
    match path.exists() {
        true => Ok(Some(Lock::read(path).map_err(Failure::usage)?)),
        false => Ok(None),
    }
}

/// The names of locked packages that patterns mean.
fn named(lock: &Lock, patterns: &[String]) -> Result<BTreeSet<String>, Failure> {
    let mut named = BTreeSet::new();
    for pattern in patterns {
        let stems = lock.packages().iter().map(|package| package.fmri.stem.as_str());
        let found = ips::match_stems(pattern, stems).map_err(|error| {
            Failure::usage(error)
                .hint("only locked packages can be updated; `lock` takes in others")
        })?;
        named.extend(found);
    }
    Ok(named)
}

/// Why a lock does not fit the config; none if it does.
fn misfit(settings: &Settings, lock: &Arc<Lock>) -> Result<Option<String>, Failure> {
    let config = &settings.config;
    let ours: Vec<String> =
        config.packages.origins.iter().map(|path| config.origin_name(path)).collect();
    let locked: Vec<&str> = lock.origins().iter().map(|origin| &*origin.location).collect();
    if ours != locked {
        let list = |names: &[&str]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
        return Ok(Some(format!(
            "the config's origins are {}, the lock's {}",
            list(&ours),
            list(&locked)
        )));
    }
    let origins = Origins::open(config, Some(lock), &settings.network)?;
    let used = match chosen(settings, &origins, &BTreeSet::new()) {
        Ok(used) => used,
        Err(error) => {
            return match error.error.source().and_then(|cause| cause.downcast_ref()) {
                Some(reason @ (ips::Error::Unsolvable { .. } | ips::Error::Pattern { .. })) => {
                    Ok(Some(reason.to_string()))
                }
                _ => Err(error),
            };
        }
    };
    let unused = lock.packages().iter().find(|package| !used.contains_key(&package.fmri));
    Ok(unused.map(|package| format!("nothing takes {} any more", package.fmri.short())))
}

/// The lock that choosing gives.
fn choose(settings: &Settings, preferred: &BTreeSet<Fmri>) -> Result<Lock, Failure> {
    let origins = Origins::open(&settings.config, None, &settings.network)?;
    let opened = origins.reopen().map_err(Failure::new)?;
    let names = origins.locked();
    let mut packages = Vec::new();
    for (fmri, at) in chosen(settings, &origins, preferred)? {
        let text = opened[at].manifest_text(&fmri)?;
        let digest = proto::Digest::of(text.as_bytes());
        packages.push(LockedPackage { fmri, digest, origin: names[at].location.clone() });
    }
    Ok(Lock::new(names, packages)?)
}

/// The packages of both images that come from the config's origins, and which of these has each.
fn chosen(
    settings: &Settings,
    origins: &Origins,
    preferred: &BTreeSet<Fmri>,
) -> Result<BTreeMap<Fmri, usize>, Failure> {
    let mut chosen = BTreeMap::new();
    let opened = origins.reopen().map_err(Failure::new)?;
    let work = tempfile::tempdir()?;
    for which in Which::ALL {
        if settings.image_config(which).image.is_some() {
            continue;
        }
        let mut all = packages::borrowed(&opened);
        let mut named = origins.clone();
        // The brand's packages are made by the run; only their names count here.
        let brand = match which {
            Which::Host if settings.has_brand() => {
                let place = work.path().join("brand");
                Brand::foresee(&place, settings.clock.seconds())?;
                named.add(brand::PUBLISHER, &place);
                Some(ips::open_origin(&place)?)
            }
            _ => None,
        };
        all.extend(brand.as_deref());
        let features = settings.features(which, &named);
        let features = which.parse_features(&features)?;
        let search = settings.search(Path::new("/baseline"));
        let plan = image_templates::load(&search, Which::OS, &features).map_err(Failure::usage)?;
        let resolution = resolve(&plan, &all, Some(preferred))?;
        let installed = resolution.image.packages.into_iter().map(|package| package.fmri);
        let renamed = resolution.renamed.into_iter().map(|package| package.fmri);
        // What is named and obsolete is locked too: a build must find that it is.
        for fmri in installed.chain(renamed).chain(resolution.obsolete) {
            let at = opened.iter().position(|o| o.packages().binary_search(&fmri).is_ok());
            if let Some(at) = at {
                chosen.insert(fmri, at);
            }
        }
    }
    Ok(chosen)
}
