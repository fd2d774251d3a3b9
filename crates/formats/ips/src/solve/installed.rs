//! Questions about what is installed.

use super::depend::{Depend, DependKind};
use super::pattern::Pattern;
use crate::{ActionKind, Chosen, Error, Image, InstalledPackage};

/// The packages of an image that stay when those named by `patterns` are taken out. A package that
/// another one needs is an error that names both.
pub fn solve_removal(image: &Image, patterns: &[String]) -> Result<Vec<Chosen>, Error> {
    let gone = image.named(patterns)?;
    let gone: Vec<&str> = gone.iter().map(|package| package.fmri.stem.as_str()).collect();
    let stays = |stem: &str| !gone.contains(&stem) && image.package(stem).is_some();
    let mut chosen = Vec::new();
    for package in image.packages.iter().filter(|package| stays(&package.fmri.stem)) {
        for depend in image.depends(package)? {
            let needed = match depend.kind {
                DependKind::Require | DependKind::RequireAny => true,
                DependKind::Conditional => {
                    depend.predicate.as_ref().is_some_and(|predicate| stays(&predicate.stem))
                }
                _ => false,
            };
            if needed && !depend.on.iter().any(|fmri| stays(&fmri.stem)) {
                let missing = depend.on.iter().find(|fmri| gone.contains(&fmri.stem.as_str()));
                if let Some(missing) = missing {
                    return Err(Error::Pattern {
                        pattern: missing.stem.clone(),
                        problem: format!("cannot be removed: {} needs it", package.fmri.short()),
                    });
                }
            }
        }
        chosen.push(Chosen {
            fmri: package.fmri.clone(),
            manifest: package.manifest.clone(),
            origin: None,
            manual: package.is_manual(),
        });
    }
    // A renamed package is there for those who use its old name.
    let named = |stem: &str| -> Result<bool, Error> {
        for package in image.packages.iter().filter(|package| stays(&package.fmri.stem)) {
            let mut depends = image.depends(package)?.into_iter();
            if depends.any(|depend| depend.keeps_renamed() && depend.names(stem)) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut kept = Vec::new();
    for package in chosen {
        if !package.manifest.is_renamed() || named(&package.fmri.stem)? {
            kept.push(package);
        }
    }
    Ok(kept)
}

/// The names out of `stems` that a pattern means, as on pkg(1)'s command line; its publisher and
/// version play no part. A pattern that means none is an error.
pub fn match_stems<'a>(
    pattern: &str,
    stems: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, Error> {
    let refuse = |problem: String| Error::Pattern { pattern: pattern.to_owned(), problem };
    let found = Pattern::parse(pattern).map_err(refuse)?.select(stems).map_err(refuse)?;
    Ok(found.into_iter().map(str::to_owned).collect())
}

impl Image {
    /// The installed packages that patterns name; one that names none is an error.
    fn named(&self, patterns: &[String]) -> Result<Vec<&InstalledPackage>, Error> {
        let mut named = Vec::new();
        for text in patterns {
            let refuse = |problem: String| Error::Pattern { pattern: text.clone(), problem };
            let pattern = Pattern::parse(text).map_err(refuse)?;
            let stems = self.packages.iter().map(|package| package.fmri.stem.as_str());
            let found = pattern.select(stems).map_err(|_| refuse("is not installed".to_owned()))?;
            let before = named.len();
            let meant = |package: &&InstalledPackage| {
                let publisher = pattern.publisher.as_ref();
                found.contains(package.fmri.stem.as_str())
                    && pattern.allows(package.fmri.version.as_ref())
                    && publisher.is_none_or(|name| package.fmri.publisher.as_ref() == Some(name))
            };
            named.extend(self.packages.iter().filter(meant));
            if named.len() == before {
                let there = self.packages.iter().find(|p| found.contains(p.fmri.stem.as_str()));
                let there = there.map(|package| package.fmri.short()).unwrap_or_default();
                return Err(refuse(format!("is not installed; the image has {there}")));
            }
        }
        Ok(named)
    }

    /// The dependencies of a package that hold in this image.
    fn depends(&self, package: &InstalledPackage) -> Result<Vec<Depend>, Error> {
        let depends = package.manifest.of_kind(ActionKind::Depend);
        let held = depends.filter(|action| self.allows(action));
        held.map(|action| {
            Depend::of(action).map_err(|problem| Error::damaged(&package.manifest.source, problem))
        })
        .collect()
    }

    /// The packages that the installed packages named by `patterns` depend on with `optional`, and
    /// that are not installed.
    pub fn optional_dependencies(&self, patterns: &[String]) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        for package in self.named(patterns)? {
            for depend in self.depends(package)? {
                if depend.kind != DependKind::Optional {
                    continue;
                }
                for fmri in depend.on {
                    let name = format!("/{}", fmri.stem);
                    if self.package(&fmri.stem).is_none() && !found.contains(&name) {
                        found.push(name);
                    }
                }
            }
        }
        Ok(found)
    }
}
