//! Checking everything.

use std::fs::{self, File};
use std::path::PathBuf;

use proto::Digest;
use serde::Serialize;

use crate::store::digest_of;
use crate::usage::KindUsage;
use crate::{Error, Store};

/// What was found by reading every blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// What was read.
    pub checked: KindUsage,
    /// Blobs that hold other bytes than their name says, and where they were put.
    pub damaged: Vec<(Digest, PathBuf)>,
    /// Names without a blob, or whose record cannot be read; they were removed.
    pub dangling: Vec<String>,
}

impl Verification {
    /// Whether nothing was found.
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty() && self.dangling.is_empty()
    }
}

impl Store {
    /// Reads every blob. What is damaged is set aside and forgotten, so that it is fetched again.
    pub fn verify(&self) -> Result<Verification, Error> {
        let mut found = Verification::default();
        for (digest, _) in self.all_blobs()? {
            let path = self.blobs().path_of(&digest);
            let read = File::open(&path).and_then(|mut file| digest_of(&mut file));
            match read {
                Ok((actual, size)) if actual == digest => found.checked.add(size),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                _ => found.damaged.push((digest, self.set_aside(&digest)?)),
            }
        }
        for (kind, path, record) in self.records()? {
            let key = match record {
                Some(record) => {
                    let there = fs::metadata(self.blobs().path_of(&record.digest));
                    if there.is_ok_and(|there| there.len() == record.size) {
                        continue;
                    }
                    record.key
                }
                None => path.display().to_string(),
            };
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            found.dangling.push(format!("{kind} {key}"));
        }
        found.dangling.sort();
        Ok(found)
    }
}
