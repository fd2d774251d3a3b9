//! What service manifests need: those of the services they depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use smf::{Bundle, BundleKind, Common, ServiceFmri};
use walkdir::WalkDir;

use crate::Error;
use crate::need::{Need, Wanted};

/// Where systems keep service manifests.
const PLACES: [&str; 2] = ["lib/svc/manifest", "var/svc/manifest"];

/// Whether a path is one from which manifests are imported.
pub(crate) fn is_manifest_path(path: &str) -> bool {
    path.ends_with(".xml")
        && PLACES
            .iter()
            .any(|place| path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
}

/// The instances of services that are known, and the manifests that define them.
#[derive(Debug, Default)]
pub(crate) struct Services(BTreeMap<ServiceFmri, String>);

impl Services {
    /// No services.
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Reads the manifests below some roots; the first root that defines an instance wins.
    /// What is no manifest is passed over: it has a finding where it is packaged.
    pub(crate) fn read(roots: &[PathBuf]) -> Result<Self, Error> {
        let mut services = Self::default();
        for root in roots.iter().rev() {
            for place in PLACES.map(|place| root.join(place)) {
                if !place.is_dir() {
                    continue;
                }
                for entry in WalkDir::new(&place).sort_by_file_name() {
                    let entry = entry.map_err(|error| {
                        let path = error.path().unwrap_or(&place).to_owned();
                        Error::io("read", &path)(error.into())
                    })?;
                    let path = entry.path();
                    let relative = path.strip_prefix(root).ok().and_then(Path::to_str);
                    if let Some(relative) = relative.filter(|relative| is_manifest_path(relative))
                        && entry.file_type().is_file()
                        && let Ok(bundle) = parse(path)
                    {
                        services.add(&bundle, relative);
                    }
                }
            }
        }
        Ok(services)
    }

    fn add(&mut self, bundle: &Bundle, path: &str) {
        for service in &bundle.services {
            for instance in &service.instances {
                self.0.insert(service.fmri().with_instance(&instance.name), path.to_owned());
            }
        }
    }

    /// The manifests that define an instance, or any instance of a service.
    fn manifests(&self, wanted: &ServiceFmri) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(known, _)| {
                known.service == wanted.service
                    && (wanted.instance.is_none() || known.instance == wanted.instance)
            })
            .map(|(_, path)| path.clone())
            .collect()
    }
}

/// Reads a manifest. Says what is wrong.
pub(crate) fn parse(path: &Path) -> Result<Bundle, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let bundle =
        Bundle::parse(&bytes, &path.display().to_string()).map_err(|error| error.to_string())?;
    if bundle.kind == BundleKind::Manifest {
        Ok(bundle)
    } else {
        Err("is no service manifest".to_owned())
    }
}

/// What a manifest that will be at `path` needs, the services and instances it defines, and what
/// is wrong.
pub(crate) fn needs(
    bundle: &Bundle,
    path: &str,
    services: &Services,
) -> (Vec<Need>, Vec<String>, Vec<String>) {
    let mut own = Services::default();
    own.add(bundle, path);
    let (mut needs, mut fmris, mut problems) = (BTreeSet::new(), Vec::new(), Vec::new());
    for service in &bundle.services {
        fmris.push(service.fmri().to_string());
        for instance in &service.instances {
            let name = service.fmri().with_instance(&instance.name);
            fmris.push(name.to_string());
            let wanted = required(&service.common).chain(required(&instance.common));
            for text in wanted.collect::<BTreeSet<_>>() {
                let fmri: ServiceFmri = match text.parse() {
                    Ok(fmri) => fmri,
                    Err(error) => {
                        problems.push(format!("{name} depends on what is no service: {error}"));
                        continue;
                    }
                };
                let mut manifests = own.manifests(&fmri);
                manifests.extend(services.manifests(&fmri));
                let mut all = manifests.iter();
                match (all.next(), all.next()) {
                    (None, _) => problems.push(format!(
                        "{name} depends on {fmri}, which no service manifest that is known \
                         defines; give the root of a system that has it"
                    )),
                    (Some(only), None) => {
                        needs.insert(Need::of_path("smf_manifest", only));
                    }
                    _ => {
                        let wanted = Wanted::Paths(manifests);
                        needs.insert(Need { kind: "smf_manifest", wanted });
                    }
                }
            }
        }
    }
    (needs.into_iter().collect(), fmris, problems)
}

/// The services that must run first.
fn required(common: &Common) -> impl Iterator<Item = &str> {
    common
        .dependencies
        .iter()
        .filter(|dependency| {
            dependency.kind == "service"
                && dependency.grouping == "require_all"
                && !dependency.delete
        })
        .flat_map(|dependency| dependency.entities.iter().map(String::as_str))
}
