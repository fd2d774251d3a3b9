//! The catalogs of a depot's publishers.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use fetch::Item;
use ips::{Catalog, CatalogAttributes, Error};
use store::Name;

use super::{DESCRIPTION_LIMIT, Depot, is_text, lock, text};

/// The largest catalog part.
const CATALOG_LIMIT: u64 = 1 << 30;

impl Depot {
    pub(super) fn load_catalog(&mut self, publisher: &str) -> Result<(), Error> {
        let at = self.location.join(publisher).join("catalog");
        let attributes_at = at.join(CatalogAttributes::FILE);
        let url = self.site.catalog(publisher, CatalogAttributes::FILE);
        // What the check of a file that was fetched read is not read again.
        let checked = Mutex::new(None);
        let check = |file: &mut File| {
            let attributes = CatalogAttributes::parse(&attributes_at, &is_text(file)?);
            *lock(&checked) = Some(attributes.map_err(|error| error.to_string())?);
            Ok(())
        };
        let item = Item {
            name: Name::new("catalog", url.as_str()),
            what: format!("the catalog of {publisher}"),
            urls: vec![url],
            size: None,
            limit: DESCRIPTION_LIMIT,
            check: &check,
        };
        let bytes = self.fetcher.refresh(&item).map_err(|error| self.error(error))?;
        let attributes = match lock(&checked).take() {
            Some(attributes) => attributes,
            None => CatalogAttributes::parse(&attributes_at, &text(bytes, &attributes_at)?)?,
        };
        let base = CatalogAttributes::BASE;
        let catalog = self.part(publisher, &attributes, base, Catalog::parse)?.unwrap_or_default();
        self.catalogs.insert(publisher.to_owned(), attributes);
        let base_at = at.join(base);
        for entry in catalog.entries {
            if entry.fmri.publisher.as_deref() != Some(publisher) {
                let problem = format!("{} does not belong to {publisher}", entry.fmri);
                return Err(Error::damaged(base_at, problem));
            }
            if let Some(sha1) = entry.manifest_sha1 {
                self.hashes.insert(entry.fmri.clone(), sha1);
            }
            self.packages.push(entry.fmri);
        }
        Ok(())
    }

    /// A part of a catalog, if it has it.
    pub(super) fn part<T: Send>(
        &self,
        publisher: &str,
        attributes: &CatalogAttributes,
        name: &str,
        parse: fn(&Path, &CatalogAttributes, &str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(signature) = attributes.parts.get(name) else { return Ok(None) };
        let at = self.location.join(publisher).join("catalog").join(name);
        let url = self.site.catalog(publisher, name);
        // What the check of a file that was fetched read is not read again.
        let checked = Mutex::new(None);
        let check = |file: &mut File| {
            let part = parse(&at, attributes, &is_text(file)?);
            *lock(&checked) = Some(part.map_err(|error| error.to_string())?);
            Ok(())
        };
        let item = Item {
            // A part that is signed is the same wherever it is.
            name: match signature {
                Some(signature) => Name::new("catalog", format!("sha1:{signature}")),
                None => Name::new("catalog", url.as_str()),
            },
            what: format!("{name} of {publisher}"),
            urls: vec![url],
            size: None,
            limit: CATALOG_LIMIT,
            check: &check,
        };
        let bytes = match signature {
            Some(_) => self.fetcher.read(&item),
            None => self.fetcher.refresh(&item),
        };
        let bytes = bytes.map_err(|error| self.error(error))?;
        let part = match lock(&checked).take() {
            Some(part) => part,
            None => parse(&at, attributes, &text(bytes, &at)?)?,
        };
        Ok(Some(part))
    }
}
