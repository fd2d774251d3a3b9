//! What there is to choose from.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::depend::Facts;
use crate::image::ImageConfig;
use crate::{Error, Fmri, Image, Manifest, Origin, Version};

/// One version of a package that could be chosen.
pub(crate) struct Candidate {
    pub(crate) fmri: Fmri,
    /// Which of the origins has it; none if only the image does.
    pub(crate) origin: Option<usize>,
    installed: Option<Arc<Manifest>>,
    loaded: OnceCell<(Arc<Manifest>, Facts)>,
}

impl Candidate {
    pub(crate) fn is_installed(&self) -> bool {
        self.installed.is_some()
    }

    /// Name and version, without build and publisher.
    pub(crate) fn short(&self) -> String {
        let version = self.fmri.version.as_ref().map(Version::short).unwrap_or_default();
        format!("{}@{version}", self.fmri.stem)
    }
}

/// The versions of every package that an image may take, best first.
pub(crate) struct Candidates<'a> {
    config: &'a ImageConfig,
    origins: &'a [&'a dyn Origin],
    by_stem: BTreeMap<String, Vec<Candidate>>,
    /// Packages of publishers that the image does not have, for messages.
    elsewhere: BTreeMap<String, BTreeSet<String>>,
}

/// What a request says about where a package may come from and how it is ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Only this publisher.
    pub(crate) publisher: Option<String>,
    /// The newest version is wanted even if another is installed.
    pub(crate) newest: bool,
    /// Older versions than the installed one are allowed.
    pub(crate) downgrade: bool,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        config: &'a ImageConfig,
        image: &Image,
        origins: &'a [&'a dyn Origin],
        wishes: &BTreeMap<String, Wish>,
    ) -> Self {
        let mut found: BTreeMap<String, BTreeMap<Fmri, Candidate>> = BTreeMap::new();
        let mut elsewhere: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in &image.packages {
            let candidate = Candidate {
                fmri: package.fmri.clone(),
                origin: None,
                installed: Some(package.manifest.clone()),
                loaded: OnceCell::new(),
            };
            let of_stem = found.entry(package.fmri.stem.clone()).or_default();
            of_stem.insert(package.fmri.clone(), candidate);
        }
        for (at, origin) in origins.iter().enumerate() {
            for fmri in origin.packages() {
                let publisher = fmri.publisher.clone().unwrap_or_default();
                if config.publisher(&publisher).is_none_or(|publisher| publisher.disabled) {
                    elsewhere.entry(fmri.stem.clone()).or_default().insert(publisher);
                    continue;
                }
                let of_stem = found.entry(fmri.stem.clone()).or_default();
                of_stem.entry(fmri.clone()).or_insert_with(|| Candidate {
                    fmri: fmri.clone(),
                    origin: Some(at),
                    installed: None,
                    loaded: OnceCell::new(),
                });
            }
        }
        let none = Wish::default();
        let by_stem = found
            .into_iter()
            .map(|(stem, candidates)| {
                let wish = wishes.get(&stem).unwrap_or(&none);
                let candidates = candidates.into_values().collect();
                (stem, order(config, candidates, wish))
            })
            .collect();
        Self { config, origins, by_stem, elsewhere }
    }

    /// The candidates for a package, best first.
    pub(crate) fn of(&self, stem: &str) -> &[Candidate] {
        self.by_stem.get(stem).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn stems(&self) -> impl Iterator<Item = &str> {
        self.by_stem.keys().map(String::as_str)
    }

    /// Packages that only publishers have which the image does not.
    pub(crate) fn unknown_stems(&self) -> impl Iterator<Item = &str> {
        self.elsewhere.keys().map(String::as_str).filter(|stem| !self.by_stem.contains_key(*stem))
    }

    pub(crate) fn facts<'c>(&self, candidate: &'c Candidate) -> Result<&'c Facts, Error> {
        Ok(&self.load(candidate)?.1)
    }

    pub(crate) fn manifest(&self, candidate: &Candidate) -> Result<Arc<Manifest>, Error> {
        Ok(self.load(candidate)?.0.clone())
    }

    fn load<'c>(&self, candidate: &'c Candidate) -> Result<&'c (Arc<Manifest>, Facts), Error> {
        if let Some(loaded) = candidate.loaded.get() {
            return Ok(loaded);
        }
        let manifest = match (&candidate.installed, candidate.origin) {
            (Some(manifest), _) => manifest.clone(),
            (None, Some(at)) => Arc::new(self.origins[at].manifest(&candidate.fmri)?),
            (None, None) => Arc::default(),
        };
        let facts = Facts::of(&manifest, &self.config.variants, &self.config.facets)
            .map_err(|problem| Error::damaged(&manifest.source, problem))?;
        Ok(candidate.loaded.get_or_init(|| (manifest, facts)))
    }

    /// Whether a package exists that is not obsolete and that the image supports.
    pub(crate) fn is_there(&self, stem: &str) -> Result<bool, Error> {
        let Some(of_stem) = self.by_stem.get(stem) else { return Ok(false) };
        for candidate in of_stem {
            let facts = &self.load(candidate)?.1;
            if !facts.obsolete && facts.unsupported.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn why_unknown(&self, stem: &str) -> String {
        match self.elsewhere.get(stem) {
            Some(publishers) => {
                let names: Vec<&str> = publishers.iter().map(String::as_str).collect();
                format!(
                    "{stem} is only published by {}, which the image does not have as a publisher",
                    names.join(", ")
                )
            }
            None => format!("no origin of the image has {stem}"),
        }
    }
}

/// Best first: what is installed (unless the newest is wanted), then the versions of the first
/// publisher in search order, newest first.
fn order(config: &ImageConfig, mut candidates: Vec<Candidate>, wish: &Wish) -> Vec<Candidate> {
    let rank = |candidate: &Candidate| {
        let name = candidate.fmri.publisher.as_deref().unwrap_or_default();
        config.publishers.iter().position(|p| p.name == name).unwrap_or(usize::MAX)
    };
    let installed = candidates.iter().find(|c| c.is_installed()).map(|c| c.fmri.clone());
    let publisher = match (&wish.publisher, &installed) {
        (Some(publisher), _) => Some(publisher.clone()),
        // Packages stay with a sticky publisher.
        (None, Some(installed)) => installed
            .publisher
            .clone()
            .filter(|name| config.publisher(name).is_none_or(|p| !p.not_sticky)),
        (None, None) => None,
    };
    let publisher = publisher.or_else(|| {
        candidates.iter().min_by_key(|c| rank(c)).and_then(|c| c.fmri.publisher.clone())
    });
    candidates.retain(|candidate| {
        candidate.fmri.publisher == publisher
            && (wish.downgrade
                || installed.as_ref().is_none_or(|installed| {
                    candidate.fmri.publisher != installed.publisher
                        || candidate.fmri.version >= installed.version
                }))
    });
    candidates.sort_by(|a, b| {
        let keep = |c: &Candidate| !wish.newest && c.is_installed();
        keep(b).cmp(&keep(a)).then_with(|| b.fmri.version.cmp(&a.fmri.version))
    });
    candidates
}
