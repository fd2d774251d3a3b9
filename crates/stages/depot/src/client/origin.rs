//! What a depot is to whoever resolves and installs.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use fetch::{Check, Item};
use ips::{
    Action, CatalogAttributes, Error, Fmri, Missing, Origin, PayloadReader, Standing,
    StoredPayload, Wanted,
};
use proto::Digest;

use super::payloads::{check_name, check_payload};
use super::{Depot, lock, text};

impl Origin for Depot {
    fn location(&self) -> &Path {
        &self.location
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, Error> {
        let read = self.with_manifest(fmri, None, |item| {
            let is_new = self.fetcher.store().find(&item.name).is_ok_and(|found| found.is_none());
            self.fetcher.read(item).map(|bytes| (bytes, is_new))
        })?;
        let (bytes, is_new) = read.map_err(|error| self.error(error))?;
        let text = text(bytes, &self.location)?;
        if is_new && !self.fetcher.is_offline() {
            self.look_ahead(fmri, &text);
        }
        Ok(text)
    }

    fn known_manifest_text(&self, fmri: &Fmri, sha256: &Digest) -> Result<String, Error> {
        let blob = self.fetcher.store().read_blob(sha256);
        if let Some(bytes) = blob.map_err(|error| self.error(error.into()))? {
            return text(bytes, &self.location);
        }
        // Whoever asks compares the digests, and knows what to say when they differ: what the
        // catalog lists is fetched as the catalog says.
        if self.hashes.contains_key(fmri) {
            return self.manifest_text(fmri);
        }
        let read = self.with_manifest(fmri, Some(sha256), |item| self.fetcher.read(item))?;
        text(read.map_err(|error| self.error(error))?, &self.location)
    }

    /// As the catalog says: no manifest is fetched for it.
    fn standing(&self, fmri: &Fmri) -> Result<Standing, Error> {
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let Some(attributes) = self.catalogs.get(publisher) else {
            return Ok(Standing::of(&self.manifest(fmri)?));
        };
        let mut standings = lock(&self.standings);
        let known = match standings.get(publisher) {
            Some(known) => Arc::clone(known),
            None => {
                let part = CatalogAttributes::DEPENDENCY;
                let read = self.part(publisher, attributes, part, Standing::read)?;
                let read = Arc::new(read.unwrap_or_default());
                standings.insert(publisher.to_owned(), Arc::clone(&read));
                read
            }
        };
        Ok(known.get(fmri).copied().unwrap_or_default())
    }

    fn stored_payload(&self, publisher: &str, sha1: &str) -> Result<StoredPayload, Error> {
        self.open_payload(publisher, sha1, None)
    }

    fn payload(&self, publisher: &str, action: &Action) -> Result<Box<dyn Read + Send>, Error> {
        let sha1 = action.payload.as_deref().unwrap_or_default();
        let stored = self.open_payload(publisher, sha1, Some(action))?;
        let reader = PayloadReader::new(stored.reader, action)
            .map_err(|error| Error::damaged(&self.location, format!("{action}: {error}")))?;
        Ok(Box::new(reader))
    }

    fn prefetch(&self, wanted: &[Wanted<'_>]) {
        // Without network there is nothing to do before something is asked for.
        if self.fetcher.is_offline() {
            return;
        }
        let mut seen = BTreeSet::new();
        let unique: Vec<(&str, &str, &Action)> = wanted
            .iter()
            .filter_map(|wanted| {
                let sha1 = wanted.action.payload.as_deref()?;
                let publisher = wanted.fmri.publisher.as_deref()?;
                check_name(&self.location, sha1).ok()?;
                seen.insert(sha1).then_some((publisher, sha1, wanted.action))
            })
            .collect();
        let checks: Vec<Box<Check<'_>>> = unique
            .iter()
            .map(|(_, sha1, action)| -> Box<Check<'_>> {
                Box::new(|file| check_payload(file, sha1, Some(action)))
            })
            .collect();
        let items: Vec<Item<'_>> = unique
            .iter()
            .zip(&checks)
            .map(|((publisher, sha1, action), check)| {
                self.payload_item(publisher, sha1, Some(action), check)
            })
            .collect();
        let answers = self.fetcher.ensure_all(&items);
        let mut failed = lock(&self.failed);
        for ((_, sha1, _), answer) in unique.iter().zip(answers) {
            if let Err(error) = answer {
                failed.insert((*sha1).to_owned(), error.to_string());
            }
        }
    }

    fn prefetch_manifests(&self, wanted: &[(&Fmri, Option<&Digest>)]) -> Result<(), Error> {
        let mut missing = Vec::new();
        let answers = self.fetcher.each(wanted, |(fmri, sha256)| {
            if let Some(sha256) = sha256
                && self.fetcher.store().has_blob(sha256)
            {
                return Ok(Ok(()));
            }
            // As above: the caller compares digests.
            let sha256 = sha256.filter(|_| !self.hashes.contains_key(fmri));
            self.with_manifest(fmri, sha256, |item| self.fetcher.ensure(item).map(drop))
        });
        for ((fmri, sha256), answer) in wanted.iter().zip(answers) {
            let problem = match answer {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            let sha1 = self.hashes.get(fmri);
            missing.push(Missing {
                package: fmri.short(),
                path: None,
                hash: sha256.map(Digest::to_string).or_else(|| sha1.cloned()).unwrap_or_default(),
                problem,
            });
        }
        missing.sort();
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
    }
}
