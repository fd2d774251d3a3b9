//! Payloads: fetched in parallel, checked, and put into the proto's store.

use std::collections::BTreeMap;

use proto::{FileContent, Store};
use rayon::prelude::*;

use super::databases::ACCOUNTS;
use super::delivery::Delivered;
use super::drivers::TABLES;
use crate::{Action, Error, Missing, Origin, Wanted};

/// The payloads that a change needs, each once, whoever delivers it.
///
/// An installation reads and edits some few, which come first. Of the others the sizes are known,
/// which is enough to do everything else while they are fetched.
#[derive(Debug)]
pub(crate) struct Payloads<'d> {
    /// The number of each, by payload and publisher.
    numbers: BTreeMap<(&'d str, &'d str), usize>,
    /// By number: an action that delivers it, and the content as far as it is known.
    all: Vec<(Delivered<'d>, FileContent)>,
    /// Those that the installation reads.
    read: Vec<usize>,
}

impl<'d> Payloads<'d> {
    /// Collects what the actions deliver.
    pub(crate) fn new(wanted: impl Iterator<Item = Delivered<'d>>) -> Result<Self, Error> {
        let mut payloads = Self { numbers: BTreeMap::new(), all: Vec::new(), read: Vec::new() };
        for delivered in wanted {
            let sha1 = delivered.action.payload.as_deref().unwrap_or_default();
            if !crate::payload::is_hash(sha1) {
                return Err(delivered.refuse(format!("payload `{sha1}` is not a SHA-1 digest")));
            }
            let Some(size) = delivered.action.get("pkg.size") else {
                return Err(delivered.refuse("has no `pkg.size`"));
            };
            let size = size
                .parse()
                .map_err(|_| delivered.refuse(format!("pkg.size={size} is not a number")))?;
            let next = payloads.all.len();
            let number = *payloads.numbers.entry(key(delivered)).or_insert(next);
            if number == next {
                payloads.all.push((delivered, FileContent { size, digest: None }));
            }
            if is_read(delivered.action) {
                payloads.read.push(number);
            }
        }
        Ok(payloads)
    }

    /// Fetches those that the installation itself reads. If some cannot be had, the error names all
    /// that cannot: of those that are `needed` at all.
    pub(crate) fn fetch_read(
        &mut self,
        needed: bool,
        origins: &Origins<'_>,
        store: &Store,
    ) -> Result<(), Error> {
        let fetched =
            self.fetch(self.read.clone(), origins, store).or_else(|error| match error {
                Error::Missing(_) if needed => self.fetch_rest(origins, store).and(Err(error)),
                error => Err(error),
            })?;
        for (number, content) in fetched {
            self.all[number].1 = content;
        }
        Ok(())
    }

    /// Fetches those that are not there yet; nothing that fails its checks gets into the store.
    /// The answer has them by their numbers.
    pub(crate) fn fetch_rest(
        &self,
        origins: &Origins<'_>,
        store: &Store,
    ) -> Result<BTreeMap<usize, FileContent>, Error> {
        let rest = (0..self.all.len()).filter(|number| self.all[*number].1.digest.is_none());
        self.fetch(rest.collect(), origins, store)
    }

    fn fetch(
        &self,
        numbers: Vec<usize>,
        origins: &Origins<'_>,
        store: &Store,
    ) -> Result<BTreeMap<usize, FileContent>, Error> {
        let delivered = |number: usize| self.all[number].0;
        origins.prefetch(numbers.iter().map(|number| delivered(*number)));
        let results: Vec<Result<FileContent, Unfetched>> =
            numbers.par_iter().map(|number| origins.fetch(delivered(*number), store)).collect();
        let mut fetched = BTreeMap::new();
        let mut missing = Vec::new();
        // The first error in order, whichever thread was first.
        for (number, result) in numbers.into_iter().zip(results) {
            match result {
                Ok(content) => drop(fetched.insert(number, content)),
                Err(Unfetched::Missing(one)) => missing.push(one),
                Err(Unfetched::Error(error)) => return Err(*error),
            }
        }
        if missing.is_empty() {
            return Ok(fetched);
        }
        missing.sort();
        Err(Error::Missing(missing))
    }

    /// What an action delivers, and its number.
    pub(crate) fn get(&self, delivered: Delivered<'_>) -> Result<(usize, FileContent), Error> {
        let number = self.numbers.get(&key(delivered)).copied();
        let number = number.ok_or_else(|| delivered.refuse("its payload was not collected"))?;
        Ok((number, self.all[number].1.clone()))
    }

    /// How many payloads there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.all.len(), self.all.iter().map(|(_, content)| content.size).sum())
    }
}

/// Whether an installation reads or edits what a file action delivers.
fn is_read(action: &Action) -> bool {
    action.path().is_some_and(|path| ACCOUNTS.contains(&path) || TABLES.contains(&path))
}

/// Payload, which tells nearly all apart, and publisher.
fn key<'d>(delivered: Delivered<'d>) -> (&'d str, &'d str) {
    (
        delivered.action.payload.as_deref().unwrap_or_default(),
        delivered.fmri.publisher.as_deref().unwrap_or_default(),
    )
}

/// Why a payload was not fetched.
enum Unfetched {
    /// No origin has it.
    Missing(Missing),
    /// An origin has something else.
    Error(Box<Error>),
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Where payloads and manifests may come from.
pub(crate) struct Origins<'a> {
    pub(crate) all: &'a [&'a dyn Origin],
    /// The origin that a package was chosen from, by stem.
    pub(crate) chosen: BTreeMap<String, usize>,
}

impl Origins<'_> {
    /// The origins in the order in which they are asked for something of a package.
    fn in_order(&self, stem: &str) -> impl Iterator<Item = &dyn Origin> {
        let first = self.chosen.get(stem).copied();
        let rest = (0..self.all.len()).filter(move |at| Some(*at) != first);
        first.into_iter().chain(rest).map(|at| self.all[at])
    }

    /// Tells the origin that each package was chosen from what will be asked of it.
    fn prefetch<'d>(&self, wanted: impl Iterator<Item = Delivered<'d>>) {
        let mut by_origin: BTreeMap<usize, Vec<Wanted<'d>>> = BTreeMap::new();
        for Delivered { fmri, action, .. } in wanted {
            let at = self.chosen.get(&fmri.stem).copied().unwrap_or_default();
            by_origin.entry(at).or_default().push(Wanted { fmri, action });
        }
        for (at, wanted) in by_origin {
            if let Some(origin) = self.all.get(at) {
                origin.prefetch(&wanted);
            }
        }
    }

    fn fetch(&self, delivered: Delivered<'_>, store: &Store) -> Result<FileContent, Unfetched> {
        let publisher = delivered.fmri.publisher.as_deref().unwrap_or_default();
        let sha1 = delivered.action.payload.as_deref().unwrap_or_default();
        let mut problem = None;
        for origin in self.in_order(&delivered.fmri.stem) {
            let at = origin.location().display();
            match origin.payload(publisher, delivered.action) {
                Ok(reader) => match store.add(reader) {
                    Ok(content) => return Ok(content),
                    Err(error) => {
                        let error = delivered.refuse(format!("payload {sha1} of {at}: {error}"));
                        return Err(Unfetched::Error(Box::new(error)));
                    }
                },
                // The origin that has the package says it best.
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(Unfetched::Missing(Missing {
            package: delivered.fmri.short(),
            path: Some(delivered.name()),
            hash: sha1.to_owned(),
            problem: problem.map_or_else(
                || "no origin was given that could have it".to_owned(),
                |error| chain(&error),
            ),
        }))
    }

    /// The manifest of a package, byte for byte.
    pub(crate) fn manifest_text(&self, fmri: &crate::Fmri) -> Result<String, Error> {
        let mut failure = None;
        for origin in self.in_order(&fmri.stem) {
            match origin.manifest_text(fmri) {
                Ok(text) => return Ok(text),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::NoPackage {
            path: "the origins".into(),
            fmri: Box::new(fmri.clone()),
        }))
    }
}
