//! Opens repositories, lists them and takes files out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::forge::Forge;
use common::{Sample, VERSION};
use proto::Digest;
use tuf::{Error, Repository};

#[test]
fn a_listing_has_everything() {
    let sample = Sample::new();
    let (zip, built) = sample.build();
    let listing = Repository::open(&zip, None).unwrap().listing();
    assert_eq!(listing.system_version.as_deref(), Some(VERSION));
    assert_eq!(listing.expires, built.expires);
    assert_eq!(listing.expiries.len(), 4);
    assert_eq!((listing.root_version, listing.version), (1, 1_795_187_588));
    let pairs: Vec<_> =
        listing.targets.iter().map(|t| (t.name.clone(), t.length, t.sha256, t.stored)).collect();
    let wanted: Vec<_> =
        built.targets.iter().map(|t| (t.name.clone(), t.length, t.sha256, t.stored)).collect();
    assert_eq!(pairs, wanted);
    let ntp = listing.targets.iter().find(|t| t.name == "zones/ntp.tar.gz").unwrap();
    assert_eq!(ntp.version.as_deref(), Some(VERSION));
    assert_eq!(ntp.tags.as_ref().unwrap()["zone_name"], "ntp");
    let text = listing.targets.iter().find(|t| t.name == "os-host/pkg-list.txt").unwrap();
    assert_eq!(text.tags, None);
}

#[test]
fn files_come_out_as_they_went_in() {
    let sample = Sample::new();
    let (zip, built) = sample.build();
    let repository = Repository::open(&zip, None).unwrap();
    let mut shown = Vec::new();
    repository.show("os-recovery/zfs.img", &mut shown).unwrap();
    assert!(shown == std::fs::read(sample.path().join("trampoline/zfs.img")).unwrap());
    assert_eq!(repository.metadata("1.root.json").unwrap(), built.root_json);
    assert_eq!(
        repository.metadata_names(),
        ["1.root.json", "snapshot.json", "targets.json", "timestamp.json"]
    );

    let out = sample.path().join("out");
    let names = repository.extract(&[], &out).unwrap();
    assert_eq!(names.len(), built.targets.len());
    for target in &built.targets {
        let bytes = std::fs::read(out.join(&target.name)).unwrap();
        assert_eq!(Digest::of(&bytes), target.sha256, "{}", target.name);
    }
    let one = sample.path().join("one");
    std::fs::create_dir(&one).unwrap(); // empty is as good as new
    repository.extract(&["zones/ntp.tar.gz".to_owned()], &one).unwrap();
    assert!(one.join("zones/ntp.tar.gz").exists() && !one.join("os-host").exists());
    let message = repository.extract(&[], &one).unwrap_err().to_string();
    assert!(message.contains("is not empty"), "{message}");
}

#[test]
fn what_is_damaged_does_not_come_out() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let mut forge = Forge::open(&zip);
    // Same length, sound zip, other contents than what was signed.
    let text = forge.files.get_mut("repo/targets/os-host/pkg-list.txt").unwrap();
    text[0] ^= 1;
    let damaged = sample.path().join("damaged.zip");
    std::fs::write(&damaged, forge.zip().bytes()).unwrap();
    let repository = Repository::open(&damaged, None).unwrap();
    let mut shown = Vec::new();
    let error = repository.show("os-host/pkg-list.txt", &mut shown).unwrap_err();
    assert!(error.to_string().contains("its sha256 is"), "{error}");
    assert!(shown.is_empty());
    let before = std::fs::read_dir(sample.path()).unwrap().count();
    let error = repository.extract(&[], &sample.path().join("out")).unwrap_err();
    assert!(matches!(&error, Error::Target { target, .. } if target == "os-host/pkg-list.txt"));
    assert_eq!(std::fs::read_dir(sample.path()).unwrap().count(), before);

    for name in ["nothing", "../metadata/1.root.json", "zones"] {
        assert!(repository.show(name, &mut shown).unwrap_err().to_string().contains("no such"));
        assert!(repository.metadata(name).is_err());
    }
}

#[test]
fn a_repository_that_is_not_signed_does_not_open() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let path = sample.path().join("forged.zip");
    let refused = |forge: &Forge, wanted: &str| {
        std::fs::write(&path, forge.zip().bytes()).unwrap();
        let error = Repository::open(&path, None).unwrap_err();
        let Error::Refused { problems, .. } = &error else { panic!("{error}") };
        assert!(problems.iter().any(|p| p.id.as_str() == wanted), "no {wanted}: {error}");
        assert!(error.to_string().contains("forged.zip is refused"));
    };
    let mut forge = Forge::open(&zip);
    forge.seeds = vec![8];
    forge.role("timestamp", |_| {});
    refused(&forge, "tuf-signature");
    let mut forge = Forge::open(&zip);
    forge.files.insert("repo/targets/extra".to_owned(), b"x".to_vec());
    refused(&forge, "zip-unsigned");
    let mut forge = Forge::open(&zip);
    forge.target("../../escape", b"x".to_vec());
    refused(&forge, "zip-name");
    let mut forge = Forge::open(&zip);
    forge.files.remove("repo/targets/zones/ntp.tar.gz");
    refused(&forge, "target-missing");

    let root = sample.path().join("other-root.json");
    let mut forge = Forge::open(&zip);
    forge.seeds = vec![9];
    std::fs::write(&root, &forge.files["repo/metadata/1.root.json"]).unwrap();
    assert!(Repository::open(&zip, Some(&root)).is_ok());
    std::fs::write(&root, b"{}").unwrap();
    assert!(Repository::open(&zip, Some(&root)).is_err());
    std::fs::write(&path, b"no zip").unwrap();
    assert!(matches!(Repository::open(&path, None), Err(Error::Refused { .. })));
}
