//! Makes repositories that are wrong in one chosen way.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use proto::Digest;
use serde_json::{Value, json};

use super::ed25519;

/// A repository as files, to be changed, signed again and zipped again.
pub struct Forge {
    /// Entry name to contents.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The seeds of the keys that sign.
    pub seeds: Vec<u8>,
}

pub fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(&ed25519(seed)).unwrap()
}

/// A public key as metadata holds it.
pub fn public_key(seed: u8) -> Value {
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": hex::encode(pair(seed).public_key())}})
}

pub fn key_id(key: &Value) -> String {
    Digest::of(&canonical(key)).to_string()
}

/// Canonical JSON of values without odd characters: compact, members sorted.
pub fn canonical(value: &Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Object(members) => {
                let sorted: BTreeMap<_, _> =
                    members.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                Value::Object(sorted.into_iter().collect())
            }
            other => other.clone(),
        }
    }
    sorted(value).to_string().into_bytes()
}

impl Forge {
    pub fn open(zip: &Path) -> Self {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
        let mut files = BTreeMap::new();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let name = entry.name().unwrap().into_owned();
            files.insert(name, bytes);
        }
        Self { files, seeds: vec![7] }
    }

    pub fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&self.files[file]).unwrap()
    }

    /// Changes what a role says and signs it again, and with it what hangs on it.
    pub fn role(&mut self, role: &str, change: impl FnOnce(&mut Value)) {
        let file = metadata(role);
        let mut value = self.json(&file);
        change(&mut value["signed"]);
        self.put_signed(&file, value["signed"].clone());
        if role == "targets" {
            self.follow("snapshot", "targets");
        }
        if role == "targets" || role == "snapshot" {
            self.follow("timestamp", "snapshot");
        }
    }

    /// Makes a role tell the truth about another file again.
    fn follow(&mut self, role: &str, of: &str) {
        let text = &self.files[&metadata(of)];
        let (length, hash) = (text.len(), Digest::of(text).to_string());
        let version = self.json(&metadata(of))["signed"]["version"].clone();
        let file = metadata(role);
        let mut value = self.json(&file);
        value["signed"]["meta"][format!("{of}.json")] =
            json!({"length": length, "hashes": {"sha256": hash}, "version": version});
        self.put_signed(&file, value["signed"].clone());
    }

    pub fn put_signed(&mut self, file: &str, signed: Value) {
        let message = canonical(&signed);
        let signatures: Vec<Value> = self
            .seeds
            .iter()
            .map(|&seed| json!({"keyid": key_id(&public_key(seed)), "sig": hex::encode(pair(seed).sign(&message))}))
            .collect();
        let text = json!({"signed": signed, "signatures": signatures}).to_string();
        self.files.insert(file.to_owned(), text.into_bytes());
    }

    /// Changes the root and signs it and everything else again.
    pub fn root(&mut self, change: impl FnOnce(&mut Value)) {
        self.role("root", change);
        self.role("targets", |_| {});
    }

    /// Puts a target, truthfully signed.
    pub fn target(&mut self, name: &str, bytes: Vec<u8>) {
        let target =
            json!({"length": bytes.len(), "hashes": {"sha256": Digest::of(&bytes).to_string()}});
        self.files.insert(format!("repo/targets/{name}"), bytes);
        let name = name.to_owned();
        self.role("targets", |signed| signed["targets"][name] = target);
    }

    /// Changes a JSON target and signs it truthfully.
    pub fn target_json(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.json(&format!("repo/targets/{name}"));
        change(&mut value);
        self.target(name, value.to_string().into_bytes());
    }

    /// Changes `artifacts-v2.json`.
    pub fn artifacts(&mut self, change: impl FnOnce(&mut Value)) {
        self.target_json("artifacts-v2.json", change);
    }

    /// Changes the entry of one artifact.
    pub fn artifact(&mut self, target: &str, change: impl FnOnce(&mut Value)) {
        self.artifacts(|document| {
            let list = document["artifacts"].as_array_mut().unwrap();
            change(list.iter_mut().find(|artifact| artifact["target_name"] == target).unwrap());
        });
    }

    pub fn zip(&self) -> RawZip {
        let entries =
            self.files.iter().map(|(name, bytes)| RawEntry::new(name, bytes.clone())).collect();
        RawZip { entries, ..RawZip::default() }
    }
}

pub fn metadata(role: &str) -> String {
    match role {
        "root" => "repo/metadata/1.root.json".to_owned(),
        role => format!("repo/metadata/{role}.json"),
    }
}

/// A zip whose every field can be set.
#[derive(Default)]
pub struct RawZip {
    pub entries: Vec<RawEntry>,
    pub before: Vec<u8>,
    pub comment: Vec<u8>,
    pub after: Vec<u8>,
    /// Added to the count in the end record.
    pub count: u16,
}

pub struct RawEntry {
    pub name: String,
    pub local_name: String,
    pub data: Vec<u8>,
    pub crc32: u32,
    pub local_crc32: u32,
    pub size: u32,
    pub method: u16,
    pub flags: u16,
    pub local_flags: u16,
    pub attributes: u32,
    pub extra: Vec<u8>,
    pub comment: Vec<u8>,
    pub gap_before: usize,
    /// Use the local header and data of the entry before.
    pub same_place: bool,
}

impl RawEntry {
    pub fn new(name: &str, data: Vec<u8>) -> Self {
        let crc32 = crc32fast::hash(&data);
        Self {
            name: name.to_owned(),
            local_name: name.to_owned(),
            crc32,
            local_crc32: crc32,
            size: data.len() as u32,
            data,
            method: 0,
            flags: 0,
            local_flags: 0,
            attributes: 0o100_644 << 16,
            extra: Vec::new(),
            comment: Vec::new(),
            gap_before: 0,
            same_place: false,
        }
    }
}

impl RawZip {
    pub fn entry(&mut self, name: &str) -> &mut RawEntry {
        self.entries.iter_mut().find(|entry| entry.name == name).unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        let mut central = Vec::new();
        let mut header = 0;
        for entry in &self.entries {
            if !entry.same_place {
                out.extend(vec![0; entry.gap_before]);
                header = out.len() as u32;
                out.extend(b"PK\x03\x04\x14\0");
                out.extend(entry.local_flags.to_le_bytes());
                out.extend(entry.method.to_le_bytes());
                out.extend([0, 0, 0x21, 0]);
                out.extend(entry.local_crc32.to_le_bytes());
                out.extend((entry.data.len() as u32).to_le_bytes());
                out.extend(entry.size.to_le_bytes());
                out.extend((entry.local_name.len() as u16).to_le_bytes());
                out.extend([0, 0]);
                out.extend(entry.local_name.as_bytes());
                out.extend(&entry.data);
            }
            central.extend(b"PK\x01\x02\x14\x03\x14\0");
            central.extend(entry.flags.to_le_bytes());
            central.extend(entry.method.to_le_bytes());
            central.extend([0, 0, 0x21, 0]);
            central.extend(entry.crc32.to_le_bytes());
            central.extend((entry.data.len() as u32).to_le_bytes());
            central.extend(entry.size.to_le_bytes());
            central.extend((entry.name.len() as u16).to_le_bytes());
            central.extend((entry.extra.len() as u16).to_le_bytes());
            central.extend((entry.comment.len() as u16).to_le_bytes());
            central.extend([0; 4]);
            central.extend(entry.attributes.to_le_bytes());
            central.extend(header.to_le_bytes());
            central.extend(entry.name.as_bytes());
            central.extend(&entry.extra);
            central.extend(&entry.comment);
        }
        let start = out.len() as u32;
        let count = self.entries.len() as u16 + self.count;
        out.extend(&central);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend((central.len() as u32).to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend((self.comment.len() as u16).to_le_bytes());
        out.extend(&self.comment);
        out.extend(&self.after);
        out
    }
}
