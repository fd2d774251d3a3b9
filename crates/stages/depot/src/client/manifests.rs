//! The manifests of a depot's packages.

use std::collections::BTreeMap;
use std::fs::File;

use fetch::Item;
use ips::{ActionKind, Error, Fmri, Manifest};
use proto::Digest;
use sha1::{Digest as _, Sha1};
use store::Name;

use super::{Depot, is_text};

/// The largest manifest.
const MANIFEST_LIMIT: u64 = 256 << 20;

impl Depot {
    /// Calls `then` with the item that a manifest is.
    pub(super) fn with_manifest<T>(
        &self,
        fmri: &Fmri,
        sha256: Option<&Digest>,
        then: impl FnOnce(&Item<'_>) -> T,
    ) -> Result<T, Error> {
        let missing =
            || Error::NoPackage { path: self.location.clone(), fmri: Box::new(fmri.clone()) };
        let sha1 = self.hashes.get(fmri);
        if sha1.is_none() && sha256.is_none() && self.packages.binary_search(fmri).is_err() {
            return Err(missing());
        }
        let url = self.site.manifest(fmri).ok_or_else(missing)?;
        let check = |file: &mut File| {
            let bytes = is_text(file)?.into_bytes();
            let found = hex::encode(Sha1::digest(&bytes));
            match sha1 {
                Some(expected) if *expected != found => {
                    return Err(format!("its SHA-1 is {found}; the catalog says {expected}"));
                }
                _ => {}
            }
            let found = Digest::of(&bytes);
            match sha256 {
                Some(expected) if *expected != found => {
                    Err(format!("its SHA-256 is {found}; {expected} was expected"))
                }
                _ => Ok(()),
            }
        };
        Ok(then(&Item {
            name: Name::new(
                "manifest",
                match (sha256, sha1) {
                    (Some(sha256), _) => format!("sha256:{sha256}"),
                    (None, Some(sha1)) => format!("sha1:{sha1}"),
                    (None, None) => url.to_string(),
                },
            ),
            what: format!("the manifest of {}", fmri.short()),
            urls: vec![url],
            size: None,
            limit: MANIFEST_LIMIT,
            check: &check,
        }))
    }

    /// Fetches the manifests of what a package needs, and of what those need, many at once: whoever
    /// asks for one of them will ask for the others, one after the other. What fails here fails
    /// again, and is told, when it is asked for.
    pub(super) fn look_ahead(&self, fmri: &Fmri, text: &str) {
        let mut newest: BTreeMap<&str, &Fmri> = BTreeMap::new();
        for other in self.packages.iter().filter(|other| other.publisher == fmri.publisher) {
            // They are in order.
            newest.insert(&other.stem, other);
        }
        newest.remove(fmri.stem.as_str());
        let mut texts = vec![text.to_owned()];
        while !texts.is_empty() {
            let stems: Vec<String> = texts.iter().flat_map(|text| needed(text)).collect();
            let next: Vec<&Fmri> =
                stems.iter().filter_map(|stem| newest.remove(stem.as_str())).collect();
            let read = self
                .fetcher
                .each(&next, |fmri| self.with_manifest(fmri, None, |item| self.fetcher.read(item)));
            texts = read
                .into_iter()
                .filter_map(|read| String::from_utf8(read.ok()?.ok()?).ok())
                .collect();
        }
    }
}

/// The names of the packages that a manifest says it needs.
fn needed(text: &str) -> Vec<String> {
    let Ok(manifest) = Manifest::parse("manifest", text) else { return Vec::new() };
    manifest
        .of_kind(ActionKind::Depend)
        .filter(|depend| {
            let kind = depend.get("type").unwrap_or_default();
            matches!(kind, "require" | "require-any" | "group" | "group-any" | "conditional")
        })
        .flat_map(|depend| depend.attributes.list("fmri"))
        .filter_map(|fmri| Some(Fmri::parse(fmri).ok()?.stem))
        .collect()
}
