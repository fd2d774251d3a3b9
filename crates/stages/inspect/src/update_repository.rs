//! Update repositories: what their documents say, and whether the targets are those that are
//! listed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Damage;
use crate::inspection::{Inspection, printable};

const METADATA: &str = "repo/metadata/";
const TARGETS: &str = "repo/targets/";
const ARTIFACTS: &str = "artifacts-v2.json";
/// The list of artifacts of older repositories.
const OLD_ARTIFACTS: &str = "artifacts.json";

#[derive(Deserialize)]
struct Signed<T> {
    signed: T,
}

#[derive(Deserialize)]
struct Role {
    version: u64,
    expires: String,
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    consistent_snapshot: bool,
}

#[derive(Deserialize)]
struct Targets {
    targets: BTreeMap<String, Target>,
}

#[derive(Deserialize)]
struct Target {
    length: u64,
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Artifacts {
    system_version: String,
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    target_name: String,
    version: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Reads the documents and compares the entries with them.
pub(crate) fn look(inspection: &mut Inspection, documents: &BTreeMap<String, Vec<u8>>) {
    for role in ["root", "timestamp", "snapshot", "targets"] {
        let Some((name, text)) = metadata(documents, role) else {
            inspection
                .damage
                .push(Damage::new(format!("there is no {role}.json")).inside(METADATA));
            continue;
        };
        if let Some(Signed { signed: Role { version, expires } }) = read(inspection, name, text) {
            inspection.fact(role, format!("version {version}, expires {expires}"));
        }
    }
    let consistent = metadata(documents, "root")
        .and_then(|(_, text)| serde_json::from_slice::<Signed<Root>>(text).ok())
        .is_some_and(|root| root.signed.consistent_snapshot);
    let targets = metadata(documents, "targets")
        .and_then(|(_, text)| serde_json::from_slice::<Signed<Targets>>(text).ok())
        .map(|targets| targets.signed.targets)
        .unwrap_or_default();
    let mut stored = BTreeMap::new();
    for (name, target) in &targets {
        let sha256 = target.hashes.get("sha256").map_or("", String::as_str);
        let plain = format!("{TARGETS}{name}");
        let hashed = [
            format!("{TARGETS}{sha256}.{name}"),
            match name.rsplit_once('/') {
                Some((folder, file)) => format!("{TARGETS}{folder}/{sha256}.{file}"),
                None => format!("{TARGETS}{sha256}.{name}"),
            },
        ];
        let candidates: Vec<&String> =
            if consistent { hashed.iter().collect() } else { vec![&plain] };
        let found = inspection.entries.iter().find(|e| candidates.contains(&&e.name));
        let problem = match found {
            None => Some("it is listed in targets.json and not there".to_owned()),
            Some(entry) if entry.size != target.length => {
                Some(format!("it has {} bytes, targets.json says {}", entry.size, target.length))
            }
            Some(entry) => match entry.sha256 {
                Some(digest) if digest.to_string() != sha256 => {
                    Some(format!("it has sha256 {digest}, targets.json says {sha256}"))
                }
                _ => None,
            },
        };
        if let Some(problem) = problem {
            inspection.damage.push(Damage::new(problem).inside(printable(&plain)));
        }
        if let Some(entry) = found {
            stored.insert(name.clone(), entry.name.clone());
        }
    }
    artifacts(inspection, documents, &stored);
    let listed: Vec<&String> = stored.values().collect();
    for entry in &mut inspection.entries {
        if entry.name.starts_with(TARGETS) && !listed.contains(&&entry.name) {
            entry.note = Some("not listed in targets.json".to_owned());
        }
    }
    inspection.fact("signatures", "not checked here; `tuf verify` does");
}

/// Names what each artifact is; `stored` has the entry of each target.
fn artifacts(
    inspection: &mut Inspection,
    documents: &BTreeMap<String, Vec<u8>>,
    stored: &BTreeMap<String, String>,
) {
    let document = |name: &str| {
        let entry = stored.get(name)?;
        documents.get_key_value(entry).map(|(name, text)| (name.as_str(), text))
    };
    let Some((name, text)) = document(ARTIFACTS) else {
        let kept =
            if document(OLD_ARTIFACTS).is_some() { "v1 (artifacts.json)" } else { "unknown" };
        inspection.fact("repository version", kept);
        return;
    };
    let Some(list) = read::<Artifacts>(inspection, name, text) else { return };
    inspection.fact("repository version", "v2 (artifacts-v2.json)");
    inspection.fact("system version", &list.system_version);
    inspection.fact("artifacts", list.artifacts.len());
    for artifact in list.artifacts {
        let Some(entry) = stored.get(&artifact.target_name) else {
            let problem = "artifacts-v2.json names it, and it is no target";
            let damage = Damage::new(problem).inside(printable(&artifact.target_name));
            inspection.damage.push(damage);
            continue;
        };
        let kind = artifact.tags.get("kind").map_or("artifact", String::as_str);
        let tags: Vec<String> = artifact
            .tags
            .iter()
            .filter(|(key, _)| *key != "kind")
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if let Some(item) = inspection.entries.iter_mut().find(|e| e.name == *entry) {
            item.item_type = printable(kind);
            let note = [&[artifact.version][..], &tags].concat().join(", ");
            item.note = Some(printable(&note));
        }
    }
}

/// The newest metadata file of a role: `root.json` or `N.root.json`.
fn metadata<'a>(
    documents: &'a BTreeMap<String, Vec<u8>>,
    role: &str,
) -> Option<(&'a str, &'a Vec<u8>)> {
    let suffix = format!("{role}.json");
    documents
        .iter()
        .filter_map(|(name, text)| {
            let version = name.strip_prefix(METADATA)?.strip_suffix(&suffix)?;
            let version = match version {
                "" => 0,
                number => number.strip_suffix('.')?.parse::<u64>().ok()?,
            };
            Some((version, name.as_str(), text))
        })
        .max_by_key(|(version, ..)| *version)
        .map(|(_, name, text)| (name, text))
}

fn read<T: for<'de> Deserialize<'de>>(
    inspection: &mut Inspection,
    name: &str,
    text: &[u8],
) -> Option<T> {
    match serde_json::from_slice(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let problem = format!("it cannot be read: {error}");
            inspection.damage.push(Damage::new(problem).inside(name));
            None
        }
    }
}
