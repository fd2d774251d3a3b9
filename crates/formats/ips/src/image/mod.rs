//! Installed images: a root with package metadata below `var/pkg`.
//!
//! ```text
//! var/pkg/pkg5.image                        settings: publishers, variants, facets, mediators
//! var/pkg/state/installed/catalog.base.C    what is installed, with states (format 4)
//! var/pkg/state/catalog.db                  the same as a database (format 5)
//! var/pkg/publisher/PUB/pkg/STEM/VERSION    the manifests, byte for byte
//! ```
//!
//! Everything else below `var/pkg` follows from these and is never read as truth.

mod config;
mod exclude;
mod holds;
pub(crate) mod ini;
mod installed;
mod mediators;
mod owners;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::{Proto, ProtoPath};

pub use config::{ImageConfig, Mediation, Publisher};
pub(crate) use exclude::ExcludePatterns;
pub use holds::Freeze;
pub(crate) use holds::{AVOIDED, print_avoided};
pub(crate) use mediators::Mediators;
pub use owners::{Owners, system_gid, system_uid};
pub(crate) use state::Metadata as StateMetadata;
pub use state::State;
#[cfg(feature = "fuzzing")]
pub(crate) use state::read_metadata;

use crate::{Action, Chosen, Error, Fmri, Manifest};

/// Where an image keeps its settings.
pub(crate) const CONFIG: &str = "var/pkg/pkg5.image";
/// An installed image, as its own package metadata describes it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its settings.
    pub config: ImageConfig,
    /// What is installed, by stem, then publisher.
    pub packages: Vec<InstalledPackage>,
    /// The names of packages that groups do not pull in.
    pub avoided: BTreeSet<String>,
    /// Packages that stay within a version, by name.
    pub frozen: BTreeMap<String, Freeze>,
}

/// A package of an image.
#[derive(Debug, Clone)]
pub struct InstalledPackage {
    /// Its name with publisher and version.
    pub fmri: Fmri,
    /// What the image knows of it.
    pub states: Vec<State>,
    /// When it was installed, `YYYYMMDDThhmmss[.ffffff]Z`, if the image says so.
    pub last_install: Option<String>,
    /// Its manifest, whole: see [`Image::allows`] for the actions that the image takes.
    pub manifest: Arc<Manifest>,
}

impl Image {
    /// Whether a proto has package metadata at all.
    pub fn is_one(proto: &Proto) -> bool {
        ProtoPath::new(CONFIG).is_ok_and(|path| proto.manifest.contains(&path))
    }

    /// Reads the package metadata of a proto: image format 4 or 5.
    pub fn read(proto: &Proto) -> Result<Self, Error> {
        let config = read_text(proto, CONFIG)?.ok_or_else(|| {
            Error::damaged(CONFIG, "is missing: this proto has no package metadata")
        })?;
        let config = ImageConfig::parse(&config).map_err(|(line, problem)| {
            let place = if line > 0 { format!("line {line} ") } else { String::new() };
            Error::damaged(CONFIG, format!("{place}{problem}"))
        })?;
        let entries = installed::entries(proto, config.format())?;
        let mut packages = Vec::new();
        for entry in entries.packages {
            let path = manifest_path(&entry.fmri);
            let text = read_text(proto, &path)?.ok_or_else(|| {
                Error::damaged(&path, format!("is missing: the manifest of {}", entry.fmri))
            })?;
            let metadata = state::read_metadata(entry.metadata.as_ref()).map_err(|problem| {
                Error::damaged(entries.place, format!("{}: {problem}", entry.fmri))
            })?;
            packages.push(InstalledPackage {
                manifest: Arc::new(Manifest::parse(&path, &text)?.of_package(&entry.fmri)?),
                fmri: entry.fmri,
                states: metadata.states,
                last_install: metadata.last_install,
            });
        }
        packages.sort_by(|a, b| (&a.fmri.stem, &a.fmri).cmp(&(&b.fmri.stem, &b.fmri)));
        let mut pairs = packages.iter().zip(packages.iter().skip(1));
        if let Some((a, b)) = pairs.find(|(a, b)| a.fmri.stem == b.fmri.stem) {
            let problem = format!("{} and {} are both installed", a.fmri.short(), b.fmri.short());
            return Err(Error::damaged(entries.place, problem));
        }
        let (avoided, frozen) = (holds::avoided(proto)?, holds::frozen(proto)?);
        Ok(Self { config, packages, avoided, frozen })
    }

    /// An image without packages.
    pub fn new(config: ImageConfig) -> Self {
        let (avoided, frozen) = (BTreeSet::new(), BTreeMap::new());
        Self { config, packages: Vec::new(), avoided, frozen }
    }

    /// The image as it is when it holds exactly these packages, as far as its package metadata
    /// goes.
    pub fn holding(&self, chosen: impl IntoIterator<Item = Chosen>) -> Self {
        let package = |chosen: Chosen| {
            let mut states = vec![State::Known, State::Installed];
            if chosen.manual {
                states.push(State::Manual);
            }
            InstalledPackage {
                fmri: chosen.fmri,
                states,
                last_install: None,
                manifest: chosen.manifest,
            }
        };
        let mut packages: Vec<InstalledPackage> = chosen.into_iter().map(package).collect();
        packages.sort_by(|a, b| (&a.fmri.stem, &a.fmri).cmp(&(&b.fmri.stem, &b.fmri)));
        Self { packages, ..self.clone() }
    }

    /// Reads an image that is to be changed. Format 5 is only read.
    pub(crate) fn read_changeable(proto: &Proto) -> Result<Self, Error> {
        let image = Self::read(proto)?;
        if image.config.format() == "4" {
            return Ok(image);
        }
        let problem = format!(
            "image format {} is read but not changed here; begin with a new image, which has \
             format 4, or use pkg(1)",
            image.config.format()
        );
        Err(Error::damaged(CONFIG, problem))
    }

    /// The package of this name.
    pub fn package(&self, stem: &str) -> Option<&InstalledPackage> {
        self.packages.iter().find(|package| package.fmri.stem == stem)
    }

    /// Whether the image takes an action: its variants and facets allow it. Mediators and
    /// `exclude-patterns` play no part.
    pub fn allows(&self, action: &Action) -> bool {
        self.config.variants.allow(&action.attributes)
            && self.config.facets.allow(&action.attributes)
    }

    /// The actions of all packages that the image takes, by stem and then in manifest order.
    pub fn actions(&self) -> impl Iterator<Item = (&InstalledPackage, &Action)> {
        self.packages.iter().flat_map(|package| {
            package
                .manifest
                .actions()
                .filter(|action| self.allows(action))
                .map(move |action| (package, action))
        })
    }
}

impl InstalledPackage {
    /// The path in the image of its manifest.
    pub fn manifest_path(&self) -> String {
        manifest_path(&self.fmri)
    }

    /// Whether it was asked for by name.
    pub fn is_manual(&self) -> bool {
        self.states.contains(&State::Manual)
    }
}

/// Where an image keeps the manifest of a package.
pub(crate) fn manifest_path(fmri: &Fmri) -> String {
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    let (stem, version) = fmri.quoted().unwrap_or_default();
    format!("var/pkg/publisher/{publisher}/pkg/{stem}/{version}")
}

/// The text of a file of the proto; none if there is none.
pub(crate) fn read_text(proto: &Proto, path: &str) -> Result<Option<String>, Error> {
    let proto_path = ProtoPath::new(path).map_err(proto::Error::from)?;
    let Some((proto_path, entry)) = proto.manifest.resolve_hardlink(&proto_path) else {
        return Ok(None);
    };
    let content = entry.content().ok_or_else(|| {
        Error::damaged(path, format!("is a {} and should be a file", entry.kind.word()))
    })?;
    let bytes = proto.contents.read(proto_path, content)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::damaged(path, "is not UTF-8 text"))
}
