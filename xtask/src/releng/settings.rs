//! What a run is asked for, and everything that follows from it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use boot_image::phase2;
use image_templates::Search;

use super::config::{self, Config};
use super::image::{Image, Which};
use super::overlay::{self, Packages, Piece, Zone};
use super::packages::Origins;
use super::{pool, repository, sample, version};
use crate::environment::{self, BuildClock, Checkout};
use crate::failure::Failure;
use crate::network::Network;
use crate::record::Tool;

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) config: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) keys: Vec<PathBuf>,
    pub(crate) version: Option<String>,
    pub(crate) expires: Option<u32>,
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Least time for compression instead of least space.
    pub(crate) fast: bool,
    /// The roots to sign under.
    pub(crate) roots: Vec<PathBuf>,
    /// Nothing that only development may have is let through.
    pub(crate) release: bool,
    /// The lock file must be there and stay as it is.
    pub(crate) locked: bool,
    /// Nothing is fetched from anywhere.
    pub(crate) offline: bool,
    /// A repository of the older format is wanted too.
    pub(crate) v1: bool,
}

/// `MAJOR.MINOR.PATCH` of the default system version.
const BASE_VERSION: &str = "20.0.0";

/// A request with everything that follows from config, environment and defaults.
pub(super) struct Settings {
    pub(super) request: Request,
    pub(super) config: Config,
    /// Whether the embedded sample is built.
    pub(super) sample: bool,
    pub(super) clock: BuildClock,
    pub(super) checkout: Checkout,
    pub(super) version: String,
    pub(super) network: Network,
}

impl Settings {
    /// Reads the config; without one the sample is laid out in `work`, and its config is read as
    /// any other.
    pub(super) fn resolve(request: Request, work: &Path) -> Result<Self, Failure> {
        let sample = request.config.is_none();
        let clock = BuildClock::read()?;
        let checkout = Checkout::read(&environment::workspace());
        let version = |base: Option<&str>| -> Result<String, Failure> {
            let version = request.version.clone().unwrap_or_else(|| {
                version::default_version(base.unwrap_or(BASE_VERSION), &checkout, sample)
            });
            version::check_version(&version)?;
            Ok(version)
        };
        let (config, version) = match &request.config {
            Some(path) => {
                let config = Config::read(path)?;
                let version = version(config.base_version.as_deref())?;
                (config, version)
            }
            None => {
                let version = version(None)?;
                let laid_out = sample::lay_out(&work.join("sample"), &version, clock.seconds())?;
                (Config::read(&laid_out)?, version)
            }
        };
        repository::check_keys(&request.keys, &request.roots)?;
        let packages = &config.packages;
        let network = Network::new(request.offline, packages)?;
        Ok(Self { request, config, sample, clock, checkout, version, network })
    }

    pub(super) fn image_config(&self, which: Which) -> &config::Image {
        match which {
            Which::Host => &self.config.host,
            Which::Trampoline => &self.config.trampoline,
        }
    }

    /// The name in the phase-2 header: who built it from which commit, and when. Readers tell a
    /// recovery image by the first word.
    pub(super) fn image_name(&self, which: Which) -> String {
        if let Some(name) = &self.image_config(which).name {
            return name.clone();
        }
        let kind = match which {
            Which::Trampoline => "recovery",
            Which::Host if self.sample => "sample",
            Which::Host if environment::is_ci() => "ci",
            Which::Host => "local",
        };
        let time = self.clock.time.strftime("%Y-%m-%d %H:%M");
        format!("{kind} {} {time}", self.checkout.short(7))
    }

    /// The features of an image, in the order that later ones override earlier ones.
    pub(super) fn features(&self, which: Which, origins: &Origins) -> Vec<String> {
        let mut features = origins.features();
        match which {
            Which::Host if self.has_brand() => features.push("omicron1".to_owned()),
            Which::Host => {}
            Which::Trampoline => features.push("recovery".to_owned()),
        }
        if !self.config.packages.install.is_empty() {
            features.push("^base_packages".to_owned());
        }
        for package in &self.config.packages.install {
            features.push(format!("base_packages+={package}"));
        }
        for package in &self.image_config(which).packages {
            features.push(format!("extra_packages+={package}"));
        }
        features.extend(self.config.templates.features.iter().cloned());
        features.extend(self.image_config(which).features.iter().cloned());
        features
    }

    pub(super) fn has_brand(&self) -> bool {
        self.config.packages.brand.unwrap_or(true)
    }

    /// Where templates and what they read are looked for.
    pub(super) fn search(&self, baseline: &Path) -> Search {
        let templates = &self.config.templates;
        let group = templates.group.as_deref().unwrap_or("sled");
        let mut search = match &templates.directory {
            Some(directory) => Search::new(directory, group),
            None => Search::own(group),
        };
        // The baseline comes first: an external source of the same name is not ours.
        search = search.external(baseline);
        for directory in &templates.external {
            search = search.external(directory);
        }
        for name in [baseline::ARCHIVE, baseline::GZONLY] {
            search = search.promise(name);
        }
        search
    }

    /// Everything about one image.
    pub(super) fn image(
        &self,
        which: Which,
        origins: &Origins,
        baseline: &Path,
        packages: Option<&Packages>,
    ) -> Result<Image, Failure> {
        let config = self.image_config(which);
        let search = self.search(baseline);
        let boot_archive = match &self.config.templates.boot_archive {
            Some(path) => path.clone(),
            None => search.group_directory().join("boot-archive-files.txt"),
        };
        let target_size = config.target_size.map_or(phase2::DEFAULT_TARGET_SIZE, |size| size << 20);
        Ok(Image {
            which,
            name: self.image_name(which),
            features: self.features(which, origins),
            search,
            boot_archive,
            pieces: self.pieces(which, packages)?,
            directories: config.proto.clone(),
            roms: config.roms.clone().into_iter().collect(),
            stand_in_roms: config.stand_in_roms,
            target_size,
            pool: pool::Wants::read(config, which.name(), self.request.fast)?,
            tool: Tool {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: self.checkout.commit.clone(),
                dirty: self.checkout.dirty,
            },
            lock: None,
            build_time: self.clock.seconds(),
        })
    }

    /// The omicron packages of an image.
    pub(super) fn pieces(
        &self,
        which: Which,
        packages: Option<&Packages>,
    ) -> Result<Vec<Piece>, Failure> {
        let Some(packages) = packages else { return Ok(Vec::new()) };
        let default: &[(&str, config::Method)] = match which {
            Which::Host => &config::HOST_OVERLAY,
            Which::Trampoline => &config::TRAMPOLINE_OVERLAY,
        };
        match &self.image_config(which).overlay {
            Some(list) => list.iter().map(|(name, method)| packages.piece(name, *method)).collect(),
            None => default.iter().map(|(name, method)| packages.piece(name, *method)).collect(),
        }
    }

    /// The zones of the repository.
    pub(super) fn zones(&self, packages: Option<&Packages>) -> Result<Vec<Zone>, Failure> {
        let mut zones = Vec::new();
        if let Some(packages) = packages {
            let default = || config::ZONES.map(str::to_owned).to_vec();
            for name in self.config.repository.zones.clone().unwrap_or_else(default) {
                zones.push(packages.zone(&name)?);
            }
        }
        for config::ZoneFile { path, sha256 } in &self.config.repository.zone_files {
            let name = path.file_name().and_then(|name| name.to_str());
            match name {
                Some(name) if path.is_file() => {
                    overlay::check_pin(path, sha256.as_ref())?;
                    zones.push(Zone { archive: path.clone(), file_name: name.to_owned() });
                }
                _ => {
                    return Err(Failure::missing(format!(
                        "zone image {} is missing",
                        path.display()
                    )));
                }
            }
        }
        Ok(zones)
    }
}
