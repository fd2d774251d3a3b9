//! Payloads: fetched in parallel, checked, and put into the proto's store.

use std::collections::BTreeMap;

use proto::{FileContent, Store};
use rayon::prelude::*;

use super::databases::ACCOUNTS;
use super::delivery::Delivered;
use super::drivers::TABLES;
use crate::{Action, Error, Missing, Origin, Wanted};

/// What was fetched, by publisher and payload.
#[derive(Debug, Default)]
pub(crate) struct Fetched(BTreeMap<(String, String), FileContent>);

impl Fetched {
    /// Fetches what the actions deliver. Each payload is fetched once, whoever delivers it;
    /// nothing that fails its checks gets into the store.
    pub(crate) fn fetch(
        wanted: &[Delivered<'_>],
        origins: &Origins<'_>,
        store: &Store,
    ) -> Result<Self, Error> {
        let mut unique: BTreeMap<(String, String), Delivered<'_>> = BTreeMap::new();
        let mut foreseen = BTreeMap::new();
        for delivered in wanted {
            let sha1 = delivered.action.payload.as_deref().unwrap_or_default();
            if !crate::payload::is_hash(sha1) {
                return Err(delivered.refuse(format!("payload `{sha1}` is not a SHA-1 digest")));
            }
            let Some(size) = delivered.action.get("pkg.size") else {
                return Err(delivered.refuse("has no `pkg.size`"));
            };
            if origins.payloads == Payloads::Foreseen && !is_read(delivered.action) {
                let size = size
                    .parse()
                    .map_err(|_| delivered.refuse(format!("pkg.size={size} is not a number")))?;
                foreseen.insert(key(*delivered), FileContent { size, digest: None });
            } else {
                unique.entry(key(*delivered)).or_insert(*delivered);
            }
        }
        let unique: Vec<_> = unique.into_iter().collect();
        origins.prefetch(unique.iter().map(|(_, delivered)| *delivered));
        let results: Vec<Result<FileContent, Unfetched>> =
            unique.par_iter().map(|(_, delivered)| origins.fetch(*delivered, store)).collect();
        let mut fetched = foreseen;
        let mut missing = Vec::new();
        // The first error in order, whichever thread was first.
        for ((key, _), result) in unique.into_iter().zip(results) {
            match result {
                Ok(content) => drop(fetched.insert(key, content)),
                Err(Unfetched::Missing(one)) => missing.push(one),
                Err(Unfetched::Error(error)) => return Err(*error),
            }
        }
        if missing.is_empty() {
            return Ok(Self(fetched));
        }
        missing.sort();
        Err(Error::Missing(missing))
    }

    /// What an action delivers.
    pub(crate) fn get(&self, delivered: Delivered<'_>) -> Result<FileContent, Error> {
        self.0
            .get(&key(delivered))
            .cloned()
            .ok_or_else(|| delivered.refuse("its payload was not fetched"))
    }

    /// How many payloads there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.values().map(|content| content.size).sum())
    }
}

/// Whether an installation reads or edits what a file action delivers.
fn is_read(action: &Action) -> bool {
    action.path().is_some_and(|path| ACCOUNTS.contains(&path) || TABLES.contains(&path))
}

fn key(delivered: Delivered<'_>) -> (String, String) {
    (
        delivered.fmri.publisher.clone().unwrap_or_default(),
        delivered.action.payload.clone().unwrap_or_default(),
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

/// Whether payloads are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payloads {
    /// All that are needed.
    Fetched,
    /// Only those of files that an installation edits; of the others, the size is known.
    Foreseen,
}

/// Where payloads and manifests may come from.
pub(crate) struct Origins<'a> {
    pub(crate) all: &'a [&'a dyn Origin],
    /// The origin that a package was chosen from, by stem.
    pub(crate) chosen: BTreeMap<String, usize>,
    pub(crate) payloads: Payloads,
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
