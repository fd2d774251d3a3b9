//! Repositories that are directories: as strict as for zips.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Sample, build_time};
use tuf::{Error, Outcome, RefreshOptions, Repository, SigningRoot, VerifyOptions, VerifyReport};

/// A repository, unpacked.
fn unpacked(sample: &Sample) -> PathBuf {
    let (zip, _) = sample.build();
    let directory = sample.path().join("unpacked");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    archive.extract(&directory).unwrap();
    directory
}

fn verify(directory: &Path) -> VerifyReport {
    tuf::verify(directory, &VerifyOptions::at(build_time())).unwrap()
}

#[test]
fn both_layouts_verify() {
    let sample = Sample::new();
    let directory = unpacked(&sample);
    for directory in [directory.clone(), directory.join("repo")] {
        let report = verify(&directory);
        assert_eq!(report.outcome(), Outcome::Ok, "{report}");
        assert_eq!(report.warnings, []);
        assert_eq!(report.sha256, None);
        assert_eq!(report.targets.len(), 15);
        assert!(report.targets.iter().all(|target| target.verified));
        assert!(report.size > 100_000);
    }
}

#[test]
fn one_fault_is_enough() {
    type Change = fn(&Path);
    let cases: &[(&str, &str, Change)] = &[
        ("target-hash", "zones/ntp.tar.gz", |d| {
            let path = d.join("repo/targets/zones/ntp.tar.gz");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[20] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("target-length", "zones/ntp.tar.gz", |d| {
            std::fs::write(d.join("repo/targets/zones/ntp.tar.gz"), b"x").unwrap();
        }),
        ("target-missing", "zones/ntp.tar.gz", |d| {
            std::fs::remove_file(d.join("repo/targets/zones/ntp.tar.gz")).unwrap();
        }),
        ("zip-unsigned", "repo/targets/extra", |d| {
            std::fs::write(d.join("repo/targets/extra"), b"x").unwrap();
        }),
        ("zip-name", "notes.txt", |d| std::fs::write(d.join("notes.txt"), b"x").unwrap()),
        ("zip-name", "repo/targets/a b", |d| {
            std::fs::write(d.join("repo/targets/a b"), b"x").unwrap();
        }),
        ("zip-duplicate", "repo/targets/zones/ntp.tar.gz", |d| {
            std::fs::write(d.join("repo/targets/zones/NTP.tar.gz"), b"x").unwrap();
        }),
        // A link to the right file is a link all the same.
        ("zip-type", "repo/targets/zones/ntp.tar.gz", |d| {
            let path = d.join("repo/targets/zones/ntp.tar.gz");
            std::fs::rename(&path, d.join("../ntp")).unwrap();
            symlink(d.join("../ntp"), path).unwrap();
        }),
        ("zip-type", "repo/targets/zones", |d| {
            std::fs::rename(d.join("repo/targets/zones"), d.join("../zones")).unwrap();
            symlink(d.join("../zones"), d.join("repo/targets/zones")).unwrap();
        }),
        ("zip-type", "repo/targets/pipe", |d| {
            let mkfifo =
                std::process::Command::new("mkfifo").arg(d.join("repo/targets/pipe")).status();
            assert!(mkfifo.unwrap().success());
        }),
        ("tuf-missing", "repo/metadata/snapshot.json", |d| {
            std::fs::remove_file(d.join("repo/metadata/snapshot.json")).unwrap();
        }),
        ("tuf-missing", "repo/metadata/1.root.json", |d| {
            std::fs::remove_dir_all(d.join("repo")).unwrap();
        }),
    ];
    for (id, subject, change) in cases {
        let sample = Sample::new();
        let directory = unpacked(&sample);
        change(&directory);
        let report = verify(&directory);
        assert_eq!(report.outcome(), Outcome::Refused, "{id}");
        let said = report.problems.iter().any(|p| p.id.as_str() == *id && p.subject == *subject);
        assert!(said, "{id} of {subject} is not in {report}");
    }
}

#[test]
fn what_can_be_read_of_a_zip_can_be_read_of_a_directory() {
    let sample = Sample::new();
    let directory = unpacked(&sample);
    let zip = Repository::open(&sample.build().0, None).unwrap();
    let unzipped = Repository::open(&directory, None).unwrap();
    let of = |repository: &Repository| {
        let targets = repository.listing().targets.into_iter();
        targets.map(|t| (t.name, t.length, t.sha256, t.version, t.tags)).collect::<Vec<_>>()
    };
    assert_eq!(of(&zip), of(&unzipped));
    assert_eq!(zip.metadata_names(), unzipped.metadata_names());
    for name in ["zones/ntp.tar.gz", "os-host/zfs.img"] {
        let [mut one, mut other] = [Vec::new(), Vec::new()];
        zip.show(name, &mut one).unwrap();
        unzipped.show(name, &mut other).unwrap();
        assert!(one == other && !one.is_empty(), "{name}");
    }
    assert!(tuf::diff(&zip, &unzipped).unwrap().is_empty());

    // what is not as signed is not handed out
    std::fs::write(directory.join("repo/targets/zones/ntp.tar.gz"), b"x").unwrap();
    let Error::Refused { problems, .. } = Repository::open(&directory, None).unwrap_err() else {
        panic!("it was not refused for what is in it")
    };
    assert_eq!(problems[0].id.as_str(), "target-length");
}

#[test]
fn only_a_zip_can_be_changed() {
    let sample = Sample::new();
    let directory = unpacked(&sample);
    let options = RefreshOptions {
        zip: directory.clone(),
        out: directory.clone(),
        trust_root: None,
        keys: vec![sample.key()],
        root: SigningRoot::Own,
        expires_days: 30,
        build_time: build_time(),
        digest: false,
    };
    let message = tuf::refresh(&options).unwrap_err().to_string();
    assert!(message.contains("is a directory; only a zip can be"), "{message}");
    assert_eq!(verify(&directory).outcome(), Outcome::Ok);
}
