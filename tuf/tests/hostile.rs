//! Repositories that are wrong in one way each: all are refused, and the refusal names the entry
//! and the reason.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::PathBuf;

use common::forge::{Forge, RawEntry, RawZip, canonical, key_id, metadata, pair, public_key};
use common::{Sample, VERSION, boot_image, build_time, zone_image};
use serde_json::{Value, json};
use tuf::{Outcome, VerifyOptions, VerifyReport};

struct Ground {
    sample: Sample,
    zip: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let sample = Sample::new();
        let (zip, _) = sample.build();
        Self { sample, zip }
    }

    fn forge(&self) -> Forge {
        Forge::open(&self.zip)
    }

    fn verify_bytes(&self, bytes: &[u8]) -> VerifyReport {
        let path = self.sample.path().join("hostile.zip");
        std::fs::write(&path, bytes).unwrap();
        tuf::verify(&path, &VerifyOptions::at(build_time())).unwrap()
    }
}

/// The report must refuse, for this reason, about this entry.
fn refused(case: &str, report: &VerifyReport, id: &str, subject: &str) {
    assert_eq!(report.outcome(), Outcome::Refused, "{case}: {report}");
    assert!(
        report.problems.iter().any(|p| p.id.as_str() == id && p.subject.contains(subject)),
        "{case}: no {id} about {subject:?} in\n{report}"
    );
}

const NTP: &str = "repo/targets/zones/ntp.tar.gz";
const ROM: &str = "repo/targets/os-host/cosmo.rom";

#[test]
fn the_forge_itself_makes_sound_repositories() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    assert!(ground.verify_bytes(&forge.zip().bytes()).outcome().is_ok());
    forge.root(|_| {});
    forge.artifacts(|_| {});
    let report = ground.verify_bytes(&forge.zip().bytes());
    assert!(report.outcome().is_ok(), "{report}");
}

#[test]
fn containers() {
    type Change = fn(&mut RawZip);
    let cases: &[(&str, Change, &str, &str)] = &[
        ("trailing bytes", |z| z.after = b"\0".to_vec(), "zip-end", "archive"),
        ("an archive comment", |z| z.comment = b"hello".to_vec(), "zip-end", "archive"),
        ("leading bytes", |z| z.before = b"MZ".to_vec(), "zip-gap", "repo/metadata/1.root.json"),
        ("a wrong count", |z| z.count = 1, "zip-directory", "archive"),
        ("an empty archive", |z| z.entries.clear(), "tuf-missing", "1.root.json"),
        (
            "an entry twice",
            |z| {
                let copy = RawEntry::new(NTP, z.entry(NTP).data.clone());
                z.entries.push(copy);
            },
            "zip-duplicate",
            NTP,
        ),
        (
            "an entry twice with other contents",
            |z| z.entries.insert(0, RawEntry::new(NTP, b"other".to_vec())),
            "zip-duplicate",
            NTP,
        ),
        (
            "names that differ in case",
            |z| z.entries.push(RawEntry::new("repo/targets/zones/NTP.tar.gz", Vec::new())),
            "zip-duplicate",
            "NTP",
        ),
        (
            "a file that is a folder",
            |z| z.entries.push(RawEntry::new("repo/targets/zones", Vec::new())),
            "zip-duplicate",
            "zones",
        ),
        (
            "an unsigned target",
            |z| z.entries.push(RawEntry::new("repo/targets/extra", Vec::new())),
            "zip-unsigned",
            "repo/targets/extra",
        ),
        (
            "unsigned metadata",
            |z| z.entries.push(RawEntry::new("repo/metadata/3.root.json", b"{}".to_vec())),
            "zip-unsigned",
            "3.root.json",
        ),
        (
            "a file outside",
            |z| z.entries.push(RawEntry::new("README", Vec::new())),
            "zip-name",
            "README",
        ),
        (
            "a path upwards",
            |z| z.entries.push(RawEntry::new("repo/targets/../../etc/passwd", Vec::new())),
            "zip-name",
            "etc/passwd",
        ),
        (
            "an absolute name",
            |z| z.entries.push(RawEntry::new("/repo/targets/x", Vec::new())),
            "zip-name",
            "/repo",
        ),
        (
            "a backslash",
            |z| z.entries.push(RawEntry::new("repo/targets/..\\x", Vec::new())),
            "zip-name",
            "..\\x",
        ),
        (
            "a NUL",
            |z| z.entries.push(RawEntry::new("repo/targets/x\0y", Vec::new())),
            "zip-name",
            "repo/targets/x",
        ),
        (
            "a name in need of normalizing",
            |z| z.entry(NTP).name = "repo/targets/x/../zones/ntp.tar.gz".to_owned(),
            "zip-name",
            "x/../zones",
        ),
        ("a symlink", |z| z.entry(ROM).attributes = 0o120_777 << 16, "zip-type", ROM),
        ("a device", |z| z.entry(ROM).attributes = 0o020_666 << 16, "zip-type", ROM),
        ("a fifo", |z| z.entry(ROM).attributes = 0o010_666 << 16, "zip-type", ROM),
        (
            "a folder entry",
            |z| z.entries.push(RawEntry::new("repo/targets/zones/", Vec::new())),
            "zip-type",
            "repo/targets/zones/",
        ),
        ("a folder by its attributes", |z| z.entry(ROM).attributes |= 0x10, "zip-type", ROM),
        (
            "an encrypted entry",
            |z| {
                z.entry(ROM).flags = 1;
                z.entry(ROM).local_flags = 1;
            },
            "zip-header",
            ROM,
        ),
        ("an unknown flag", |z| z.entry(ROM).flags = 0x2000, "zip-header", ROM),
        ("a comment", |z| z.entry(ROM).comment = b"x".to_vec(), "zip-header", ROM),
        (
            "another name in an extra field",
            |z| z.entry(ROM).extra = b"\x75\x70\x01\0x".to_vec(),
            "zip-header",
            ROM,
        ),
        ("zip64 sizes", |z| z.entry(ROM).extra = b"\x01\0\0\0".to_vec(), "zip-header", ROM),
        (
            "a broken extra field",
            |z| z.entry(ROM).extra = b"UT\xff\xff".to_vec(),
            "zip-header",
            ROM,
        ),
        ("bzip2", |z| z.entry(ROM).method = 12, "zip-method", ROM),
        (
            "another local name",
            |z| z.entry(ROM).local_name = ROM.replace("cosmo", "gimle"),
            "zip-local",
            ROM,
        ),
        ("another local checksum", |z| z.entry(ROM).local_crc32 ^= 1, "zip-local", ROM),
        ("other local flags", |z| z.entry(ROM).local_flags = 8, "zip-local", ROM),
        (
            "a missing descriptor",
            |z| {
                z.entry(ROM).local_flags = 8;
                z.entry(ROM).flags = 8;
            },
            "zip-local",
            ROM,
        ),
        (
            "shared data",
            |z| {
                let mut copy = RawEntry::new(ROM, z.entry(ROM).data.clone());
                copy.same_place = true;
                copy.name = "repo/targets/os-host/other.txt".to_owned();
                let at = z.entries.iter().position(|e| e.name == ROM).unwrap();
                z.entries.insert(at + 1, copy);
            },
            "zip-overlap",
            "repo/targets/os-host",
        ),
        ("bytes that belong to nothing", |z| z.entry(ROM).gap_before = 3, "zip-gap", ROM),
        ("two sizes of stored data", |z| z.entry(ROM).size -= 1, "zip-size", ROM),
        (
            "a bomb",
            |z| {
                z.entry(ROM).method = 8;
                z.entry(ROM).data = vec![0; 10];
                z.entry(ROM).size = 0xffff_fff0;
            },
            "zip-size",
            ROM,
        ),
        (
            "a wrong checksum",
            |z| {
                z.entry(ROM).crc32 ^= 1;
                z.entry(ROM).local_crc32 ^= 1;
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        ("a flipped bit", |z| z.entry(ROM).data[100] ^= 1, "zip-data", "os-host/cosmo.rom"),
        (
            "a flipped bit with the right checksum",
            |z| {
                let mut data = z.entry(ROM).data.clone();
                data[100] ^= 1;
                *z.entry(ROM) = RawEntry::new(ROM, data);
            },
            "target-hash",
            "os-host/cosmo.rom",
        ),
        (
            "damaged deflate",
            |z| {
                z.entry(ROM).method = 8;
                z.entry(ROM).data = vec![0xff; z.entry(ROM).data.len() / 2];
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        (
            "bytes after the end of deflate",
            |z| {
                let data = z.entry(ROM).data.clone();
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                std::io::Write::write_all(&mut encoder, &data).unwrap();
                z.entry(ROM).method = 8;
                z.entry(ROM).data = encoder.finish().unwrap();
                z.entry(ROM).data.extend(b"hidden");
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        (
            "a truncated target",
            |z| {
                let mut data = z.entry(ROM).data.clone();
                data.pop();
                *z.entry(ROM) = RawEntry::new(ROM, data);
            },
            "target-length",
            "os-host/cosmo.rom",
        ),
        (
            "a missing target",
            |z| z.entries.retain(|e| e.name != ROM),
            "target-missing",
            "os-host/cosmo.rom",
        ),
        (
            "a missing root",
            |z| z.entries.retain(|e| !e.name.contains("root")),
            "tuf-missing",
            "1.root.json",
        ),
        (
            "a missing timestamp",
            |z| z.entries.retain(|e| !e.name.contains("timestamp")),
            "tuf-missing",
            "timestamp",
        ),
        (
            "a missing snapshot",
            |z| z.entries.retain(|e| !e.name.contains("snapshot")),
            "tuf-missing",
            "snapshot",
        ),
        (
            "missing targets",
            |z| z.entries.retain(|e| !e.name.contains("targets.json")),
            "tuf-missing",
            "targets.json",
        ),
    ];
    let ground = Ground::new();
    for (case, change, id, subject) in cases {
        let mut zip = ground.forge().zip();
        change(&mut zip);
        refused(case, &ground.verify_bytes(&zip.bytes()), id, subject);
    }
}

#[test]
fn whole_files() {
    let ground = Ground::new();
    let good = std::fs::read(&ground.zip).unwrap();
    refused("empty", &ground.verify_bytes(b""), "zip-end", "archive");
    refused("noise", &ground.verify_bytes(&[0x5a; 5000]), "zip-end", "archive");
    for cut in [1, 21, 22, 23, 500, good.len() / 2, good.len() - 10] {
        refused("cut", &ground.verify_bytes(&good[..good.len() - cut]), "zip-end", "archive");
    }
    let mut hole = good.clone();
    hole.drain(1000..1100);
    refused("a hole", &ground.verify_bytes(&hole), "zip-directory", "archive");
    let mut prefixed = b"#!/bin/sh\n".to_vec();
    prefixed.extend(&good);
    refused("a prefix", &ground.verify_bytes(&prefixed), "zip-directory", "archive");
}

/// No flipped bit that means anything goes unseen. What is left are permissions, which nobody
/// applies, and the version of the maker. (Entries are stored here: deflate has several forms of
/// the same bytes, and what is signed are the bytes.)
#[test]
fn flipped_bits() {
    let ground = Ground::new();
    let good = ground.forge().zip().bytes();
    let mut state = 12345_usize;
    let mut unseen = Vec::new();
    for round in 0..400 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every other bit in the headers at the end.
        let range = if round % 2 == 0 { good.len() } else { 6000 };
        let at = good.len() - 1 - (state >> 20) % range;
        let mut bad = good.clone();
        bad[at] ^= 1 << (state >> 60 & 7);
        if ground.verify_bytes(&bad).outcome().is_ok() {
            // Central directory headers come last; nothing before them is without meaning.
            let header = good[..at].windows(4).rposition(|w| w == b"PK\x01\x02");
            unseen.push(header.map_or(at, |header| at - header));
        }
    }
    assert!(
        unseen.iter().all(|at| [4, 36, 38, 40, 41].contains(at)),
        "unseen at {unseen:?} of a header"
    );
}

#[test]
fn metadata_lies() {
    type Change = fn(&mut Forge);
    let cases: &[(&str, Change, &str, &str)] = &[
        (
            "a stranger signs",
            |f| {
                f.seeds = vec![8];
                f.role("targets", |_| {});
            },
            "tuf-signature",
            "timestamp.json",
        ),
        (
            "a stranger signs the targets only",
            |f| {
                f.seeds = vec![8];
                let signed = f.json(&metadata("targets"))["signed"].clone();
                f.put_signed(&metadata("targets"), signed);
                f.seeds = vec![7];
                f.role("snapshot", |_| {});
            },
            "tuf-hash",
            "targets.json",
        ),
        (
            "an unsigned change",
            |f| {
                let file = metadata("timestamp");
                let mut value = f.json(&file);
                value["signed"]["version"] = json!(99);
                f.files.insert(file, value.to_string().into_bytes());
            },
            "tuf-signature",
            "timestamp.json",
        ),
        (
            "no signatures",
            |f| {
                let file = metadata("timestamp");
                let mut value = f.json(&file);
                value["signatures"] = json!([]);
                f.files.insert(file, value.to_string().into_bytes());
            },
            "tuf-signature",
            "timestamp.json",
        ),
        (
            "a signature twice",
            |f| {
                f.seeds = vec![7, 7];
                f.role("timestamp", |_| {});
            },
            "tuf-signature",
            "timestamp.json",
        ),
        (
            "one key under two ids",
            |f| {
                let mut twin = public_key(7);
                twin["comment"] = json!("the same key again");
                let (id, twin_id) = (key_id(&public_key(7)), key_id(&twin));
                f.root(|root| {
                    root["keys"][&twin_id] = twin;
                    for role in ["root", "timestamp", "snapshot", "targets"] {
                        root["roles"][role] = json!({"keyids": [id, twin_id], "threshold": 2});
                    }
                });
                for role in ["root", "targets", "snapshot", "timestamp"] {
                    let file = metadata(role);
                    let mut value = f.json(&file);
                    let sig = hex::encode(pair(7).sign(&canonical(&value["signed"])));
                    value["signatures"] =
                        json!([{"keyid": id, "sig": sig}, {"keyid": twin_id, "sig": sig}]);
                    f.files.insert(file, value.to_string().into_bytes());
                }
            },
            "tuf-key",
            "1.root.json",
        ),
        (
            "a key id that is no hash",
            |f| {
                f.root(|root| {
                    let key = public_key(7);
                    root["keys"] = json!({"00": key});
                    for role in ["root", "timestamp", "snapshot", "targets"] {
                        root["roles"][role]["keyids"] = json!(["00"]);
                    }
                });
            },
            "tuf-key",
            "1.root.json",
        ),
        (
            "a threshold that one key cannot meet",
            |f| f.root(|root| root["roles"]["targets"]["threshold"] = json!(2)),
            "tuf-key",
            "1.root.json",
        ),
        (
            "a threshold of two with one signature",
            |f| {
                f.root(|root| {
                    let (a, b) = (public_key(7), public_key(9));
                    let ids = json!([key_id(&a), key_id(&b)]);
                    root["keys"][key_id(&b)] = b.clone();
                    root["roles"]["targets"] = json!({"keyids": ids, "threshold": 2});
                });
            },
            "tuf-signature",
            "targets.json",
        ),
        (
            "a threshold of none",
            |f| f.root(|r| r["roles"]["targets"]["threshold"] = json!(0)),
            "tuf-key",
            "root",
        ),
        ("a role without keys", |f| f.root(|r| r["roles"] = json!({})), "tuf-key", "1.root.json"),
        (
            "an unknown kind of key",
            |f| f.root(|r| r["keys"]["00"] = json!({"keytype": "x"})),
            "tuf-key",
            "root",
        ),
        (
            "a root of another version",
            |f| f.root(|r| r["version"] = json!(2)),
            "tuf-root",
            "1.root.json",
        ),
        (
            "a second root that the first did not sign",
            |f| {
                let mut signed = f.json(&metadata("root"))["signed"].clone();
                signed["version"] = json!(2);
                let stranger = public_key(8);
                let id = key_id(&stranger);
                signed["keys"] = json!({});
                signed["keys"][&id] = stranger;
                for role in ["root", "timestamp", "snapshot", "targets"] {
                    signed["roles"][role]["keyids"] = json!([id]);
                }
                f.seeds = vec![8];
                f.put_signed("repo/metadata/2.root.json", signed);
                f.role("targets", |_| {});
            },
            "tuf-signature",
            "2.root.json",
        ),
        (
            "a snapshot of another version",
            |f| f.role("timestamp", |t| t["meta"]["snapshot.json"]["version"] = json!(1)),
            "tuf-version",
            "snapshot",
        ),
        (
            "targets of another version",
            |f| {
                f.role("snapshot", |t| t["meta"]["targets.json"]["version"] = json!(1));
            },
            "tuf-version",
            "targets.json",
        ),
        (
            "a wrong length",
            |f| f.role("timestamp", |t| t["meta"]["snapshot.json"]["length"] = json!(1)),
            "tuf-hash",
            "snapshot",
        ),
        (
            "a wrong hash",
            |f| {
                f.role("timestamp", |t| {
                    t["meta"]["snapshot.json"]["hashes"]["sha256"] = json!("00")
                });
            },
            "tuf-hash",
            "snapshot",
        ),
        (
            "an unknown hash",
            |f| {
                f.role("timestamp", |t| t["meta"]["snapshot.json"]["hashes"]["md5"] = json!("00"));
            },
            "tuf-hash",
            "snapshot",
        ),
        (
            "a second file in the timestamp",
            |f| {
                f.role("timestamp", |t| t["meta"]["x.json"] = json!({"version": 1}));
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "nothing in the timestamp",
            |f| f.role("timestamp", |t| t["meta"] = json!({})),
            "tuf-form",
            "timestamp",
        ),
        (
            "another type",
            |f| f.role("timestamp", |t| t["_type"] = json!("snapshot")),
            "tuf-form",
            "timestamp",
        ),
        (
            "another specification",
            |f| f.role("timestamp", |t| t["spec_version"] = json!("2.0.0")),
            "tuf-form",
            "timestamp",
        ),
        (
            "version none",
            |f| f.role("timestamp", |t| t["version"] = json!(0)),
            "tuf-form",
            "timestamp",
        ),
        (
            "a broken number",
            |f| {
                let text = String::from_utf8(f.files[&metadata("timestamp")].clone()).unwrap();
                f.files.insert(
                    metadata("timestamp"),
                    text.replace("\"length\":", "\"x\":1.5,\"length\":").into_bytes(),
                );
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "a member twice",
            |f| {
                let text = String::from_utf8(f.files[&metadata("timestamp")].clone()).unwrap();
                f.files.insert(
                    metadata("timestamp"),
                    text.replacen('{', "{\"signed\":{},", 1).into_bytes(),
                );
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "no JSON",
            |f| {
                f.files.insert(metadata("snapshot"), b"<xml/>".to_vec());
                f.role("timestamp", |_| {});
            },
            "tuf-form",
            "snapshot",
        ),
        (
            "a time of another form",
            |f| f.role("timestamp", |t| t["expires"] = json!("2026-11-27 15:13:08")),
            "tuf-expires-form",
            "timestamp",
        ),
        (
            "a delegation",
            |f| f.role("targets", |t| t["delegations"]["roles"] = json!([{"name": "x"}])),
            "tuf-delegation",
            "targets.json",
        ),
        (
            "a target upwards",
            |f| {
                f.role("targets", |t| {
                    t["targets"]["../x"] = t["targets"]["zones/ntp.tar.gz"].clone()
                });
            },
            "target-name",
            "../x",
        ),
        (
            "a signed length that is longer",
            |f| {
                f.role("targets", |t| t["targets"]["zones/ntp.tar.gz"]["length"] = json!(100_000));
            },
            "target-length",
            "zones/ntp.tar.gz",
        ),
        (
            "a signed length that is shorter",
            |f| {
                f.role("targets", |t| t["targets"]["zones/ntp.tar.gz"]["length"] = json!(10));
            },
            "target-length",
            "zones/ntp.tar.gz",
        ),
        (
            "a signed hash of something else",
            |f| {
                f.role("targets", |t| {
                    t["targets"]["zones/ntp.tar.gz"]["hashes"]["sha256"] = json!("0".repeat(64))
                });
            },
            "target-hash",
            "zones/ntp.tar.gz",
        ),
        (
            "a second hash that is wrong",
            |f| {
                f.role("targets", |t| {
                    t["targets"]["zones/ntp.tar.gz"]["hashes"]["sha512"] = json!("0".repeat(128))
                });
            },
            "target-hash",
            "zones/ntp.tar.gz",
        ),
        (
            "a weak hash alone",
            |f| {
                f.role("targets", |t| {
                    t["targets"]["zones/ntp.tar.gz"]["hashes"] = json!({"md5": "00"})
                });
            },
            "target-hash",
            "zones/ntp.tar.gz",
        ),
        (
            "a signed target that is not there",
            |f| {
                f.role("targets", |t| {
                    t["targets"]["zones/x"] = t["targets"]["zones/ntp.tar.gz"].clone()
                });
            },
            "target-missing",
            "zones/x",
        ),
    ];
    let ground = Ground::new();
    for (case, change, id, subject) in cases {
        let mut forge = ground.forge();
        change(&mut forge);
        refused(case, &ground.verify_bytes(&forge.zip().bytes()), id, subject);
    }
}

/// All of these are properly signed: the signer is careless, or lies.
#[test]
fn artifacts_lie() {
    type Change = fn(&mut Forge);
    const DOCUMENT: &str = "installinator_document-20.0.0-0.ci+git0123456789a.json";
    let cases: &[(&str, Change, &str, &str)] = &[
        (
            "no document",
            |f| {
                f.files.remove("repo/targets/artifacts-v2.json");
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove("artifacts-v2.json");
                });
            },
            "artifacts-document",
            "artifacts-v2.json",
        ),
        (
            "a document of nonsense",
            |f| f.target("artifacts-v2.json", b"[]".to_vec()),
            "artifacts-document",
            "artifacts",
        ),
        (
            "an unknown member",
            |f| f.artifacts(|d| d["x"] = json!(1)),
            "artifacts-document",
            "artifacts",
        ),
        (
            "unknown metadata",
            |f| f.artifacts(|d| d["metadata"]["x"] = json!("y")),
            "artifacts-document",
            "artifacts",
        ),
        (
            "no semantic version",
            |f| f.artifacts(|d| d["system_version"] = json!("20")),
            "system-version",
            "artifacts",
        ),
        (
            "an unknown kind",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["kind"] = json!("toaster")),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a missing tag",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"] = json!({"kind": "zone"})),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a tag too many",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["x"] = json!("y")),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a bad version",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["version"] = json!("1 2")),
            "artifact-version",
            "zones/ntp.tar.gz",
        ),
        (
            "another version than the zone's",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["version"] = json!("1.0.0")),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "another name than the zone's",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["zone_name"] = json!("dns")),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "another version than the system's",
            |f| f.artifact("os-host/zfs.img", |a| a["version"] = json!("1.0.0")),
            "artifact-version",
            "os-host/zfs.img",
        ),
        (
            "an unsigned artifact",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["target_name"] = json!("zones/x.tar.gz")),
            "artifact-target",
            "zones/x.tar.gz",
        ),
        (
            "an artifact twice",
            |f| {
                f.artifacts(|d| {
                    let first = d["artifacts"][0].clone();
                    d["artifacts"].as_array_mut().unwrap().push(first);
                })
            },
            "artifact-target",
            "",
        ),
        (
            "two of one kind",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["zone_name"] = json!("nexus")),
            "artifact-duplicate",
            "zones/n",
        ),
        (
            "ROMs exchanged",
            |f| {
                f.artifact("os-host/cosmo.rom", |a| a["tags"]["os_board"] = json!("x"));
                f.artifact("os-host/gimlet.rom", |a| a["tags"]["os_board"] = json!("cosmo"));
            },
            "artifact-name",
            "os-host/gimlet.rom",
        ),
        (
            "a missing ROM",
            |f| f.artifact("os-host/cosmo.rom", |a| a["tags"]["os_board"] = json!("x")),
            "artifact-missing",
            "artifacts",
        ),
        (
            "no installinator document",
            |f| {
                f.files.remove(&format!("repo/targets/{DOCUMENT}"));
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove(DOCUMENT);
                });
                f.artifacts(|d| {
                    d["artifacts"].as_array_mut().unwrap().retain(|a| a["target_name"] != DOCUMENT)
                });
            },
            "artifact-missing",
            "artifacts",
        ),
        (
            "an installinator document of nonsense",
            |f| f.target(DOCUMENT, b"{}".to_vec()),
            "installinator-document",
            DOCUMENT,
        ),
        (
            "one of another version",
            |f| f.target_json(DOCUMENT, |d| d["system_version"] = json!("1.0.0")),
            "installinator-document",
            DOCUMENT,
        ),
        (
            "one with a wrong hash",
            |f| f.target_json(DOCUMENT, |d| d["artifacts"][0]["hash"] = json!("0".repeat(64))),
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that lists too little",
            |f| {
                f.target_json(DOCUMENT, |d| {
                    d["artifacts"].as_array_mut().unwrap().pop();
                })
            },
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that lists too much",
            |f| {
                f.target_json(DOCUMENT, |d| {
            d["artifacts"].as_array_mut().unwrap().push(json!({"kind": "zone", "zone_name": "x", "hash": "0".repeat(64), "name": "x"}));
        })
            },
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that was not made anew",
            |f| f.target("zones/ntp.tar.gz", zone_image("ntp", VERSION, b"newer")),
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "a zone that is none",
            |f| f.target("zones/ntp.tar.gz", b"hello".to_vec()),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "a zone elsewhere",
            |f| {
                let bytes = f.files.remove(NTP).unwrap();
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove("zones/ntp.tar.gz");
                });
                f.target("ntp.tar.gz", bytes);
                f.artifact("zones/ntp.tar.gz", |a| a["target_name"] = json!("ntp.tar.gz"));
            },
            "artifact-name",
            "ntp.tar.gz",
        ),
        (
            "an image without a header",
            |f| f.target("os-host/zfs.img", vec![1; 5000]),
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "an image of other bytes",
            |f| {
                let mut image = boot_image(&[3; 10_000], "ci", false);
                image[9000] ^= 1;
                f.target("os-host/zfs.img", image);
            },
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "a compressed image that is cut",
            |f| {
                let mut image = boot_image(&[3; 10_000], "recovery", true);
                image.pop();
                f.target("os-recovery/zfs.img", image);
            },
            "artifact-contents",
            "os-recovery/zfs.img",
        ),
    ];
    let ground = Ground::new();
    for (case, change, id, subject) in cases {
        let mut forge = ground.forge();
        change(&mut forge);
        refused(case, &ground.verify_bytes(&forge.zip().bytes()), id, subject);
    }
}

#[test]
fn expiry_has_its_own_outcome() {
    let ground = Ground::new();
    let at =
        |time: &str| tuf::verify(&ground.zip, &VerifyOptions::at(time.parse().unwrap())).unwrap();
    assert!(at("2026-11-27T15:13:07Z").outcome().is_ok());
    let late = at("2026-11-27T15:13:08Z");
    assert_eq!(late.outcome(), Outcome::Expired);
    assert_eq!(late.problems.len(), 4, "{late}");
    assert!(late.to_string().contains("expired"));

    // A fault besides is a fault.
    let mut forge = ground.forge();
    forge.target("zones/ntp.tar.gz", b"hello".to_vec());
    let path = ground.sample.path().join("late.zip");
    std::fs::write(&path, forge.zip().bytes()).unwrap();
    let report = tuf::verify(&path, &VerifyOptions::at("2030-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(report.unwrap().outcome(), Outcome::Refused);
}

#[test]
fn a_fraction_in_the_expiry_is_tolerated_loudly() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    forge.role("timestamp", |t| t["expires"] = json!("2026-11-27T15:13:08.999999999Z"));
    let report = ground.verify_bytes(&forge.zip().bytes());
    assert!(report.outcome().is_ok(), "{report}");
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].to_string().contains("whole seconds"), "{report}");
}

#[test]
fn trust_is_the_callers() {
    let ground = Ground::new();
    let verify = |root: &Value| {
        let file = ground.sample.path().join("root.json");
        std::fs::write(&file, root.to_string()).unwrap();
        tuf::verify(
            &ground.zip,
            &VerifyOptions { trust_root: Some(file), ..VerifyOptions::at(build_time()) },
        )
    };
    let forge = ground.forge();
    let own: Value = forge.json(&metadata("root"));

    // Somebody else's root of the same version.
    let stranger = public_key(8);
    let id = key_id(&stranger);
    let mut signed = own["signed"].clone();
    signed["keys"] = json!({});
    signed["keys"][&id] = stranger;
    for role in ["root", "timestamp", "snapshot", "targets"] {
        signed["roles"][role]["keyids"] = json!([id]);
    }
    let sig = hex::encode(pair(8).sign(&canonical(&signed)));
    let other = json!({"signed": signed, "signatures": [{"keyid": id, "sig": sig}]});
    let report = verify(&other).unwrap();
    refused("a stranger's root", &report, "tuf-trust", "1.root.json");
    refused("a stranger's root", &report, "tuf-signature", "timestamp.json");

    // What is no root is an error, not a verdict on the zip.
    assert!(verify(&json!({})).is_err());
    assert!(verify(&forge.json(&metadata("timestamp"))).is_err());
    let mut unsigned = own;
    unsigned["signatures"] = json!([]);
    assert!(verify(&unsigned).is_err());
}

#[test]
fn roots_may_be_replaced() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    let mut signed = forge.json(&metadata("root"))["signed"].clone();
    let successor = public_key(9);
    let id = key_id(&successor);
    signed["version"] = json!(2);
    signed["keys"] = json!({});
    signed["keys"][&id] = successor;
    for role in ["root", "timestamp", "snapshot", "targets"] {
        signed["roles"][role]["keyids"] = json!([id]);
    }
    forge.seeds = vec![7, 9];
    forge.put_signed("repo/metadata/2.root.json", signed);
    forge.seeds = vec![9];
    forge.role("targets", |_| {});
    let report = ground.verify_bytes(&forge.zip().bytes());
    assert!(report.outcome().is_ok(), "{report}");
    assert_eq!(report.root_version, Some(2));
}

#[test]
fn parts_of_a_repository_can_be_judged() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    forge.artifact("os-host/cosmo.rom", |a| a["tags"]["os_board"] = json!("cosmo2"));
    let path = ground.sample.path().join("part.zip");
    std::fs::write(&path, forge.zip().bytes()).unwrap();
    let verify = |complete| {
        tuf::verify(&path, &VerifyOptions { complete, ..VerifyOptions::at(build_time()) }).unwrap()
    };
    let missing = |report: VerifyReport| {
        report.problems.iter().filter(|p| p.id == tuf::ProblemId::ArtifactMissing).count()
    };
    assert_eq!(missing(verify(true)), 1);
    assert_eq!(missing(verify(false)), 0);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let ground = Ground::new();
    let options = VerifyOptions::at(build_time());
    assert!(tuf::verify(&ground.sample.path().join("missing.zip"), &options).is_err());
    assert!(tuf::verify("/dev/null".as_ref(), &options).is_err());
}
