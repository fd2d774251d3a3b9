//! Where packages come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depot::Depot;
use ips::{Fmri, Location, Lock, LockOrigin, Origin, Timestamp};
use jobs::JobError;
use proto::Digest;

use super::config::Config;
use crate::failure::Failure;
use crate::network::Network;

/// The origins of a run: those of the config, and repositories that the run itself makes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    sources: Vec<Source>,
    /// Publishers in search order with the URIs of their origins.
    publishers: Vec<(String, Vec<String>)>,
    /// What is seen of the config's origins; everything without one.
    lock: Option<Arc<Lock>>,
    /// Keeps the network open for the depots.
    _network: Network,
}

/// One origin.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    /// For a depot, whose address is the path: as it was when the run began. With a lock it lists
    /// nothing, and need not be there for what is in the store.
    depot: Option<Depot>,
    /// What the config calls it, and so the lock; none for what the run itself makes.
    name: Option<String>,
    /// The publishers whose packages it has.
    publishers: Vec<String>,
}

impl Origins {
    /// Opens the config's origins to learn which publishers they have. Of a lock's origins that is
    /// known.
    pub(crate) fn open(
        config: &Config,
        lock: Option<&Arc<Lock>>,
        network: &Network,
    ) -> Result<Self, Failure> {
        let mut origins =
            Self { lock: lock.cloned(), _network: network.clone(), ..Self::default() };
        for path in &config.packages.origins {
            if let Location::Depot(address) = Location::of(path) {
                origins.open_depot(address, network)?;
                continue;
            }
            if !path.exists() {
                return Err(Failure::missing(format!(
                    "package origin {} is missing",
                    path.display()
                )));
            }
            let name = config.origin_name(path);
            let path = path
                .canonicalize()
                .map_err(|error| format!("cannot find {}: {error}", path.display()))?;
            let locked =
                lock.and_then(|lock| lock.origins().iter().find(|origin| origin.location == name));
            let publishers = match locked {
                Some(origin) => origin.publishers.clone(),
                None => publishers(&*ips::open_origin(&path).map_err(Failure::usage)?),
            };
            for publisher in &publishers {
                origins.add_publisher(publisher, file_uri(&path));
            }
            origins.sources.push(Source { path, depot: None, name: Some(name), publishers });
        }
        Ok(origins)
    }

    fn open_depot(&mut self, name: String, network: &Network) -> Result<(), Failure> {
        let locked = self.lock.as_ref().and_then(|lock| {
            let origin = lock.origins().iter().find(|origin| origin.location == name)?;
            let ours = lock.packages().iter().filter(|package| package.origin == name);
            let packages: Vec<(&Fmri, Option<&Digest>)> =
                ours.map(|package| (&package.fmri, Some(&package.digest))).collect();
            Some((origin, packages))
        });
        let depot = match locked {
            Some((origin, packages)) => network.locked(&name, &origin.publishers, &packages)?,
            None => network.open(&name)?,
        };
        let publishers: Vec<String> = depot.publishers().map(str::to_owned).collect();
        for publisher in &publishers {
            self.add_publisher(publisher, name.clone());
        }
        let (path, depot) = (PathBuf::from(&name), Some(depot));
        self.sources.push(Source { path, depot, name: Some(name), publishers });
        Ok(())
    }

    /// Adds a repository that is not there yet.
    pub(crate) fn add(&mut self, publisher: &str, path: &Path) {
        self.add_publisher(publisher, file_uri(path));
        let publishers = vec![publisher.to_owned()];
        let path = path.to_owned();
        self.sources.push(Source { path, depot: None, name: None, publishers });
    }

    fn add_publisher(&mut self, name: &str, uri: String) {
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

    /// The config's origins as a lock names them.
    pub(crate) fn locked(&self) -> Vec<LockOrigin> {
        let named = self.sources.iter().filter_map(|source| {
            let location = source.name.clone()?;
            Some(LockOrigin { location, publishers: source.publishers.clone() })
        });
        named.collect()
    }

    /// The same without the lock.
    pub(crate) fn unlocked(&self) -> Self {
        Self { lock: None, ..self.clone() }
    }

    /// Opens everything, in search order: of the config's origins what the lock shows.
    pub(crate) fn reopen(&self) -> Result<Vec<Box<dyn Origin>>, JobError> {
        let open = |source: &Source| -> Result<Box<dyn Origin>, JobError> {
            let origin: Box<dyn Origin> = match &source.depot {
                Some(depot) => Box::new(depot.clone()),
                None => ips::open_origin(&source.path)?,
            };
            Ok(match (&self.lock, &source.name) {
                (Some(lock), Some(name)) => Box::new(lock.view(name, origin)),
                _ => origin,
            })
        };
        self.sources.iter().map(open).collect()
    }
}

fn file_uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Opened origins as libraries take them.
pub(crate) fn borrowed(opened: &[Box<dyn Origin>]) -> Vec<&dyn Origin> {
    opened.iter().map(|origin| &**origin).collect()
}

fn publishers(origin: &dyn Origin) -> Vec<String> {
    let mut names: Vec<String> =
        origin.packages().iter().filter_map(|fmri| fmri.publisher.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The moment of installation.
pub(crate) fn date(build_time: i64) -> Result<Timestamp, JobError> {
    Ok(Timestamp::from_epoch(build_time)
        .ok_or("the build time is outside the years that packages can state")?)
}
