//! What is judged, and by whose trust.

use super::*;

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
