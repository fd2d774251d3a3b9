//! The payloads of a depot's packages.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use fetch::{Check, Item};
use ips::{Action, Error, Payload, PayloadReader, StoredPayload};
use sha1::{Digest as _, Sha1};
use store::Name;

use super::{Depot, lock};

/// The largest payload of which the size is not known.
const PAYLOAD_LIMIT: u64 = 16 << 30;

/// Payloads of at most so many bytes are read into memory.
const SMALL: u64 = 4 << 20;

impl Depot {
    /// The item that a payload is. `check` must be [`Check`] of the same.
    pub(super) fn payload_item<'a>(
        &self,
        publisher: &str,
        sha1: &str,
        action: Option<&Action>,
        check: &'a Check<'a>,
    ) -> Item<'a> {
        let number = |key: &str| action?.get(key)?.parse::<u64>().ok();
        let sites = self.sources.get(publisher).map(Vec::as_slice);
        let sites = sites.unwrap_or(std::slice::from_ref(&self.site));
        Item {
            name: Name::new("payload", sha1),
            what: match action.and_then(Action::path) {
                Some(path) => format!("the payload {sha1} ({path})"),
                None => format!("the payload {sha1}"),
            },
            urls: sites.iter().map(|at| at.file(publisher, self.file_version, sha1)).collect(),
            size: number("pkg.csize"),
            // Compressing makes nothing much larger.
            limit: number("pkg.size").map_or(PAYLOAD_LIMIT, |size| {
                size.saturating_add(size / 100).saturating_add(1 << 16)
            }),
            check,
        }
    }

    fn failure(&self, sha1: &str) -> Option<String> {
        lock(&self.failed).get(sha1).cloned()
    }

    pub(super) fn open_payload(
        &self,
        publisher: &str,
        sha1: &str,
        action: Option<&Action>,
    ) -> Result<StoredPayload, Error> {
        check_name(&self.location, sha1)?;
        // What was tried for long and failed is not tried again.
        if let Some(problem) = self.failure(sha1) {
            return Err(Error::Origin { location: self.site.shown(), source: problem.into() });
        }
        let check = |file: &mut File| check_payload(file, sha1, action);
        let item = self.payload_item(publisher, sha1, action, &check);
        let open = || -> Result<StoredPayload, fetch::Error> {
            // A small one is read once, for its check and its use.
            Ok(match self.fetcher.ensure(&item)?.size {
                size if size <= SMALL => {
                    let bytes = self.fetcher.read(&item)?;
                    StoredPayload { size, reader: Box::new(Cursor::new(bytes)) }
                }
                size => StoredPayload { size, reader: Box::new(self.fetcher.open(&item)?.0) },
            })
        };
        match open() {
            Ok(stored) => Ok(stored),
            // Whoever has no action looks at several places, as for what may not be anywhere.
            Err(error) if error.is_absent() && (action.is_none() || !self.fetcher.is_offline()) => {
                Err(Error::NoPayload { path: self.location.clone(), hash: sha1.to_owned() })
            }
            Err(error) => Err(self.error(error)),
        }
    }
}

/// The name of a payload becomes a part of addresses.
pub(super) fn check_name(location: &Path, sha1: &str) -> Result<(), Error> {
    if sha1.len() == 40 && sha1.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    let problem = format!("{sha1:?} is no payload name; 40 hex digits were expected");
    Err(Error::damaged(location, problem))
}

/// Inflates a payload and compares it with what is known of it: its name in any case, as all who
/// deliver a payload of that name will get this one.
pub(super) fn check_payload(
    file: &mut File,
    sha1: &str,
    action: Option<&Action>,
) -> Result<(), String> {
    let say = |error: io::Error| error.to_string();
    let reader = BufReader::with_capacity(128 << 10, file);
    let found = match action {
        Some(action) => {
            let mut reader = PayloadReader::new(reader, action).map_err(say)?;
            let mut hasher = Sha1::new();
            let mut buffer = vec![0; 128 << 10];
            loop {
                match reader.read(&mut buffer).map_err(say)? {
                    0 => break hex::encode(hasher.finalize()),
                    count => hasher.update(&buffer[..count]),
                }
            }
        }
        None => Payload::of_stored(reader).map_err(say)?.sha1,
    };
    if found == sha1 { Ok(()) } else { Err(format!("its SHA-1 is {found}")) }
}
