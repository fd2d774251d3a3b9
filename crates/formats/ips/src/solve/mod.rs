//! Which versions of which packages an image gets.
//!
//! `resolvo` does the solving. What it cannot know is decided here: which packages are asked for,
//! in which order versions are tried, and that an obsolete package does not come back at an older
//! version.

mod catalog;
mod circumstances;
mod depend;
mod explain;
mod glob;
mod installed;
mod pattern;
mod provider;
mod renamed;
mod search;
mod version_pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Candidates, Wish};
use circumstances::Circumstances;
pub use installed::{match_stems, solve_removal};
pub(crate) use pattern::Pattern;
use pattern::Versions;

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

/// What else decides which packages are chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct SolveOptions<'a> {
    /// Versions that are taken wherever they fit, even if there are newer ones: those of a lock.
    pub preferred: Option<&'a BTreeSet<Fmri>>,
    /// The image that this one belongs to, for `parent` dependencies; without one they count as
    /// met.
    pub parent: Option<&'a Image>,
}

/// The packages that were chosen.
#[derive(Debug, Clone, Default)]
pub struct Solution {
    /// What the image gets, by name.
    pub packages: Vec<Chosen>,
    /// Packages that only lead to others, by name: they were renamed and are not installed.
    pub renamed: Vec<Chosen>,
    /// Packages that were asked for by name and are obsolete, so that nothing is installed for
    /// them.
    pub obsolete: Vec<Fmri>,
}

/// Chooses packages for an image: everything that is installed, the packages named by `patterns`
/// and all that they need, the newest versions that every dependency and incorporation allows,
/// from the first publisher in search order that has them.
///
/// What is installed and not named stays at its version unless something needs a newer one.
/// The result is ordered by stem. Renamed packages are replaced by what they were renamed to, but
/// stay beside it where a package that is not renamed names them. Of what is asked for by name and
/// is obsolete nothing is installed, and what is installed of it goes, unless others need it.
/// An unsolvable request is an [`Error::Unsolvable`] that names both sides.
pub fn solve(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
) -> Result<Vec<Chosen>, Error> {
    Ok(solve_with(image, origins, patterns, SolveOptions::default())?.packages)
}

/// The same, with options.
pub fn solve_with(
    image: &Image,
    origins: &[&dyn Origin],
    patterns: &[String],
    options: SolveOptions<'_>,
) -> Result<Solution, Error> {
    let refuse =
        |pattern: &str, problem: String| Error::Pattern { pattern: pattern.to_owned(), problem };
    let parsed: Vec<Pattern> = patterns
        .iter()
        .map(|text| Pattern::parse(text).map_err(|problem| refuse(text, problem)))
        .collect::<Result<_, _>>()?;
    let mut candidates = Candidates::new(image, origins, options.preferred);
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let mut requests: Vec<(String, &Pattern)> = Vec::new();
    for pattern in &parsed {
        let mut found = pattern.find(candidates.stems());
        if found.len() > 1 {
            renamed::drop_replaced(&candidates, &mut found)?;
        }
        let found = pattern.check(found).map_err(|problem| {
            let problem = match pattern.select(candidates.unknown_stems()) {
                Ok(stems) => stems.iter().map(|stem| candidates.why_unknown(stem)).collect(),
                Err(_) => problem,
            };
            refuse(&pattern.text, problem)
        })?;
        for stem in found {
            let wish = wishes.entry(stem.to_owned()).or_default();
            wish.newest = true;
            wish.downgrade |= pattern.has_version();
            if let Versions::Limited(limit) = &pattern.version {
                wish.limits.push(limit.clone());
            }
            if pattern.publisher.is_some() {
                wish.publisher.clone_from(&pattern.publisher);
            }
            requests.push((stem.to_owned(), pattern));
        }
    }
    candidates.wish(wishes);
    let circumstances = Circumstances {
        image,
        parent: options.parent,
        named: requests.iter().map(|(stem, _)| stem.as_str()).collect(),
    };
    let (chosen, obsolete) = search::choose(&candidates, &circumstances, &requests)?;
    renamed::check(&candidates, &chosen)?;
    let kept = renamed::kept(&candidates, &chosen)?;
    for fmri in &obsolete {
        tracing::warn!("{} is asked for and obsolete: nothing is installed for it", fmri.short());
    }
    let mut solution = Solution { obsolete, ..Solution::default() };
    for (stem, at) in chosen {
        let candidate = &candidates.of(&stem)[at];
        let package = Chosen {
            fmri: candidate.fmri.clone(),
            manifest: candidates.manifest(candidate)?,
            origin: candidate.origin,
            manual: circumstances.named.contains(stem.as_str())
                || image.package(&stem).is_some_and(|package| package.is_manual()),
        };
        match kept.contains(&stem) {
            true => solution.packages.push(package),
            false => solution.renamed.push(package),
        }
    }
    Ok(solution)
}
