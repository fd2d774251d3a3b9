//! Certificates, and those that are trusted.

use std::fs;
use std::io;
use std::path::Path;

use ips::Error;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// One certificate, which can be read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Certificate(Vec<u8>);

impl Certificate {
    /// The certificates of a PEM text; what is wrong with it is said.
    pub(crate) fn read(text: &[u8]) -> Result<Vec<Self>, String> {
        let blocks = pem::parse_many(text).map_err(|error| error.to_string())?;
        let certificates: Vec<Self> = blocks
            .into_iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .map(|block| Self(block.into_contents()))
            .collect();
        if certificates.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        for certificate in &certificates {
            certificate.parsed()?;
        }
        Ok(certificates)
    }

    pub(crate) fn parsed(&self) -> Result<X509Certificate<'_>, String> {
        match X509Certificate::from_der(&self.0) {
            Ok(([], parsed)) => Ok(parsed),
            Ok(_) => Err("there is more in a certificate than there should be".to_owned()),
            Err(error) => Err(format!("a certificate cannot be read: {error}")),
        }
    }
}

/// Certificates that are trusted without being vouched for.
#[derive(Clone, Default)]
pub struct TrustAnchors(pub(crate) Vec<Certificate>);

impl TrustAnchors {
    /// Reads a file, or every file of a directory, of certificates in PEM.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut anchors = Self::default();
        if !path.is_dir() {
            anchors.add(path)?;
            return Ok(anchors);
        }
        let mut files = fs::read_dir(path)
            .and_then(|entries| {
                entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>()
            })
            .map_err(|source| cannot("list", path, source))?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            anchors.add(file)?;
        }
        Ok(anchors)
    }

    fn add(&mut self, file: &Path) -> Result<(), Error> {
        let text = fs::read(file).map_err(|source| cannot("read", file, source))?;
        self.0.extend(Certificate::read(&text).map_err(|problem| Error::damaged(file, problem))?);
        Ok(())
    }

    /// Trusts those of others as well.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

fn cannot(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}
