//! Edits and merges repositories and has the results judged, by ourselves and by others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Sample, VERSION, zone_image};
use tuf::{
    BuildReport, EditOptions, Error, Input, InstallinatorDocument, MergeOptions, Outcome,
    Repository, RootChange, SigningRoot, Variant, VerifyOptions,
};

/// After the sample was built, before it expires.
const LATER: &str = "2026-11-22T00:00:00Z";

fn options(sample: &Sample, zip: &Path) -> EditOptions {
    EditOptions {
        zip: zip.to_owned(),
        out: zip.to_owned(),
        trust_root: None,
        add: Vec::new(),
        replace: Vec::new(),
        remove: Vec::new(),
        system_version: None,
        keys: vec![sample.key()],
        root: SigningRoot::Own,
        expires_days: 7,
        build_time: LATER.parse().unwrap(),
        complete: true,
        digest: false,
    }
}

/// A repository, and the file with its root.
fn built(sample: &Sample) -> (PathBuf, PathBuf) {
    let (zip, built) = sample.build();
    let root = sample.path().join("root.json");
    std::fs::write(&root, &built.root_json).unwrap();
    (zip, root)
}

fn zone(sample: &Sample, file: &str, package: &str, content: &[u8]) -> Input {
    let path = sample.path().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, zone_image(package, VERSION, content)).unwrap();
    Input::zone(path)
}

/// Everybody's verdict.
fn assert_good(zip: &Path, root: Option<&Path>) {
    let trust_root = root.map(Path::to_owned);
    let options = VerifyOptions { trust_root, ..VerifyOptions::at(LATER.parse().unwrap()) };
    let report = tuf::verify(zip, &options).unwrap();
    assert_eq!(report.outcome(), Outcome::Ok, "{report}");
    assert_eq!(report.warnings, []);
    if let Some(mut unzip) = verifiers::require("unzip") {
        assert!(unzip.arg("-tqq").arg(zip).status().unwrap().success());
    }
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
    if let Some(mut python) = verifiers::require("python-tuf") {
        let output = python.arg(client).arg(zip).arg(LATER).args(root).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// Target name to length in the zip and hash.
fn targets(zip: &Path) -> BTreeMap<String, (u64, proto::Digest)> {
    let listing = Repository::open(zip, None).unwrap().listing();
    listing.targets.into_iter().map(|t| (t.name, (t.stored, t.sha256))).collect()
}

fn document(zip: &Path, version: &str) -> InstallinatorDocument {
    let mut text = Vec::new();
    let name = format!("installinator_document-{version}.json");
    Repository::open(zip, None).unwrap().show(&name, &mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_replaced_zone_is_in_every_document_and_the_rest_stays() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let before = targets(&zip);
    // Another file name with the same zone in it: what is replaced is found by tags.
    let replace = vec![zone(&sample, "new/ntp-2.tar.gz", "ntp", b"newer")];
    let add = vec![zone(&sample, "new/oximeter.tar.gz", "oximeter", b"more")];
    let remove = vec!["zones/nexus.tar.gz".to_owned(), "os-host/unix.z".to_owned()];
    let report =
        tuf::edit(&EditOptions { replace, add, remove, ..options(&sample, &zip) }).unwrap();
    assert_eq!(report.root, RootChange::Renewed);
    assert_eq!(report.system_version, VERSION);
    assert_good(&zip, Some(&root));

    let after = targets(&zip);
    let names =
        |all: &BTreeMap<String, (u64, proto::Digest)>| all.keys().cloned().collect::<Vec<_>>();
    let gone = ["zones/ntp.tar.gz", "zones/nexus.tar.gz", "os-host/unix.z"];
    let fresh = ["zones/ntp-2.tar.gz", "zones/oximeter.tar.gz"];
    let mut wanted = names(&before);
    wanted.retain(|name| !gone.contains(&name.as_str()));
    wanted.extend(fresh.map(str::to_owned));
    wanted.sort();
    assert_eq!(names(&after), wanted);
    let document_name = format!("installinator_document-{VERSION}.json");
    for (name, there) in &after {
        if before.contains_key(name) && name != "artifacts-v2.json" && *name != document_name {
            assert_eq!(before[name], *there, "{name}");
        }
    }
    let document = document(&zip, VERSION);
    let names: Vec<_> = document.artifacts.iter().map(|artifact| artifact.name()).collect();
    assert_eq!(names, ["zfs.img", "crucible.tar.gz", "ntp-2.tar.gz", "oximeter.tar.gz"]);
}

#[test]
fn compressed_bytes_are_copied_as_they_are() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let before = std::fs::read(&zip).unwrap();
    let out = sample.path().join("edited.zip");
    let replace = || vec![zone(&sample, "new/ntp.tar.gz", "ntp", b"newer")];
    let edit = || {
        let options = options(&sample, &zip);
        tuf::edit(&EditOptions { replace: replace(), out: out.clone(), ..options }).unwrap();
        std::fs::read(&out).unwrap()
    };
    let after = edit();
    assert!(after == edit(), "two edits differ");
    assert!(before == std::fs::read(&zip).unwrap());
    let open = |bytes: &[u8]| zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
    let (mut old, mut new) = (open(&before), open(&after));
    let name = "repo/targets/os-recovery/gimlet.rom";
    let (from, length) = {
        let entry = old.by_name(name).unwrap();
        assert!(entry.compressed_size() < entry.size() / 2);
        (entry.data_start().unwrap() as usize, entry.compressed_size() as usize)
    };
    let to = new.by_name(name).unwrap().data_start().unwrap() as usize;
    assert!(before[from..from + length] == after[to..to + length]);

    // A target that is damaged in the old zip is damaged in the new one, and found there.
    let mut damaged = before.clone();
    damaged[from + length / 2] ^= 1;
    std::fs::write(&zip, damaged).unwrap();
    edit();
    let report = tuf::verify(&out, &VerifyOptions::at(LATER.parse().unwrap())).unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert_eq!(report.problems[0].subject, "os-recovery/gimlet.rom");
}

#[test]
fn an_os_image_is_replaced_whole() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let directory = sample.path().join("host");
    let image = common::boot_image(b"another system", "ci host", false);
    std::fs::write(directory.join("zfs.img"), image).unwrap();
    std::fs::remove_file(directory.join("unix.z")).unwrap();
    std::fs::rename(directory.join("pkg-list.txt"), directory.join("packages.txt")).unwrap();
    let before = document(&zip, VERSION);
    let replace = vec![Input::OsImages { directory, variant: Variant::Host }];
    tuf::edit(&EditOptions { replace, ..options(&sample, &zip) }).unwrap();
    assert_good(&zip, Some(&root));
    let host: Vec<_> =
        targets(&zip).into_keys().filter(|name| name.starts_with("os-host/")).collect();
    let names = ["cosmo.rom", "gimlet.rom", "packages.txt", "zfs.img"];
    assert_eq!(host, names.map(|name| format!("os-host/{name}")));
    let after = document(&zip, VERSION);
    assert_ne!(before.artifacts[0], after.artifacts[0]);
    assert_eq!(before.artifacts[1..], after.artifacts[1..]);
}

#[test]
fn a_new_system_version_reaches_whatever_has_it() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let system_version = Some("20.1.0".to_owned());
    let report = tuf::edit(&EditOptions { system_version, ..options(&sample, &zip) }).unwrap();
    assert_good(&zip, Some(&root));
    let names: Vec<_> = targets(&zip).into_keys().collect();
    assert!(names.contains(&"installinator_document-20.1.0.json".to_owned()), "{names:?}");
    assert!(!names.contains(&format!("installinator_document-{VERSION}.json")));
    for artifact in &report.artifacts {
        let wanted = if artifact.tags["kind"] == "zone" { VERSION } else { "20.1.0" };
        assert_eq!(artifact.version, wanted, "{artifact:?}");
    }
}

#[test]
fn what_contradicts_the_repository_is_refused_and_nothing_changes() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let before = std::fs::read(&zip).unwrap();
    let refused = |change: &dyn Fn(&mut EditOptions), wanted: &str| {
        let mut options = options(&sample, &zip);
        change(&mut options);
        let error = tuf::edit(&options).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(std::fs::read(&zip).unwrap() == before);
        let left = std::fs::read_dir(sample.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".repo-"));
        assert!(!left);
    };
    let remove = |name: &str| vec![name.to_owned()];
    refused(&|o| o.remove = remove("zones/ghost.tar.gz"), "no such target");
    refused(&|o| o.remove = remove("artifacts-v2.json"), "made anew");
    refused(&|o| o.remove = remove(&format!("installinator_document-{VERSION}.json")), "made anew");
    refused(
        &|o| o.replace = vec![zone(&sample, "n/oximeter.tar.gz", "oximeter", b"")],
        "nothing that",
    );
    refused(&|o| o.add = vec![zone(&sample, "n/ntp-2.tar.gz", "ntp", b"x")], "the same tags");
    refused(&|o| o.add = vec![zone(&sample, "n/ntp.tar.gz", "ntp", b"x")], "different contents");
    refused(&|o| o.add = vec![zone(&sample, "n/NTP.tar.gz", "ntp9", b"x")], "case only");
    refused(&|o| o.keys = vec![sample.seeded_key(8)], "does not know the key");
    refused(&|o| o.keys.clear(), "no key was given");
    refused(&|o| o.system_version = Some("twenty".to_owned()), "semantic version");
    refused(&|o| o.expires_days = 0, "at least one day");

    // The same file once more is no contradiction.
    let add = vec![Input::zone(sample.path().join("ntp.tar.gz"))];
    tuf::edit(&EditOptions { add, ..options(&sample, &zip) }).unwrap();
    assert_good(&zip, None);
}

#[test]
fn a_new_root_is_for_those_without_the_keys() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let edit = EditOptions { keys: Vec::new(), root: SigningRoot::New, ..options(&sample, &zip) };
    let report = tuf::edit(&edit).unwrap();
    assert!(report.throwaway_key);
    assert_eq!(report.root, RootChange::New);
    assert_good(&zip, None);
    assert!(matches!(Repository::open(&zip, Some(&root)), Err(Error::Refused { .. })));
}

/// A repository of some of the sample's inputs.
fn part(sample: &Sample, out: &str, inputs: Vec<Input>) -> PathBuf {
    let options = tuf::BuildOptions { inputs, ..sample.options(out) };
    tuf::build(&options).unwrap();
    sample.path().join(out)
}

fn merge(sample: &Sample, zips: &[&PathBuf]) -> Result<BuildReport, Error> {
    tuf::merge(&MergeOptions {
        zips: zips.iter().map(|zip| (*zip).clone()).collect(),
        out: sample.path().join("merged.zip"),
        trust_root: None,
        system_version: None,
        keys: vec![sample.key()],
        root: SigningRoot::Own,
        expires_days: 7,
        build_time: LATER.parse().unwrap(),
        digest: true,
    })
}

#[test]
fn what_every_rack_needs_stays() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let before = std::fs::read(&zip).unwrap();
    let remove = || vec!["os-host/cosmo.rom".to_owned()];
    let edit = EditOptions { remove: remove(), ..options(&sample, &zip) };
    let error = tuf::edit(&edit).unwrap_err().to_string();
    assert!(error.contains("os_board=cosmo,os_variant=host"), "{error}");
    assert!(std::fs::read(&zip).unwrap() == before);
    let report = tuf::edit(&EditOptions { complete: false, ..edit }).unwrap();
    assert_eq!(report.missing().len(), 1);
    assert_eq!(report.sha256, None);
    // What is missing already keeps nobody from changing the rest.
    let remove = vec!["zones/ntp.tar.gz".to_owned()];
    let digest = true;
    let edit = EditOptions { remove, digest, ..options(&sample, &zip) };
    let report = tuf::edit(&edit).unwrap();
    assert_eq!(report.sha256, Some(proto::Digest::of(&std::fs::read(&zip).unwrap())));
}

#[test]
fn parts_become_one_whole() {
    let sample = Sample::new();
    let (whole, _) = built(&sample);
    let inputs = sample.inputs();
    let os = part(&sample, "os.zip", inputs[..2].to_vec());
    let zones = part(&sample, "zones.zip", inputs[2..].to_vec());
    // What both have is no contradiction.
    let both = part(&sample, "both.zip", inputs[1..3].to_vec());
    merge(&sample, &[&os, &zones, &both]).unwrap();
    let merged = sample.path().join("merged.zip");
    assert_good(&merged, None);
    assert_eq!(targets(&merged), targets(&whole));

    let other = zone(&sample, "n/ntp.tar.gz", "ntp", b"other");
    let other = part(&sample, "other.zip", vec![other]);
    let error = merge(&sample, &[&zones, &other]).unwrap_err().to_string();
    assert!(error.contains("zones.zip") && error.contains("different contents"), "{error}");
    let twin = zone(&sample, "n/twin.tar.gz", "ntp", b"other");
    let twin = part(&sample, "twin.zip", vec![twin]);
    let error = merge(&sample, &[&zones, &twin]).unwrap_err().to_string();
    assert!(error.contains("the same tags"), "{error}");
    let options =
        tuf::BuildOptions { system_version: "1.0.0".to_owned(), ..sample.options("v.zip") };
    tuf::build(&options).unwrap();
    let error = merge(&sample, &[&zones, &options.out]).unwrap_err().to_string();
    assert!(error.contains("system version"), "{error}");
    assert_eq!(targets(&merged), targets(&whole), "a failed merge changed the result");
}

#[test]
fn given_roots_stay_byte_for_byte() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let other = sample.path().join("again.zip");
    let with = |roots: Vec<PathBuf>, seeds: &[u8]| {
        let keys = seeds.iter().map(|seed| sample.seeded_key(*seed)).collect();
        tuf::build(&tuf::BuildOptions { roots, keys, ..sample.options("again.zip") })
    };
    let report = with(vec![root.clone()], &[7]).unwrap();
    assert_eq!(report.root, RootChange::Kept);
    assert_eq!(report.root_json, std::fs::read(&root).unwrap());
    assert!(std::fs::read(&other).unwrap() == std::fs::read(&zip).unwrap());
    assert_good(&other, Some(&root));

    // A chain, in any order; all of it is needed.
    let edit = EditOptions { build_time: LATER.parse().unwrap(), ..options(&sample, &zip) };
    assert_eq!(tuf::edit(&edit).unwrap().root, RootChange::Renewed);
    let second = sample.path().join("2.root.json");
    let text = Repository::open(&zip, None).unwrap().metadata("2.root.json").unwrap();
    std::fs::write(&second, text).unwrap();
    with(vec![second.clone(), root.clone()], &[7]).unwrap();
    assert_good(&other, Some(&root));
    assert_good(&other, Some(&second));

    std::fs::remove_file(&other).unwrap();
    for (roots, seeds, wanted) in [
        (vec![second.clone()], &[7][..], "version 1 was not given"),
        (vec![root.clone(), root.clone()], &[7], "the same version"),
        (vec![root.clone()], &[8], "does not know the key"),
        (vec![root.clone()], &[7, 8], "does not know the key"),
        (vec![root.clone()], &[], "no key was given"),
        (vec![zip.clone()], &[7], "no root to sign under"),
        (vec![sample.path().join("ghost.json")], &[7], "cannot read the root"),
    ] {
        let error = with(roots, seeds).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!other.exists());
    }
    // One letter of the root is another.
    let text = std::fs::read_to_string(&root).unwrap().replacen("2026-11-27", "2027-11-27", 1);
    let forged = sample.path().join("forged.json");
    std::fs::write(&forged, text).unwrap();
    let error = with(vec![forged], &[7]).unwrap_err().to_string();
    assert!(error.contains("signature"), "{error}");
}
