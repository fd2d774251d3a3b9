//! Writes the four signed roles.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use jiff::{SignedDuration, Timestamp};
use proto::Digest;
use serde::Serialize;
use serde_json::Value;
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{
    Hashes, Metafile, Role, RoleKeys, RoleType, Root, Signature, Snapshot, Target, Targets,
    Timestamp as TimestampRole,
};

use crate::{Error, Key, strict_json};

/// The version of the TUF specification that every role names.
pub(crate) const SPEC_VERSION: &str = "1.0.0";

/// The metadata files of a repository by name.
pub(crate) type Files = BTreeMap<&'static str, Vec<u8>>;

/// The root's file name.
pub(crate) const ROOT: &str = "1.root.json";

/// When metadata that is made at `build_time` expires: in whole seconds.
pub(crate) fn expiry(build_time: Timestamp, days: u32) -> Result<(Timestamp, NonZeroU64), Error> {
    let second = build_time.as_second();
    let version = u64::try_from(second).ok().and_then(NonZeroU64::new).ok_or_else(|| {
        Error::Time(format!(
            "the build time {build_time} cannot be used: metadata versions are its seconds since \
             1970, which must be positive; set SOURCE_DATE_EPOCH to 1 or more"
        ))
    })?;
    if days == 0 {
        return Err(Error::Time("metadata must be valid for at least one day".to_owned()));
    }
    let expires = Timestamp::from_second(second)
        .and_then(|time| time.checked_add(SignedDuration::from_hours(i64::from(days) * 24)))
        .ok()
        .filter(|time| time.strftime("%Y").to_string().len() == 4)
        .ok_or_else(|| {
            Error::Time(format!("{days} days after {build_time} is beyond the year 9999"))
        })?;
    Ok((expires, version))
}

/// Makes and signs all roles for a set of targets.
///
/// Every key is listed for every role, each role's threshold is one, and every key signs.
pub(crate) fn write(
    keys: &[Key],
    targets: &BTreeMap<String, (u64, Digest)>,
    expires: Timestamp,
    version: NonZeroU64,
) -> Result<Files, Error> {
    let keys = Signers::new(keys)?;
    let mut files = Files::new();
    files.insert(ROOT, keys.sign(ROOT, &root(&keys, expires)?)?);

    let mut role = Targets::new(SPEC_VERSION.to_owned(), version, expires);
    for (name, (length, sha256)) in targets {
        let name = TargetName::new(name).map_err(|error| unexpected("targets.json", &error))?;
        let target = Target {
            length: *length,
            hashes: hashes(*sha256),
            custom: HashMap::new(),
            _extra: HashMap::new(),
        };
        role.targets.insert(name, target);
    }
    let text = keys.sign("targets.json", &role)?;

    let mut role = Snapshot::new(SPEC_VERSION.to_owned(), version, expires);
    role.meta.insert("targets.json".to_owned(), metafile(&text, version));
    files.insert("targets.json", text);
    let text = keys.sign("snapshot.json", &role)?;

    let mut role = TimestampRole::new(SPEC_VERSION.to_owned(), version, expires);
    role.meta.insert("snapshot.json".to_owned(), metafile(&text, version));
    files.insert("snapshot.json", text);
    files.insert("timestamp.json", keys.sign("timestamp.json", &role)?);
    Ok(files)
}

fn root(keys: &Signers<'_>, expires: Timestamp) -> Result<Root, Error> {
    let role_keys = RoleKeys {
        keyids: keys.keys.keys().map(|id| hex_of(id)).collect::<Result<_, _>>()?,
        threshold: NonZeroU64::MIN,
        _extra: HashMap::new(),
    };
    let roles = [RoleType::Root, RoleType::Snapshot, RoleType::Targets, RoleType::Timestamp];
    Ok(Root {
        spec_version: SPEC_VERSION.to_owned(),
        consistent_snapshot: false,
        version: NonZeroU64::MIN,
        expires,
        keys: keys
            .keys
            .iter()
            .map(|(id, key)| Ok((hex_of(id)?, key.public())))
            .collect::<Result<_, Error>>()?,
        roles: roles.into_iter().map(|role| (role, role_keys.clone())).collect(),
        _extra: HashMap::new(),
    })
}

/// The keys by their ids, which are the hashes of the public keys.
struct Signers<'a> {
    keys: BTreeMap<String, &'a Key>,
}

impl<'a> Signers<'a> {
    fn new(keys: &'a [Key]) -> Result<Self, Error> {
        let mut by_id = BTreeMap::new();
        for key in keys {
            let id = key.public().key_id().map_err(|error| unexpected("the key id", &error))?;
            if by_id.insert(hex::encode(&*id), key).is_some() {
                return Err(Error::Key {
                    path: key.origin(),
                    problem: "is given twice; each key signs once".to_owned(),
                });
            }
        }
        Ok(Self { keys: by_id })
    }

    /// The text of a signed role: members sorted, signatures by key id.
    fn sign<R: Role>(&self, file: &str, role: &R) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        struct Signed {
            signed: Value,
            signatures: Vec<Signature>,
        }

        let message = role.canonical_form().map_err(|error| unexpected(file, &error))?;
        let mut signatures = Vec::new();
        for (id, key) in &self.keys {
            let sig = key.sign(file, &message)?.into();
            signatures.push(Signature { keyid: hex_of(id)?, sig });
        }
        let signed = serde_json::to_value(role).map_err(|error| unexpected(file, &error))?;
        let signed = Signed { signed: strict_json::sorted(signed), signatures };
        let mut text =
            serde_json::to_vec_pretty(&signed).map_err(|error| unexpected(file, &error))?;
        text.push(b'\n');
        Ok(text)
    }
}

fn hashes(sha256: Digest) -> Hashes {
    Hashes { sha256: sha256.0.to_vec().into(), _extra: HashMap::new() }
}

fn metafile(text: &[u8], version: NonZeroU64) -> Metafile {
    Metafile {
        length: Some(text.len() as u64),
        hashes: Some(hashes(Digest::of(text))),
        version,
        _extra: HashMap::new(),
    }
}

fn hex_of(id: &str) -> Result<Decoded<Hex>, Error> {
    id.parse().map_err(|error| unexpected("a key id", &error))
}

fn unexpected(what: &str, error: &dyn std::error::Error) -> Error {
    Error::Sign { role: what.to_owned(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_in_whole_seconds() {
        let time: Timestamp = "2026-11-20T15:13:08.75Z".parse().unwrap();
        let (expires, version) = expiry(time, 7).unwrap();
        assert_eq!(expires.to_string(), "2026-11-27T15:13:08Z");
        assert_eq!(version.get(), 1_795_187_588);
        assert!(expiry(Timestamp::UNIX_EPOCH, 7).is_err());
        assert!(expiry(time, 0).is_err());
        assert!(expiry(time, u32::MAX).is_err());
    }

    #[test]
    fn same_bytes_each_time() {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([9; 32]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, der).unwrap();
        let targets: BTreeMap<_, _> =
            (0..50).map(|i| (format!("target-{i}"), (i, Digest([i as u8; 32])))).collect();
        let make = || {
            let keys = [Key::from_file(&path).unwrap()];
            write(&keys, &targets, "2026-11-27T15:13:08Z".parse().unwrap(), NonZeroU64::MIN)
                .unwrap()
        };
        assert_eq!(make(), make());
        let text = String::from_utf8(make()["timestamp.json"].clone()).unwrap();
        assert!(text.starts_with("{\n  \"signed\": {\n    \"_type\": \"timestamp\""), "{text}");
        assert!(text.contains("\"expires\": \"2026-11-27T15:13:08Z\""), "{text}");
        let twice = [Key::from_file(&path).unwrap(), Key::from_file(&path).unwrap()];
        let error =
            write(&twice, &targets, "2026-11-27T15:13:08Z".parse().unwrap(), NonZeroU64::MIN);
        assert!(error.unwrap_err().to_string().contains("twice"));
    }
}
