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
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

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

/// What happened to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootChange {
    /// It is the one that was there.
    Kept,
    /// A next version was added, which differs in its expiry only; the ones that were there stay.
    Renewed,
    /// It is a new one: who trusts the old one will refuse the repository.
    New,
}

/// The metadata of a repository, signed.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) files: Files,
    pub(crate) root: RootChange,
    /// When the first file expires.
    pub(crate) expires: Timestamp,
}

/// The targets role for a set of targets; version and expiry are set when it is signed.
pub(crate) fn targets_role(targets: &BTreeMap<String, (u64, Digest)>) -> Result<Targets, Error> {
    let mut role = Targets::new(SPEC_VERSION.to_owned(), NonZeroU64::MIN, Timestamp::UNIX_EPOCH);
    for (name, (length, sha256)) in targets {
        let (name, target) = target(name, *length, *sha256)?;
        role.targets.insert(name, target);
    }
    Ok(role)
}

fn target(name: &str, length: u64, sha256: Digest) -> Result<(TargetName, Target), Error> {
    let name = TargetName::new(name).map_err(|error| unexpected("targets.json", &error))?;
    let (custom, extra) = (HashMap::new(), HashMap::new());
    Ok((name, Target { length, hashes: hashes(sha256), custom, _extra: extra }))
}

/// Makes and signs all roles for a set of targets under a new root.
///
/// Every key is listed for every role, each role's threshold is one, and every key signs.
pub(crate) fn write(
    keys: &[Key],
    mut targets: Targets,
    expires: Timestamp,
    version: NonZeroU64,
    consistent: bool,
) -> Result<Written, Error> {
    let keys = Signers::new(keys)?;
    let root = root(&keys, expires, consistent)?;
    let mut files = Files::new();
    files.insert(ROOT.to_owned(), keys.sign(ROOT, &root, &root)?);
    keys.roles(&root, &mut targets, expires, version, &mut files)?;
    Ok(Written { files, root: RootChange::New, expires })
}

/// The roots that a repository is signed under, from version 1 to the last.
#[derive(Debug, Clone)]
pub(crate) struct Roots {
    pub(crate) files: Files,
    root: Root,
}

impl Roots {
    /// Roots whose chain was checked.
    pub(crate) fn new(files: Files, last: &str) -> Result<Self, Error> {
        #[derive(serde::Deserialize)]
        struct Signed {
            signed: Root,
        }

        let text = files.get(last).map(Vec::as_slice).unwrap_or_default();
        let Signed { signed: root } =
            serde_json::from_slice(text).map_err(|error| unexpected(last, &error))?;
        Ok(Self { files, root })
    }

    /// Whether files are named by version and hash.
    pub(crate) fn consistent(&self) -> bool {
        self.root.consistent_snapshot
    }

    /// Whether the keys can sign for all roles under the last root at a time: the inner error says
    /// which role lacks signatures, or which key the root does not know.
    pub(crate) fn check(
        &self,
        keys: &[Key],
        build_time: Timestamp,
        renew: bool,
    ) -> Result<Result<(), String>, Error> {
        let keys = Signers::new(keys)?;
        let root = &self.root;
        for (id, key) in &keys.keys {
            if !ROLES.iter().any(|role| keys.of(root, *role).any(|(known, _)| known == id)) {
                let problem = format!("its root does not know the key {}", key.origin().display());
                return Ok(Err(problem));
            }
        }
        for role in [RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp] {
            if let Err(problem) = keys.enough(root, role) {
                return Ok(Err(problem));
            }
        }
        if root.expires <= build_time {
            let expired = format!("its root expired {}", root.expires);
            return Ok(match keys.enough(root, RoleType::Root) {
                Ok(()) if renew => Ok(()),
                Ok(()) => Err(expired),
                Err(problem) => Err(format!("{expired} and {problem}")),
            });
        }
        Ok(Ok(()))
    }
}

/// Signs all roles under the last of the roots that are there.
///
/// The roots stay byte for byte. When the last expires before `expires`, a next version of it is
/// added, if that is wanted and the keys can sign it.
pub(crate) fn write_under(
    keys: &[Key],
    roots: &Roots,
    renew: bool,
    mut targets: Targets,
    expires: Timestamp,
    version: NonZeroU64,
) -> Result<Written, Error> {
    let keys = Signers::new(keys)?;
    let mut files = roots.files.clone();
    let mut root = roots.root.clone();
    let mut change = RootChange::Kept;
    if renew && root.expires < expires && keys.enough(&root, RoleType::Root).is_ok() {
        let next = root.version.checked_add(1).unwrap_or(NonZeroU64::MAX);
        root.version = next;
        root.expires = expires;
        let name = format!("{next}.root.json");
        files.insert(name.clone(), keys.sign(&name, &root, &root)?);
        change = RootChange::Renewed;
    }
    keys.roles(&root, &mut targets, expires, version, &mut files)?;
    Ok(Written { files, root: change, expires: expires.min(root.expires) })
}

const ROLES: [RoleType; 4] =
    [RoleType::Root, RoleType::Snapshot, RoleType::Targets, RoleType::Timestamp];

fn root(keys: &Signers<'_>, expires: Timestamp, consistent: bool) -> Result<Root, Error> {
    let role_keys = RoleKeys {
        keyids: keys.keys.keys().map(|id| hex_of(id)).collect::<Result<_, _>>()?,
        threshold: NonZeroU64::MIN,
        _extra: HashMap::new(),
    };
    Ok(Root {
        spec_version: SPEC_VERSION.to_owned(),
        consistent_snapshot: consistent,
        version: NonZeroU64::MIN,
        expires,
        keys: keys
            .keys
            .iter()
            .map(|(id, key)| Ok((hex_of(id)?, key.public())))
            .collect::<Result<_, Error>>()?,
        roles: ROLES.into_iter().map(|role| (role, role_keys.clone())).collect(),
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

    /// The keys that may sign for a role.
    fn of<'s>(
        &'s self,
        root: &'s Root,
        role: RoleType,
    ) -> impl Iterator<Item = (&'s String, &'s &'a Key)> {
        let ids: Vec<String> = root
            .roles
            .get(&role)
            .into_iter()
            .flat_map(|keys| keys.keyids.iter().map(hex::encode))
            .collect();
        self.keys.iter().filter(move |(id, _)| ids.contains(*id))
    }

    /// Whether the keys reach the threshold of a role.
    fn enough(&self, root: &Root, role: RoleType) -> Result<(), String> {
        let wanted = root.roles.get(&role).map_or(u64::MAX, |keys| keys.threshold.get());
        let there = self.of(root, role).count() as u64;
        if there >= wanted {
            return Ok(());
        }
        Err(format!("its root wants {wanted} signatures for {role}; the keys given make {there}"))
    }

    /// Signs targets, snapshot and timestamp.
    fn roles(
        &self,
        root: &Root,
        targets: &mut Targets,
        expires: Timestamp,
        version: NonZeroU64,
        files: &mut Files,
    ) -> Result<(), Error> {
        let prefix = if root.consistent_snapshot { format!("{version}.") } else { String::new() };
        (targets.version, targets.expires) = (version, expires);
        let text = self.sign("targets.json", targets, root)?;

        let mut role = Snapshot::new(SPEC_VERSION.to_owned(), version, expires);
        role.meta.insert("targets.json".to_owned(), metafile(&text, version));
        files.insert(format!("{prefix}targets.json"), text);
        let text = self.sign("snapshot.json", &role, root)?;

        let mut role = TimestampRole::new(SPEC_VERSION.to_owned(), version, expires);
        role.meta.insert("snapshot.json".to_owned(), metafile(&text, version));
        files.insert(format!("{prefix}snapshot.json"), text);
        files.insert("timestamp.json".to_owned(), self.sign("timestamp.json", &role, root)?);
        Ok(())
    }

    /// The text of a signed role: members sorted, signatures by key id. Those keys sign that the
    /// root lists for the role.
    fn sign<R: Role>(&self, file: &str, role: &R, root: &Root) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        struct Signed {
            signed: Value,
            signatures: Vec<Signature>,
        }

        let message = role.canonical_form().map_err(|error| unexpected(file, &error))?;
        let mut signatures = Vec::new();
        for (id, key) in self.of(root, R::TYPE) {
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

/// The ids of keys, sorted.
pub(crate) fn key_ids(keys: &[Key]) -> Result<Vec<String>, Error> {
    Ok(Signers::new(keys)?.keys.into_keys().collect())
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
            let role = targets_role(&targets).unwrap();
            write(&keys, role, "2026-11-27T15:13:08Z".parse().unwrap(), NonZeroU64::MIN, false)
                .unwrap()
                .files
        };
        assert_eq!(make(), make());
        let text = String::from_utf8(make()["timestamp.json"].clone()).unwrap();
        assert!(text.starts_with("{\n  \"signed\": {\n    \"_type\": \"timestamp\""), "{text}");
        assert!(text.contains("\"expires\": \"2026-11-27T15:13:08Z\""), "{text}");
        let twice = [Key::from_file(&path).unwrap(), Key::from_file(&path).unwrap()];
        let role = targets_role(&targets).unwrap();
        let error =
            write(&twice, role, "2026-11-27T15:13:08Z".parse().unwrap(), NonZeroU64::MIN, false)
                .err()
                .unwrap();
        assert!(error.to_string().contains("twice"));
    }
}
