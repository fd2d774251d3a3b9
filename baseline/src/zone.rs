//! The image of a fresh zone, installed from the proto's own package metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ips::{
    Action, ActionKind, Chosen, Fmri, InstallOptions, InstalledPackage, Manifest, Origin,
    Publisher, StoredPayload, Timestamp,
};
use proto::Proto;

use crate::Error;
use crate::accounts::{date_password, password_dates};
use crate::error::PackagedPath;
use crate::exclude::{PATTERNS, from_global_zone};
use crate::finish::is_made_here;
use crate::options::Warning;
use crate::payload::{Finder, Found, Source};
use crate::plan::{Plan, is_overlay};

/// The packages of the zone as an origin to install from: manifests from the proto's metadata,
/// with only the actions that matter for the zone's files; payloads from wherever they are.
pub(crate) struct ProtoOrigin<'a> {
    finder: &'a Finder<'a>,
    packages: Vec<Fmri>,
    manifests: BTreeMap<Fmri, Arc<Manifest>>,
    /// By publisher and SHA-1.
    payloads: BTreeMap<(String, String), Source>,
    pub(crate) warnings: Vec<Warning>,
}

/// How to take what is not as it should be.
pub(crate) struct Tolerance {
    pub(crate) strict: bool,
    pub(crate) allow_missing: bool,
    pub(crate) epoch: i64,
}

impl<'a> ProtoOrigin<'a> {
    pub(crate) fn new(
        plan: &Plan<'_>,
        finder: &'a Finder<'a>,
        tolerance: &Tolerance,
    ) -> Result<Self, Error> {
        let mut origin = Self {
            finder,
            packages: Vec::new(),
            manifests: BTreeMap::new(),
            payloads: BTreeMap::new(),
            warnings: Vec::new(),
        };
        let dates = password_dates(finder.proto)?;
        let overlaid = plan.overlaid();
        let mut missing = Vec::new();
        let mut modified = Vec::new();
        for package in &plan.packages {
            let mut actions = Vec::new();
            for action in package.manifest.actions() {
                let is_left_out = matches!(
                    action.kind,
                    ActionKind::Depend
                        | ActionKind::Driver
                        | ActionKind::License
                        | ActionKind::Signature
                );
                let path = action.path().unwrap_or_default();
                // Of what is not installed, only a mediated link has a say elsewhere.
                let is_passed_over = is_made_here(path)
                    || (from_global_zone(path) && !action.attributes.contains("mediator"));
                if is_left_out || is_passed_over || !plan.takes(action) {
                    continue;
                }
                let mut action = action.clone();
                match action.kind {
                    _ if from_global_zone(path) => {}
                    ActionKind::User => date_password(&mut action, &dates, tolerance.epoch),
                    // Another package's file is installed in its place.
                    ActionKind::File if !is_overlay(&action) && overlaid.contains(path) => {}
                    // Only delivered in the place of an older file, which a new image never has.
                    ActionKind::File if action.get("preserve") == Some("legacy") => continue,
                    ActionKind::File => {
                        let at =
                            PackagedPath { path: path.to_owned(), package: package.fmri.short() };
                        match origin.file(package, &mut action)? {
                            Outcome::Packaged => {}
                            Outcome::Modified(_) if tolerance.strict => modified.push(at),
                            Outcome::Modified(warning) => origin.warnings.push(warning(at)),
                            Outcome::Missing if tolerance.allow_missing => {
                                origin.warnings.push(Warning::LeftOut(at));
                                continue;
                            }
                            Outcome::Missing => {
                                missing.push(at);
                                continue;
                            }
                        }
                    }
                    _ => {}
                }
                actions.push(action);
            }
            origin.packages.push(package.fmri.clone());
            let manifest = Manifest::from_actions(&package.manifest.source, actions);
            origin.manifests.insert(package.fmri.clone(), manifest.into());
        }
        if !missing.is_empty() {
            return Err(Error::MissingPayloads { files: missing });
        }
        if !modified.is_empty() {
            return Err(Error::Modified { files: modified });
        }
        origin.packages.sort();
        origin.warnings.sort();
        Ok(origin)
    }

    /// The packages by stem. Nobody asks what they need: in the proto, they have it.
    fn chosen(&self) -> Vec<Chosen> {
        let mut chosen: Vec<Chosen> = self
            .manifests
            .iter()
            .map(|(fmri, manifest)| Chosen {
                fmri: fmri.clone(),
                manifest: Arc::clone(manifest),
                origin: Some(0),
                manual: true,
            })
            .collect();
        chosen.sort_by(|a, b| a.fmri.stem.cmp(&b.fmri.stem));
        chosen
    }

    /// Finds a file's payload and makes the action say what will be read.
    fn file(&mut self, package: &InstalledPackage, action: &mut Action) -> Result<Outcome, Error> {
        // An editable file is there to be changed.
        let is_editable = action.attributes.contains("preserve");
        let (source, outcome) = match self.finder.find(package, action)? {
            Found::Packaged(source) => (source, Outcome::Packaged),
            Found::PackagedElsewhere(source) if is_editable => (source, Outcome::Packaged),
            Found::PackagedElsewhere(source) => (source, Outcome::Modified(Warning::Modified)),
            Found::Changed { source, sha1, size } => {
                describe(action, sha1, size);
                (source, Outcome::Modified(Warning::ModifiedTaken))
            }
            Found::Missing => return Ok(Outcome::Missing),
        };
        let publisher = package.fmri.publisher.clone().unwrap_or_default();
        let payload = action.payload.clone().unwrap_or_default();
        self.payloads.insert((publisher, payload), source);
        Ok(outcome)
    }
}

/// Makes an action deliver other bytes than it was published with.
fn describe(action: &mut Action, sha1: String, size: u64) {
    action.payload = Some(sha1);
    for key in ["chash", "elfhash", "pkg.content-hash", "pkg.csize", "pkg.hash.sha256"] {
        action.attributes.remove(key);
    }
    action.attributes.set("pkg.size", size.to_string());
}

enum Outcome {
    Packaged,
    Modified(fn(PackagedPath) -> Warning),
    Missing,
}

impl Origin for ProtoOrigin<'_> {
    fn location(&self) -> &Path {
        Path::new("the proto")
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, ips::Error> {
        Ok(self.manifests.get(fmri).map(ToString::to_string).unwrap_or_default())
    }

    /// The proto keeps files, not payloads in their stored form.
    fn stored_payload(&self, _publisher: &str, sha1: &str) -> Result<StoredPayload, ips::Error> {
        Err(ips::Error::NoPayload { path: self.location().to_owned(), hash: sha1.to_owned() })
    }

    fn payload(
        &self,
        publisher: &str,
        action: &Action,
    ) -> Result<Box<dyn Read + Send>, ips::Error> {
        let sha1 = action.payload.as_deref().unwrap_or_default();
        match self.payloads.get(&(publisher.to_owned(), sha1.to_owned())) {
            Some(source) => self.finder.open(source, publisher, action),
            None => self.stored_payload(publisher, sha1).map(|stored| stored.reader),
        }
    }
}

/// Installs the packages of a plan into a new image, as the brand would have pkg(7) do it.
pub(crate) fn install(
    zone: &mut Proto,
    plan: &Plan<'_>,
    origin: &ProtoOrigin<'_>,
    date: Timestamp,
) -> Result<(), Error> {
    ips::create_image(zone, plan.variants.clone(), date)?;
    let publishers: BTreeSet<&str> =
        origin.packages.iter().filter_map(|fmri| fmri.publisher.as_deref()).collect();
    for publisher in publishers {
        ips::set_publisher(zone, Publisher::new(publisher, "file:///proto"), date)?;
    }
    let patterns = PATTERNS.map(|pattern| format!("'{pattern}'")).join(", ");
    let property = ("exclude-patterns".to_owned(), format!("[{patterns}]"));
    ips::set_properties(zone, &[property], date)?;
    ips::install_chosen(zone, origin.chosen(), &[origin], &InstallOptions { date })?;
    Ok(())
}
