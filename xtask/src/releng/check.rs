//! Whether templates, overlays and lists name paths that packages deliver: asked before anything is
//! installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boot_image::FileList;
use image_templates::{
    Context, ImagePackages, Missing, Modes, Plan, Rehearsed, genproto, rehearse,
};
use ips::{Fmri, Lock, Origin};
use proto::{Mtime, Proto, ProtoPath, Store};
use rayon::prelude::*;
use serde::Serialize;

use super::brand::Brand;
use super::image::{DATASET, Image, KERNEL, Which};
use super::overlay;
use super::packages::{self, Origins};
use super::settings::{Request, Settings};
use crate::failure::Failure;

/// A place that names what is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PathFinding {
    /// The template, list or directory.
    pub(crate) file: PathBuf,
    /// The line, from 1; 0 for a directory.
    pub(crate) line: usize,
    /// The image that it is for.
    pub(crate) image: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// The path that is not there.
    pub(crate) path: Option<String>,
    /// Who delivered it, or delivers it to other images.
    pub(crate) carrier: Option<String>,
    /// The step that removed it before, as `FILE:LINE`.
    pub(crate) removed_by: Option<String>,
    /// The path that is most like it.
    pub(crate) nearest: Option<String>,
}

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) packages: usize,
    pub(crate) paths: usize,
    pub(crate) steps: usize,
    pub(crate) findings: Vec<PathFinding>,
}

/// Foresees both images of a configuration. `since` is a lock of packages with which all was well.
pub(crate) fn check(request: Request, since: Option<&Path>) -> Result<Checked, Failure> {
    let work = tempfile::tempdir()?;
    let settings = Settings::resolve(request, work.path())?;
    let since = since.map(Lock::read).transpose().map_err(Failure::usage)?;
    let lock = super::lock::current(&settings)?;
    let given = Origins::open(&settings.config, lock.as_ref(), &settings.network)?;
    let mut with_brand = given.clone();
    if settings.has_brand() {
        let brand = work.path().join("brand");
        Brand::foresee(&brand, settings.clock.seconds())?;
        with_brand.add(super::brand::PUBLISHER, &brand);
    }
    let mut checked = Checked { packages: 0, paths: 0, steps: 0, findings: Vec::new() };
    for which in Which::ALL {
        if settings.image_config(which).image.is_some() {
            continue;
        }
        let origins = if which == Which::Host { &with_brand } else { &given };
        let opened = origins.reopen().map_err(Failure::new)?;
        let opened = packages::borrowed(&opened);
        let image = settings.image(which, origins, &work.path().join("baseline"), None)?;
        let store = Store::create(work.path().join(which.name()))?;
        let mut rehearsal =
            Rehearsal { image: &image, origins: &opened, found: Vec::new(), steps: 0 };
        let (os, paths) = rehearsal.run(store, work.path())?;
        let installed =
            if ips::Image::is_one(&os) { ips::Image::read(&os)?.packages } else { vec![] };
        let fmris: Vec<Fmri> = installed.into_iter().map(|package| package.fmri).collect();
        checked.packages += fmris.len();
        checked.paths += paths;
        checked.steps += rehearsal.steps;
        // Who delivered a path is asked of what a lock hides, too.
        let everything = origins.unlocked().reopen().map_err(Failure::new)?;
        let everything = packages::borrowed(&everything);
        let carriers = Carriers { origins: &everything, installed: &fmris, since: since.as_ref() };
        checked.findings.extend(carriers.explain(rehearsal.found, which.name()));
    }
    checked.findings.sort();
    Ok(checked)
}

/// One image, foreseen.
struct Rehearsal<'a> {
    image: &'a Image,
    origins: &'a [&'a dyn Origin],
    found: Vec<Rehearsed>,
    steps: usize,
}

impl Rehearsal<'_> {
    /// The proto that packages make, and how many paths the finished one has.
    fn run(&mut self, store: Store, output: &Path) -> Result<(Proto, usize), Failure> {
        let plans = self.image.plans()?;
        let date = packages::date(self.image.build_time).map_err(Failure::new)?;
        let mut system = ImagePackages::foreseeing(self.origins, date);
        let mut context = Context {
            mtime: Mtime::from_seconds(self.image.build_time),
            ..Context::new(output.join("output"))
        };
        context.packages = Some(&mut system);
        let mut os = Proto::new(store.clone());
        self.rehearse(&plans.os, &mut os, &mut context)?;
        let mut proto = os.clone();
        for plan in &plans.trim {
            self.rehearse(plan, &mut proto, &mut context)?;
        }
        self.boot_archive(&proto)?;
        for snapshot in ["trim", "recovery-trim"] {
            context.snapshot(DATASET, snapshot, proto.clone());
        }
        let mut last = Proto::new(store);
        self.rehearse(&plans.last, &mut last, &mut context)?;
        for (path, entry) in overlay::foresee(&self.image.pieces)?.iter() {
            if !last.manifest.contains(path) {
                last.manifest.replace(path.clone(), entry.clone());
            }
        }
        for directory in &self.image.directories {
            let plan = genproto(directory, Modes::AsOnDisk).map_err(Failure::usage)?;
            self.rehearse(&plan, &mut last, &mut context)?;
        }
        Ok((os, last.manifest.len()))
    }

    fn rehearse(
        &mut self,
        plan: &Plan,
        proto: &mut Proto,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        self.steps += plan.steps.len();
        self.found.extend(rehearse(plan, proto, context)?);
        Ok(())
    }

    /// The members of the boot archive, and the kernel.
    fn boot_archive(&mut self, proto: &Proto) -> Result<(), Failure> {
        let list = FileList::read(&self.image.boot_archive).map_err(Failure::usage)?;
        let kernel = ProtoPath::new(KERNEL)?;
        let listed = list.entries.iter().map(|entry| (entry.line, &entry.path));
        for (line, path) in listed.chain([(0, &kernel)]) {
            if !proto.manifest.contains(path) {
                let what = if line == 0 { "the kernel" } else { "boot archive:" };
                let message = format!("{what} /{path} is missing");
                self.found.push(Rehearsed::missing(proto, &list.path, line, message, path));
            }
        }
        Ok(())
    }
}

/// Finds out who delivered a path.
struct Carriers<'a> {
    origins: &'a [&'a dyn Origin],
    /// What is in the image.
    installed: &'a [Fmri],
    since: Option<&'a Lock>,
}

impl Carriers<'_> {
    fn explain(&self, found: Vec<Rehearsed>, image: &'static str) -> Vec<PathFinding> {
        let missing = |found: &Rehearsed| found.missing.clone().filter(|m| m.removed.is_none());
        let paths: Vec<ProtoPath> =
            found.iter().filter_map(missing).map(|missing| missing.path).collect();
        let carriers = if paths.is_empty() { BTreeMap::new() } else { self.find(&paths) };
        let finding = |Rehearsed { finding, missing }: Rehearsed| {
            let Missing { path, removed, nearest } = match missing {
                Some(missing) => missing,
                None => {
                    return PathFinding {
                        file: finding.file,
                        line: finding.line,
                        image,
                        message: finding.message,
                        path: None,
                        carrier: None,
                        removed_by: None,
                        nearest: None,
                    };
                }
            };
            PathFinding {
                file: finding.file,
                line: finding.line,
                image,
                message: finding.message,
                carrier: carriers.get(&path).cloned(),
                path: Some(path.to_string()),
                removed_by: removed.map(|origin| origin.to_string()),
                nearest: nearest.map(|path| path.to_string()),
            }
        };
        found.into_iter().map(finding).collect()
    }

    /// For each path the last package that has it, in words: of those that are installed, then of
    /// the lock, or else of all that the origins have, newest first.
    fn find(&self, paths: &[ProtoPath]) -> BTreeMap<ProtoPath, String> {
        let mut found = BTreeMap::new();
        self.look(self.installed, paths, &mut found, |fmri| {
            format!(
                "{} delivers it, but not with the variants and facets of this image",
                fmri.short()
            )
        });
        let mut older: Vec<Fmri> = match self.since {
            Some(lock) => lock.packages().iter().map(|package| package.fmri.clone()).collect(),
            None => self.origins.iter().flat_map(|origin| origin.packages()).cloned().collect(),
        };
        older.retain(|fmri| !self.installed.contains(fmri));
        older.sort_by(|a, b| b.version.cmp(&a.version));
        self.look(&older, paths, &mut found, |fmri| {
            match self.installed.iter().find(|there| there.stem == fmri.stem) {
                Some(there) => format!("{} delivered it, {} does not", fmri.short(), there.short()),
                None => format!("{} delivers it, which is not in the image", fmri.short()),
            }
        });
        found
    }

    /// Looks for paths in packages of which the first counts.
    fn look(
        &self,
        packages: &[Fmri],
        paths: &[ProtoPath],
        found: &mut BTreeMap<ProtoPath, String>,
        words: impl Fn(&Fmri) -> String,
    ) {
        let wanted: Vec<(&ProtoPath, String)> = paths
            .iter()
            .filter(|path| !found.contains_key(*path))
            .map(|path| (path, path.to_string()))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let has = |fmri: &Fmri| -> Vec<ProtoPath> {
            let texts =
                self.origins.iter().filter(|origin| origin.packages().binary_search(fmri).is_ok());
            // A package that cannot be read is no help, and no harm either.
            let Some(Ok(text)) = texts.map(|origin| origin.manifest_text(fmri)).next() else {
                return Vec::new();
            };
            let delivers = |path: &str| {
                let value = format!("path={path}");
                text.match_indices(&value).any(|(at, _)| {
                    text[at + value.len()..]
                        .chars()
                        .next()
                        .is_none_or(|c| c.is_whitespace() || c == '/')
                })
            };
            wanted
                .iter()
                .filter(|(_, text)| delivers(text))
                .map(|(path, _)| (*path).clone())
                .collect()
        };
        let carried: Vec<Vec<ProtoPath>> = packages.par_iter().map(has).collect();
        for (fmri, carried) in packages.iter().zip(carried) {
            for path in carried {
                found.entry(path).or_insert_with(|| words(fmri));
            }
        }
    }
}
