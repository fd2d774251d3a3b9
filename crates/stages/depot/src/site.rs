//! Addresses within a depot.

use ips::Fmri;
use url::Url;

/// The address of a depot or a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site(Url);

impl Site {
    pub(crate) fn new(mut url: Url) -> Self {
        url.set_query(None);
        url.set_fragment(None);
        Self(url)
    }

    /// The address without credentials, for messages.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.0.clone();
        // These fail for addresses that cannot have either.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.to_string()
    }

    /// An operation for the whole depot.
    pub(crate) fn operation(&self, rest: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{rest}"));
        url
    }

    fn of(&self, publisher: &str, rest: &str) -> Url {
        self.operation(&format!("{}/{rest}", ips::quote(publisher)))
    }

    pub(crate) fn catalog(&self, publisher: &str, name: &str) -> Url {
        self.of(publisher, &format!("catalog/1/{}", ips::quote(name)))
    }

    pub(crate) fn manifest(&self, fmri: &Fmri) -> Option<Url> {
        let (stem, version) = fmri.quoted()?;
        Some(self.of(fmri.publisher.as_deref()?, &format!("manifest/0/{stem}@{version}")))
    }

    pub(crate) fn file(&self, publisher: &str, version: u32, sha1: &str) -> Url {
        self.of(publisher, &format!("file/{version}/{sha1}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for base in ["http://u:p@depot.example.com/r", "http://u:p@depot.example.com/r/?x#y"] {
            let site = Site::new(base.parse().unwrap());
            assert_eq!(
                site.shown(),
                format!("http://depot.example.com/r{}", if base.ends_with('y') { "/" } else { "" })
            );
            let at = |url: Url| url.path().to_owned();
            assert_eq!(at(site.operation("versions/0")), "/r/versions/0");
            assert_eq!(
                at(site.catalog("p.org", "catalog.attrs")),
                "/r/p.org/catalog/1/catalog.attrs"
            );
            let fmri = Fmri::parse("pkg://p/a/b+c@1.0,5.11-2:20260102T030405Z").unwrap();
            assert_eq!(
                at(site.manifest(&fmri).unwrap()),
                "/r/p/manifest/0/a%2Fb%2Bc@1.0%2C5.11-2%3A20260102T030405Z"
            );
            assert_eq!(at(site.file("p", 1, "ab")), "/r/p/file/1/ab");
        }
    }
}
