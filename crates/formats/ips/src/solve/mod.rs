//! Which versions of which packages an image gets.

mod catalog;
mod depend;
mod pattern;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Candidates, Wish};
use depend::Limit;
pub(crate) use depend::{Depend, DependKind};
pub(crate) use pattern::Pattern;
use search::Search;

use crate::{Error, Fmri, Image, Manifest, Origin};

/// A package that was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its name with publisher and version.
    pub fmri: Fmri,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Which of the given origins has it; none if it is installed and stays.
    pub origin: Option<usize>,
    /// Whether it was asked for by name, now or before.
    pub manual: bool,
}

/// Chooses packages for an image: everything that is installed, the packages named by `patterns`
/// and all that they need, the newest versions that every dependency and incorporation allows,
/// from the first publisher in search order that has them.
///
/// What is installed and not named stays at its version unless something needs a newer one.
/// The result is ordered by stem. Renamed packages are replaced by what they were renamed to.
/// An unsolvable request is an [`Error::Unsolvable`] that names both sides.
pub fn solve(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
) -> Result<Vec<Chosen>, Error> {
    let refuse =
        |pattern: &str, problem: String| Error::Pattern { pattern: pattern.to_owned(), problem };
    let parsed: Vec<Pattern> = patterns
        .iter()
        .map(|text| Pattern::parse(text).map_err(|problem| refuse(text, problem)))
        .collect::<Result<_, _>>()?;
    let all = Candidates::new(&image.config, image, origins, &BTreeMap::new());
    let stems: BTreeSet<&str> = all.stems().collect();
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let mut requests: Vec<(String, &Pattern)> = Vec::new();
    for pattern in &parsed {
        let found = pattern.select(stems.iter().copied()).map_err(|problem| {
            let problem = match pattern.select(all.unknown_stems()) {
                Ok(stems) => stems.iter().map(|stem| all.why_unknown(stem)).collect(),
                Err(_) => problem,
            };
            refuse(&pattern.text, problem)
        })?;
        for stem in found {
            let wish = wishes.entry(stem.to_owned()).or_default();
            wish.newest = true;
            wish.downgrade |= pattern.version.is_some();
            if pattern.publisher.is_some() {
                wish.publisher.clone_from(&pattern.publisher);
            }
            requests.push((stem.to_owned(), pattern));
        }
    }
    let candidates = Candidates::new(&image.config, image, origins, &wishes);
    let mut search = Search::new(&candidates);
    for package in &image.packages {
        search.request(&package.fmri.stem, None, "the image");
    }
    for (stem, pattern) in &requests {
        search.request(stem, pattern.version.clone().map(Limit::Within), "the request");
    }
    let chosen = search.run()?;
    let mut result = Vec::new();
    for (stem, at) in chosen {
        let candidate = &candidates.of(&stem)[at];
        if candidates.facts(candidate)?.renamed {
            continue;
        }
        let named = requests.iter().any(|(requested, _)| *requested == stem);
        result.push(Chosen {
            fmri: candidate.fmri.clone(),
            manifest: candidates.manifest(candidate)?,
            origin: candidate.origin,
            manual: named || image.package(&stem).is_some_and(|package| package.is_manual()),
        });
    }
    Ok(result)
}
