//! Keys, key ids and signature thresholds.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tough::schema::key::Key;
use tough::schema::{Role, RoleType};

use crate::problem::{Findings, ProblemId};

/// A metadata file as it was read: the signed value as it stands, and the signatures over it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    pub(super) signed: Value,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// The keys of a root by id, and which of them may sign for what.
#[derive(Debug, Clone)]
pub(super) struct KeyRing {
    keys: BTreeMap<String, Key>,
    roles: BTreeMap<String, RoleKeys>,
}

#[derive(Debug, Clone, Deserialize)]
struct RoleKeys {
    keyids: Vec<String>,
    threshold: NonZeroU64,
}

impl KeyRing {
    /// Reads the keys and roles of a root.
    ///
    /// One key under two ids would count twice in a threshold, so it is refused; and so is an id
    /// that is not the hash of its key.
    pub(super) fn read(file: &str, root: &Value, findings: &mut Findings) -> Option<Self> {
        let before = findings.problems.len();
        let mut keys = BTreeMap::new();
        let mut material: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for (id, value) in root.get("keys").and_then(Value::as_object).into_iter().flatten() {
            let mut refuse = |reason: String| findings.problem(ProblemId::TufKey, file, reason);
            let key: Key = match serde_json::from_value(value.clone()) {
                Ok(key) => key,
                Err(error) => {
                    refuse(format!("the key {id} is of no known form: {error}"));
                    continue;
                }
            };
            match key.key_id() {
                Ok(real) if hex::encode(&*real) == *id => {}
                _ => refuse(format!("the key id {id} is not the hash of its key")),
            }
            if let Some(other) = material.insert(key_material(&key), id.clone()) {
                refuse(format!("the keys {other} and {id} are one key under two ids"));
            }
            keys.insert(id.clone(), key);
        }
        let mut roles = BTreeMap::new();
        for name in ["root", "timestamp", "snapshot", "targets"] {
            let mut refuse = |reason: String| findings.problem(ProblemId::TufKey, file, reason);
            let Some(value) = root.get("roles").and_then(|roles| roles.get(name)) else {
                refuse(format!("says nothing about the role {name}"));
                continue;
            };
            let role: RoleKeys = match serde_json::from_value(value.clone()) {
                Ok(role) => role,
                Err(error) => {
                    refuse(format!("the role {name} is of no known form: {error}"));
                    continue;
                }
            };
            let distinct: BTreeSet<_> = role.keyids.iter().collect();
            if distinct.len() < role.keyids.len() {
                refuse(format!("the role {name} lists a key id twice"));
            }
            if let Some(missing) = role.keyids.iter().find(|id| !keys.contains_key(*id)) {
                refuse(format!(
                    "the role {name} lists the key id {missing}, which is no key of the root"
                ));
            }
            if role.threshold.get() > distinct.len() as u64 {
                refuse(format!(
                    "the role {name} wants {} signatures and has {} keys",
                    role.threshold,
                    distinct.len()
                ));
            }
            roles.insert(name.to_owned(), role);
        }
        (findings.problems.len() == before).then_some(Self { keys, roles })
    }

    /// Checks that enough distinct keys of a role signed. `also` are keys that may sign without
    /// counting: those of the other root when a root is replaced.
    pub(super) fn check(
        &self,
        file: &str,
        role: &str,
        envelope: &Envelope,
        also: Option<&KeyRing>,
        findings: &mut Findings,
    ) -> bool {
        let before = findings.problems.len();
        let mut refuse = |reason: String| findings.problem(ProblemId::TufSignature, file, reason);
        let Some(role_keys) = self.roles.get(role) else {
            refuse(format!("the root says nothing about the role {role}"));
            return false;
        };
        let message = match (Canonical { value: &envelope.signed }).canonical_form() {
            Ok(message) => message,
            Err(error) => {
                refuse(format!("has no canonical form: {error}"));
                return false;
            }
        };
        let mut seen = BTreeSet::new();
        let mut signers = BTreeSet::new();
        let mut strangers = Vec::new();
        for signature in &envelope.signatures {
            let id = &signature.keyid;
            if !seen.insert(id) {
                refuse(format!("the key id {id} signs twice"));
                continue;
            }
            let listed = role_keys.keyids.contains(id);
            let Some(key) = self.keys.get(id).filter(|_| listed) else {
                let known = also.and_then(|ring| Some(ring.roles.get(role)?.keyids.contains(id)));
                if known != Some(true) {
                    strangers.push(id);
                }
                continue;
            };
            match hex::decode(&signature.sig) {
                // One way of writing a signature only: lower case.
                Ok(bytes)
                    if hex::encode(&bytes) == signature.sig && verifies(key, &message, &bytes) =>
                {
                    signers.insert(key_material(key));
                }
                _ => refuse(format!("the signature by the key {id} is wrong")),
            }
        }
        let wanted = role_keys.threshold.get();
        if (signers.len() as u64) < wanted {
            let strangers = match strangers.len() {
                0 => String::new(),
                n => format!("; {n} by keys that may not sign the role {role}"),
            };
            refuse(format!(
                "has {} good signatures by distinct keys of the role {role}, {wanted} are needed{strangers}",
                signers.len()
            ));
        } else {
            for id in strangers {
                let reason =
                    format!("is also signed by the key {id}, which may not sign the role {role}");
                findings.warning(ProblemId::TufSignature, file, reason);
            }
        }
        findings.problems.len() == before
    }
}

/// The key itself, however it is written: what must differ for two keys to be two.
fn key_material(key: &Key) -> Vec<u8> {
    match key {
        Key::Ed25519 { keyval, .. } => [b"ed25519:", &keyval.public[..]].concat(),
        // A point may be written compressed or not; its first coordinate is there in both.
        Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => {
            let point = &keyval.public[..];
            [b"p256:", point.get(1..33).unwrap_or(point)].concat()
        }
        Key::Rsa { keyval, .. } => [b"rsa:", &keyval.public[..]].concat(),
    }
}

fn verifies(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let (algorithm, public): (&'static dyn VerificationAlgorithm, &[u8]) = match key {
        Key::Ed25519 { keyval, .. } => (&ED25519, &keyval.public),
        Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => {
            (&ECDSA_P256_SHA256_ASN1, &keyval.public)
        }
        Key::Rsa { keyval, .. } => (&RSA_PSS_2048_8192_SHA256, &keyval.public),
    };
    UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
}

/// Lends a value as it was read to `tough`'s canonical form. Going through its typed roles would
/// sign-check what they write, not what was signed.
struct Canonical<'a> {
    value: &'a Value,
}

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl Role for Canonical<'_> {
    const TYPE: RoleType = RoleType::Root;

    fn expires(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn version(&self) -> NonZeroU64 {
        NonZeroU64::MIN
    }

    fn filename(&self, _consistent_snapshot: bool) -> String {
        String::new()
    }
}
