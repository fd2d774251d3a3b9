//! Compares repositories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::forge::Forge;
use common::{Sample, VERSION, gzip, tar_member, zone_image};
use tuf::{Change, Difference, Input, Repository};

fn diff(old: &Path, new: &Path) -> Difference {
    let open = |path| Repository::open(path, None).unwrap();
    tuf::diff(&open(old), &open(new)).unwrap()
}

#[test]
fn the_same_artifacts_are_no_difference() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    assert!(diff(&zip, &zip).is_empty());
    // Another key, another time: the artifacts are what counts.
    let mut options = sample.options("other.zip");
    options.keys = vec![sample.seeded_key(8)];
    options.build_time = "2026-12-01T00:00:00Z".parse().unwrap();
    tuf::build(&options).unwrap();
    let difference = diff(&zip, &options.out);
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn files_inside_zones_are_compared() {
    let sample = Sample::new();
    let (old, _) = sample.build();
    let mut tar = tar::Builder::new(Vec::new());
    let json = format!(r#"{{"v":"1","t":"layer","pkg":"ntp","version":"{VERSION}"}}"#);
    tar_member(&mut tar, "oxide.json", json.as_bytes());
    tar_member(&mut tar, "root/opt/new", b"new");
    tar_member(&mut tar, "root/opt/file", b"changed");
    std::fs::write(sample.path().join("ntp.tar.gz"), gzip(&tar.into_inner().unwrap())).unwrap();
    std::fs::write(sample.path().join("dns.tar.gz"), zone_image("dns", VERSION, b"x")).unwrap();
    let mut options = sample.options("new.zip");
    options.inputs.push(Input::zone(sample.path().join("dns.tar.gz")));
    options.inputs.remove(3); // crucible
    std::fs::write(sample.path().join("host/gimlet.rom"), b"another ROM").unwrap();
    tuf::build(&options).unwrap();

    let difference = diff(&old, &options.out);
    let text = difference.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "~ kind=os_phase1,os_board=gimlet,os_variant=host, 96000 -> 11 bytes");
    assert_eq!(lines[1], "- kind=zone,zone_name=crucible-zone");
    assert_eq!(lines[2], "+ kind=zone,zone_name=dns");
    assert!(lines[3].starts_with("~ kind=zone,zone_name=ntp, "), "{text}");
    assert_eq!(lines[4..], ["    ~ root/opt/file contents", "    + root/opt/new"]);
    assert_eq!(difference.system_version, None);

    let back = diff(&options.out, &old);
    let changes = |d: &Difference| d.artifacts.iter().map(|a| a.change).collect::<Vec<_>>();
    assert_eq!(changes(&back), [Change::Changed, Change::Added, Change::Removed, Change::Changed]);
    assert_eq!(back.artifacts[3].files[1].change, Change::Removed);
}

#[test]
fn a_new_version_is_a_change() {
    let sample = Sample::new();
    let build = |out: &str, version: &str| {
        let fake = hubris::Fake::new("SimGimletSp", version);
        let fake = hubris::Fake { image_name: Some("default"), ..fake };
        std::fs::write(sample.path().join("sp.zip"), fake.archive()).unwrap();
        let mut options = sample.options(out);
        options.inputs.push(Input::guess(sample.path().join("sp.zip")).unwrap());
        tuf::build(&options).unwrap();
        options.out
    };
    let difference = diff(&build("old.zip", "1.0.0"), &build("new.zip", "1.0.1"));
    let text = difference.to_string();
    assert!(
        text.starts_with(
            "~ kind=sp,sp_board=SimGimletSp, target sp/SimGimletSp-1.0.0.zip -> \
             sp/SimGimletSp-1.0.1.zip, version 1.0.0 -> 1.0.1, "
        ),
        "{text}"
    );
    assert_eq!(difference.artifacts.len(), 1);
    let json = serde_json::to_value(&difference).unwrap();
    assert_eq!(json["artifacts"][0]["change"], "changed");
    assert_eq!(json["artifacts"][0]["new"]["version"], "1.0.1");
}

#[test]
fn a_damaged_side_is_an_error() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let damaged = sample.path().join("damaged.zip");
    let mut forge = Forge::open(&zip);
    forge.target("zones/ntp.tar.gz", gzip(b"no tar at all"));
    std::fs::write(&damaged, forge.zip().bytes()).unwrap();
    let open = |path| Repository::open(path, None).unwrap();
    let error = tuf::diff(&open(&zip), &open(&damaged)).unwrap_err().to_string();
    assert!(error.contains("zones/ntp.tar.gz") && error.contains("no good archive"), "{error}");
}
