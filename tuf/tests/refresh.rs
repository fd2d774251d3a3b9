//! Refreshes repositories and has the results judged, by ourselves and by python-tuf.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};

use common::forge::{Forge, key_id, public_key};
use common::{Sample, build_time};
use serde_json::json;
use tuf::{Error, Outcome, RefreshOptions, Repository, RootChange, SigningRoot, VerifyOptions};

/// After the metadata of the sample has expired.
const LATER: &str = "2026-12-01T00:00:00Z";

fn options(sample: &Sample, zip: &Path) -> RefreshOptions {
    RefreshOptions {
        zip: zip.to_owned(),
        out: zip.to_owned(),
        trust_root: None,
        keys: vec![sample.key()],
        root: SigningRoot::Own,
        expires_days: 30,
        build_time: LATER.parse().unwrap(),
        digest: false,
    }
}

fn outcome(zip: &Path, root: Option<&Path>, at: &str) -> Outcome {
    let trust_root = root.map(Path::to_owned);
    let options = VerifyOptions { trust_root, ..VerifyOptions::at(at.parse().unwrap()) };
    let report = tuf::verify(zip, &options).unwrap();
    if report.outcome() == Outcome::Refused {
        panic!("{report}");
    }
    assert_eq!(report.warnings, []);
    report.outcome()
}

fn python_accepts(zip: &Path, at: &str, root: &Path) -> Option<bool> {
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
    let mut python = verifiers::require("python-tuf")?;
    Some(python.arg(client).arg(zip).arg(at).arg(root).output().unwrap().status.success())
}

/// A repository and the file with its root.
fn built(sample: &Sample) -> (PathBuf, PathBuf) {
    let (zip, built) = sample.build();
    let root = sample.path().join("root.json");
    std::fs::write(&root, &built.root_json).unwrap();
    (zip, root)
}

#[test]
fn whoever_trusted_the_root_accepts_the_refreshed_repository() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let before = Repository::open(&zip, None).unwrap().listing();
    let root_before = std::fs::read(&root).unwrap();
    assert_eq!(outcome(&zip, Some(&root), LATER), Outcome::Expired);

    let report = tuf::refresh(&options(&sample, &zip)).unwrap();
    assert_eq!(report.expires.to_string(), "2026-12-31T00:00:00Z");
    assert_eq!(report.root, RootChange::Renewed);
    assert_eq!(outcome(&zip, Some(&root), LATER), Outcome::Ok);
    assert_eq!(outcome(&zip, Some(&root), "2026-12-31T00:00:00Z"), Outcome::Expired);
    let repository = Repository::open(&zip, Some(&root)).unwrap();
    let after = repository.listing();
    assert_eq!(after.targets, before.targets); // their compressed lengths too
    assert_eq!((after.root_version, after.version), (2, 1_796_083_200));
    assert_eq!(repository.metadata("1.root.json").unwrap(), root_before);
    assert_eq!(std::fs::metadata(&zip).unwrap().len(), report.size);
    if let Some(accepted) = python_accepts(&zip, LATER, &root) {
        assert!(accepted);
        assert!(!python_accepts(&zip, "2026-12-31T00:00:00Z", &root).unwrap());
    }

    // Once more within the same second: versions rise all the same.
    tuf::refresh(&options(&sample, &zip)).unwrap();
    let listing = Repository::open(&zip, Some(&root)).unwrap().listing();
    assert_eq!((listing.root_version, listing.version), (2, 1_796_083_201));
    let longer = RefreshOptions { expires_days: 31, ..options(&sample, &zip) };
    assert_eq!(tuf::refresh(&longer).unwrap().root, RootChange::Renewed);
    assert_eq!(outcome(&zip, Some(&root), "2026-12-31T12:00:00Z"), Outcome::Ok);
}

#[test]
fn compressed_bytes_are_taken_over_and_nothing_else_decides() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let write = |out: &str| {
        let out = sample.path().join(out);
        tuf::refresh(&RefreshOptions { out: out.clone(), ..options(&sample, &zip) }).unwrap();
        std::fs::read(out).unwrap()
    };
    let before = std::fs::read(&zip).unwrap();
    let after = write("one.zip");
    assert!(after == write("two.zip"));
    assert!(before == std::fs::read(&zip).unwrap());
    // Targets come first in a repository that we build, and only the times in their headers differ.
    let open = |bytes| zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let (mut old, mut new) = (open(before.clone()), open(after.clone()));
    let mut compared = 0;
    for index in 0..old.len() {
        let entry = old.by_index_raw(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        if !name.starts_with("repo/targets/") {
            continue;
        }
        let (from, length) =
            (entry.data_start().unwrap() as usize, entry.compressed_size() as usize);
        let other = new.by_name(&name).unwrap();
        let to = other.data_start().unwrap() as usize;
        assert_eq!(other.compressed_size() as usize, length);
        assert!(before[from..from + length] == after[to..to + length], "{name}");
        compared += 1;
    }
    assert_eq!(compared, 15);
}

#[test]
fn only_the_end_of_a_zip_is_written() {
    use std::os::unix::fs::MetadataExt as _;
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let before = std::fs::read(&zip).unwrap();
    let inode = || std::fs::metadata(&zip).unwrap().ino();
    let was = inode();
    let refreshed = RefreshOptions { digest: true, ..options(&sample, &zip) };
    let report = tuf::refresh(&refreshed).unwrap();
    assert_eq!(inode(), was);
    let after = std::fs::read(&zip).unwrap();
    assert_eq!(report.size, after.len() as u64);
    assert_eq!(report.sha256, Some(proto::Digest::of(&after)));
    let name = b"repo/metadata/1.root.json";
    let end = before.windows(name.len()).position(|window| window == name).unwrap() - 30;
    assert!(before[..end] == after[..end]);
    assert_eq!(outcome(&zip, Some(&root), LATER), Outcome::Ok);
    if let Some(mut unzip) = verifiers::require("unzip") {
        assert!(unzip.arg("-tqq").arg(&zip).status().unwrap().success());
    }
    let names: Vec<_> = std::fs::read_dir(sample.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(names.is_empty(), "{names:?}");

    // A zip with its metadata in front, as others write them, is written anew.
    let forge = Forge::open(&zip);
    std::fs::write(&zip, forge.zip().bytes()).unwrap();
    let was = inode();
    tuf::refresh(&options(&sample, &zip)).unwrap();
    assert_ne!(inode(), was);
    assert_eq!(outcome(&zip, Some(&root), LATER), Outcome::Ok);
}

#[test]
fn keys_of_a_stranger_are_refused_and_nothing_changes() {
    let sample = Sample::new();
    let (zip, root) = built(&sample);
    let before = std::fs::read(&zip).unwrap();
    let refused = |change: &dyn Fn(&mut RefreshOptions), wanted: &str| {
        let mut options = options(&sample, &zip);
        change(&mut options);
        let error = tuf::refresh(&options).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(std::fs::read(&zip).unwrap() == before);
        let beside = std::fs::read_dir(sample.path()).unwrap();
        assert!(
            !beside
                .into_iter()
                .any(|e| { e.unwrap().file_name().to_string_lossy().starts_with(".repo-") })
        );
    };
    refused(&|o| o.keys = vec![sample.seeded_key(8)], "does not know the key");
    refused(&|o| o.keys.push(sample.seeded_key(8)), "does not know the key");
    refused(&|o| o.keys.clear(), "no key was given");
    refused(&|o| o.expires_days = 0, "at least one day");
    refused(&|o| o.keys.push(sample.key()), "given twice");
    refused(&|o| o.out = sample.path().join("missing/repo.zip"), "create a file beside");

    // A new root has to be asked for; who trusted the old one will not take it.
    let renewed = RefreshOptions {
        keys: vec![sample.seeded_key(8)],
        root: SigningRoot::New,
        ..options(&sample, &zip)
    };
    assert_eq!(tuf::refresh(&renewed).unwrap().root, RootChange::New);
    assert_eq!(outcome(&zip, None, LATER), Outcome::Ok);
    assert!(matches!(Repository::open(&zip, Some(&root)), Err(Error::Refused { .. })));
}

#[test]
fn thresholds_and_roles_are_honoured() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let ids = [7, 8, 9].map(|seed| key_id(&public_key(seed)));
    // The root wants two of two; the other roles want the third key, alone.
    let mut forge = Forge::open(&zip);
    forge.seeds = vec![7, 8, 9];
    forge.root(|root| {
        for seed in [8, 9] {
            root["keys"][key_id(&public_key(seed))] = public_key(seed);
        }
        root["roles"]["root"] = json!({"keyids": [ids[0], ids[1]], "threshold": 2});
        for role in ["timestamp", "snapshot", "targets"] {
            root["roles"][role] = json!({"keyids": [ids[2]], "threshold": 1});
        }
    });
    // Each file has only the signatures that count.
    for (role, seeds) in
        [("root", vec![7, 8]), ("targets", vec![9]), ("snapshot", vec![9]), ("timestamp", vec![9])]
    {
        forge.seeds = seeds;
        if role == "root" {
            let signed = forge.json("repo/metadata/1.root.json")["signed"].clone();
            forge.put_signed("repo/metadata/1.root.json", signed);
        } else {
            forge.role(role, |_| {});
        }
    }
    let zip = sample.path().join("roles.zip");
    let root = sample.path().join("roles.json");
    std::fs::write(&zip, forge.zip().bytes()).unwrap();
    std::fs::write(&root, &forge.files["repo/metadata/1.root.json"]).unwrap();
    let run = |seeds: &[u8], at: &str| {
        let keys = seeds.iter().map(|seed| sample.seeded_key(*seed)).collect();
        let build_time = at.parse().unwrap();
        let out = sample.path().join("out.zip");
        let options = options(&sample, &zip);
        tuf::refresh(&RefreshOptions { keys, build_time, out, ..options })
    };
    let out = sample.path().join("out.zip");

    let error = run(&[7, 8], LATER).unwrap_err().to_string();
    assert!(error.contains("wants 1 signatures for targets; the keys given make 0"), "{error}");
    let error = run(&[9], LATER).unwrap_err().to_string();
    assert!(error.contains("root expired") && error.contains("wants 2 signatures"), "{error}");
    let error = run(&[9, 8], LATER).unwrap_err().to_string();
    assert!(error.contains("the keys given make 1"), "{error}");

    // While the root is good, the third key is enough; the root bounds the lease.
    let report = run(&[9], "2026-11-21T00:00:00Z").unwrap();
    assert_eq!(report.root, RootChange::Kept);
    assert_eq!(report.expires.to_string(), "2026-11-27T15:13:08Z");
    assert_eq!(outcome(&out, Some(&root), "2026-11-22T00:00:00Z"), Outcome::Ok);

    assert_eq!(run(&[7, 8, 9], LATER).unwrap().root, RootChange::Renewed);
    assert_eq!(outcome(&out, Some(&root), LATER), Outcome::Ok);
    if let Some(accepted) = python_accepts(&out, LATER, &root) {
        assert!(accepted);
    }
}

#[test]
fn names_with_hashes_and_versions_are_kept() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let mut forge = Forge::open(&zip);
    forge.root(|root| root["consistent_snapshot"] = true.into());
    let targets = forge.json("repo/metadata/targets.json")["signed"]["targets"].clone();
    for (name, target) in targets.as_object().unwrap() {
        let bytes = forge.files.remove(&format!("repo/targets/{name}")).unwrap();
        let (folder, base) = name.rsplit_once('/').map_or(("", &name[..]), |(f, b)| (f, b));
        let slash = if folder.is_empty() { "" } else { "/" };
        let hash = target["hashes"]["sha256"].as_str().unwrap();
        forge.files.insert(format!("repo/targets/{folder}{slash}{hash}.{base}"), bytes);
    }
    for role in ["targets", "snapshot"] {
        let text = forge.files.remove(&format!("repo/metadata/{role}.json")).unwrap();
        forge.files.insert(format!("repo/metadata/{}.{role}.json", build_time().as_second()), text);
    }
    std::fs::write(&zip, forge.zip().bytes()).unwrap();
    tuf::refresh(&options(&sample, &zip)).unwrap();
    assert_eq!(outcome(&zip, None, LATER), Outcome::Ok);
    let names = Repository::open(&zip, None).unwrap().metadata_names();
    assert!(names.contains(&"1796083200.targets.json".to_owned()), "{names:?}");
    let error = tuf::refresh(&RefreshOptions { root: SigningRoot::New, ..options(&sample, &zip) });
    assert!(error.unwrap_err().to_string().contains("names files by hash"));
}
