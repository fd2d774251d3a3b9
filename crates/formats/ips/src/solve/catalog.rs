//! What there is to choose from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::depend::{Facts, Limit};
use crate::image::ImageConfig;
use crate::{Error, Fmri, Image, Manifest, Origin, Version};

/// One version of a package that could be chosen.
pub(crate) struct Candidate<'a> {
    pub(crate) fmri: &'a Fmri,
    /// Which of the origins has it; none if only the image does.
    pub(crate) origin: Option<usize>,
    /// Whether another candidate has the same version but for the timestamp.
    ambiguous: bool,
    installed: Option<&'a Arc<Manifest>>,
    loaded: OnceLock<(Arc<Manifest>, Facts)>,
}

impl Candidate<'_> {
    pub(crate) fn is_installed(&self) -> bool {
        self.installed.is_some()
    }

    /// Name and version, without build and publisher; with the time only where it says more.
    pub(crate) fn short(&self) -> String {
        format!("{}@{}", self.fmri.stem, self.short_version())
    }

    pub(crate) fn short_version(&self) -> String {
        let mut version = self.fmri.version.clone();
        if let Some(version) = &mut version
            && !self.ambiguous
        {
            version.timestamp = None;
        }
        version.as_ref().map(Version::short).unwrap_or_default()
    }
}

/// What is known of one package before its versions are looked at.
#[derive(Default)]
struct Stem<'a> {
    installed: Vec<(&'a Fmri, &'a Arc<Manifest>)>,
    /// Where the origins have it.
    there: Vec<(usize, Range<usize>)>,
    /// Publishers that have it and that the image does not know.
    elsewhere: BTreeSet<&'a str>,
    ordered: OnceLock<Vec<Candidate<'a>>>,
}

/// The versions of every package that an image may take, best first. Manifests are read when
/// somebody asks for what they say.
pub(crate) struct Candidates<'a> {
    config: &'a ImageConfig,
    origins: &'a [&'a dyn Origin],
    preferred: Option<&'a BTreeSet<Fmri>>,
    wishes: BTreeMap<String, Wish>,
    stems: BTreeMap<&'a str, Stem<'a>>,
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
    /// Which versions are asked for, where that is said.
    pub(crate) limits: Vec<Limit>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        image: &'a Image,
        origins: &'a [&'a dyn Origin],
        preferred: Option<&'a BTreeSet<Fmri>>,
    ) -> Self {
        let config = &image.config;
        let mut stems: BTreeMap<&str, Stem<'a>> = BTreeMap::new();
        for package in &image.packages {
            let stem = stems.entry(&package.fmri.stem).or_default();
            stem.installed.push((&package.fmri, &package.manifest));
        }
        for (at, origin) in origins.iter().enumerate() {
            let packages = origin.packages();
            let mut start = 0;
            // All versions of a package of a publisher stand together.
            for group in
                packages.chunk_by(|a, b| (&a.publisher, &a.stem) == (&b.publisher, &b.stem))
            {
                let range = start..start + group.len();
                start = range.end;
                let stem = stems.entry(&group[0].stem).or_default();
                let publisher = group[0].publisher.as_deref().unwrap_or_default();
                if config.publisher(publisher).is_none_or(|publisher| publisher.disabled) {
                    stem.elsewhere.insert(publisher);
                } else {
                    stem.there.push((at, range));
                }
            }
        }
        Self { config, origins, preferred, wishes: BTreeMap::new(), stems }
    }

    /// Says what is wished of packages. To be called before the first question.
    pub(crate) fn wish(&mut self, wishes: BTreeMap<String, Wish>) {
        self.wishes = wishes;
        for stem in self.stems.values_mut() {
            stem.ordered.take();
        }
    }

    /// The candidates for a package, best first.
    pub(crate) fn of(&self, name: &str) -> &[Candidate<'a>] {
        let Some((name, stem)) = self.stems.get_key_value(name) else { return &[] };
        stem.ordered.get_or_init(|| {
            let mut candidates: Vec<Candidate<'a>> = Vec::new();
            for (fmri, manifest) in &stem.installed {
                let candidate = Candidate {
                    fmri,
                    origin: None,
                    ambiguous: false,
                    installed: Some(manifest),
                    loaded: OnceLock::new(),
                };
                candidates.push(candidate);
            }
            for (at, range) in &stem.there {
                let fmris = &self.origins[*at].packages()[range.clone()];
                candidates.extend(fmris.iter().map(|fmri| Candidate {
                    fmri,
                    origin: Some(*at),
                    ambiguous: false,
                    installed: None,
                    loaded: OnceLock::new(),
                }));
            }
            let none = Wish::default();
            self.order(candidates, self.wishes.get(*name).unwrap_or(&none))
        })
    }

    /// Best first: what is preferred, what is installed (unless the newest is wanted), then the
    /// versions of the first publisher in search order, newest first.
    fn order(&self, mut candidates: Vec<Candidate<'a>>, wish: &Wish) -> Vec<Candidate<'a>> {
        let config = self.config;
        let rank = |candidate: &Candidate<'_>| {
            let name = candidate.fmri.publisher.as_deref().unwrap_or_default();
            config.publishers.iter().position(|p| p.name == name).unwrap_or(usize::MAX)
        };
        let installed = candidates.iter().find(|c| c.is_installed()).map(|c| c.fmri);
        let publisher = match (&wish.publisher, installed) {
            (Some(publisher), _) => Some(publisher),
            // Packages stay with a sticky publisher.
            (None, Some(installed)) => installed
                .publisher
                .as_ref()
                .filter(|name| config.publisher(name).is_none_or(|p| !p.not_sticky)),
            (None, None) => None,
        };
        let publisher = publisher.cloned().or_else(|| {
            // The first publisher that has what is asked for, or anything.
            let misses = |c: &Candidate<'_>| match &c.fmri.version {
                Some(version) => wish.limits.iter().any(|limit| !limit.allows(version)),
                None => !wish.limits.is_empty(),
            };
            let first = candidates.iter().min_by_key(|c| (misses(c), rank(c)));
            first.and_then(|c| c.fmri.publisher.clone())
        });
        candidates.retain(|candidate| {
            candidate.fmri.publisher == publisher
                && (wish.downgrade
                    || installed.is_none_or(|installed| {
                        candidate.fmri.publisher != installed.publisher
                            || candidate.fmri.version >= installed.version
                    }))
        });
        // Of the same package, what is installed comes first, then the first origin.
        candidates.sort_by(|a, b| {
            b.fmri.version.cmp(&a.fmri.version).then_with(|| a.origin.cmp(&b.origin))
        });
        candidates.dedup_by(|a, b| a.fmri.version == b.fmri.version);
        let same = |a: &Version, b: &Version| (&a.release, &a.branch) == (&b.release, &b.branch);
        for at in 1..candidates.len() {
            let [a, b] = [at - 1, at].map(|at| candidates[at].fmri.version.as_ref());
            if a.zip(b).is_some_and(|(a, b)| same(a, b)) {
                candidates[at - 1].ambiguous = true;
                candidates[at].ambiguous = true;
            }
        }
        candidates.sort_by_key(|candidate| {
            if self.preferred.is_some_and(|preferred| preferred.contains(candidate.fmri)) {
                0
            } else if !wish.newest && candidate.is_installed() {
                1
            } else {
                2
            }
        });
        candidates
    }

    /// The packages that the image may take.
    pub(crate) fn stems(&self) -> impl Iterator<Item = &str> {
        let known =
            |(_, stem): &(_, &Stem<'_>)| !stem.installed.is_empty() || !stem.there.is_empty();
        self.stems.iter().filter(known).map(|(name, _)| *name)
    }

    /// Packages that only publishers have which the image does not.
    pub(crate) fn unknown_stems(&self) -> impl Iterator<Item = &str> {
        let unknown =
            |(_, stem): &(_, &Stem<'_>)| stem.installed.is_empty() && stem.there.is_empty();
        self.stems.iter().filter(unknown).map(|(name, _)| *name)
    }

    pub(crate) fn facts<'c>(&self, candidate: &'c Candidate<'a>) -> Result<&'c Facts, Error> {
        Ok(&self.load(candidate)?.1)
    }

    pub(crate) fn manifest(&self, candidate: &Candidate<'a>) -> Result<Arc<Manifest>, Error> {
        Ok(self.load(candidate)?.0.clone())
    }

    fn load<'c>(&self, candidate: &'c Candidate<'a>) -> Result<&'c (Arc<Manifest>, Facts), Error> {
        if let Some(loaded) = candidate.loaded.get() {
            return Ok(loaded);
        }
        let manifest = match (candidate.installed, candidate.origin) {
            (Some(manifest), _) => manifest.clone(),
            (None, Some(at)) => Arc::new(self.origins[at].manifest(candidate.fmri)?),
            (None, None) => Arc::default(),
        };
        let facts = Facts::of(&manifest, &self.config.variants, &self.config.facets)
            .map_err(|problem| Error::damaged(&manifest.source, problem))?;
        Ok(candidate.loaded.get_or_init(|| (manifest, facts)))
    }

    /// Reads the manifests of the best candidates for some packages, many at once: somebody is
    /// about to ask for them, one by one. What cannot be read is told then.
    pub(crate) fn look_ahead(&self, stems: &[&str]) {
        stems.par_iter().filter_map(|stem| self.of(stem).first()).for_each(|candidate| {
            let _ = self.load(candidate);
        });
    }

    pub(crate) fn why_unknown(&self, stem: &str) -> String {
        match self.stems.get(stem).filter(|stem| !stem.elsewhere.is_empty()) {
            Some(Stem { elsewhere, .. }) => {
                let names: Vec<&str> = elsewhere.iter().copied().collect();
                format!(
                    "{stem} is only published by {}, which the image does not have as a publisher",
                    names.join(", ")
                )
            }
            None => format!("no origin of the image has {stem}"),
        }
    }
}
