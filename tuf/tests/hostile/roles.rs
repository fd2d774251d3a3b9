//! Metadata that lies, or that strangers signed.

use super::*;

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
            "a version that nothing can follow",
            |f| f.role("timestamp", |t| t["version"] = json!(u64::MAX)),
            "tuf-form",
            "timestamp",
        ),
        (
            "a version in quotation marks",
            |f| f.role("timestamp", |t| t["version"] = json!("7")),
            "tuf-form",
            "timestamp",
        ),
        (
            "a second that does not come",
            |f| f.role("timestamp", |t| t["expires"] = json!("2026-12-31T23:59:60Z")),
            "tuf-expires-form",
            "timestamp",
        ),
        (
            "a day that does not come",
            |f| f.role("timestamp", |t| t["expires"] = json!("2027-02-30T00:00:00Z")),
            "tuf-expires-form",
            "timestamp",
        ),
        (
            "another role's file",
            |f| {
                let other = f.files[&metadata("snapshot")].clone();
                f.files.insert(metadata("timestamp"), other);
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "lists without end",
            |f| {
                let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
                f.files.insert(metadata("timestamp"), deep.into_bytes());
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "a file of blanks",
            |f| {
                f.files.get_mut(&metadata("timestamp")).unwrap().extend(vec![b' '; 2 << 20]);
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "a member beside what is signed",
            |f| {
                let mut value = f.json(&metadata("timestamp"));
                value["note"] = json!("x");
                f.files.insert(metadata("timestamp"), value.to_string().into_bytes());
            },
            "tuf-form",
            "timestamp",
        ),
        (
            "a second file in the snapshot",
            |f| {
                f.role("snapshot", |t| t["meta"]["x.json"] = json!({"version": 1}));
            },
            "tuf-form",
            "snapshot",
        ),
        (
            "a key that nobody uses under a false id",
            |f| f.root(|r| r["keys"]["0".repeat(64)] = public_key(9)),
            "tuf-key",
            "root",
        ),
        (
            "a key id twice",
            |f| {
                f.root(|r| {
                    let ids = r["roles"]["targets"]["keyids"].as_array_mut().unwrap();
                    ids.push(ids[0].clone());
                });
            },
            "tuf-key",
            "root",
        ),
        (
            "a promise of other names",
            |f| f.root(|r| r["consistent_snapshot"] = json!(true)),
            "tuf-missing",
            "snapshot",
        ),
        (
            "a hash in capitals",
            |f| {
                f.role("targets", |t| {
                    let hash = &mut t["targets"]["zones/ntp.tar.gz"]["hashes"]["sha256"];
                    *hash = json!(hash.as_str().unwrap().to_uppercase());
                });
            },
            "target-hash",
            "zones/ntp.tar.gz",
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
        refused(case, &ground.verify_directory(&forge), id, subject);
    }
}
