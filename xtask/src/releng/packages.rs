//! Where packages come from.

use std::path::{Path, PathBuf};

use ips::{Origin, Timestamp};
use jobs::JobError;

use crate::failure::Failure;

/// The origins of a run: those of the config, and repositories that the run itself makes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    paths: Vec<PathBuf>,
    /// Publishers in search order with the URIs of their origins.
    publishers: Vec<(String, Vec<String>)>,
}

impl Origins {
    /// Opens the config's origins to learn which publishers they have.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut origins = Self::default();
        for path in paths {
            if !path.exists() {
                return Err(Failure::missing(format!(
                    "package origin {} is missing",
                    path.display()
                )));
            }
            let path = path
                .canonicalize()
                .map_err(|error| format!("cannot find {}: {error}", path.display()))?;
            let origin = ips::open_origin(&path).map_err(Failure::usage)?;
            let mut names: Vec<&str> =
                origin.packages().iter().filter_map(|fmri| fmri.publisher.as_deref()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                origins.add_publisher(name, &path);
            }
            origins.paths.push(path);
        }
        Ok(origins)
    }

    /// Adds a repository that is not there yet.
    pub(crate) fn add(&mut self, publisher: &str, path: &Path) {
        self.add_publisher(publisher, path);
        self.paths.push(path.to_owned());
    }

    fn add_publisher(&mut self, name: &str, path: &Path) {
        let uri = format!("file://{}", path.display());
        match self.publishers.iter_mut().find(|(there, _)| there == name) {
            Some((_, uris)) => uris.push(uri),
            None => self.publishers.push((name.to_owned(), vec![uri])),
        }
    }

    /// The features that tell templates of the publishers.
    pub(crate) fn features(&self) -> Vec<String> {
        let mut features = Vec::new();
        for (index, (name, uris)) in self.publishers.iter().enumerate() {
            features.push(format!("publisher_{index}_name={name}"));
            features.extend(uris.iter().map(|uri| format!("publisher_{index}_url+={uri}")));
        }
        features
    }

    /// The URIs by publisher, as helios-build takes them.
    pub(crate) fn publishers(&self) -> &[(String, Vec<String>)] {
        &self.publishers
    }

    /// Opens everything, in search order.
    pub(crate) fn reopen(&self) -> Result<Vec<Box<dyn Origin>>, JobError> {
        self.paths.iter().map(|path| Ok(ips::open_origin(path)?)).collect()
    }
}

/// The moment of installation.
pub(crate) fn date(build_time: i64) -> Result<Timestamp, JobError> {
    Ok(Timestamp::from_epoch(build_time)
        .ok_or("the build time is outside the years that packages can state")?)
}
