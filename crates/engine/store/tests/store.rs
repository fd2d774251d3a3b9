//! The store through its public face, with several processes.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use store::{Error, Limits, Name, Store, collect};

fn name(key: &str) -> Name {
    Name::new("test", key)
}

fn blob_path(store: &Store, key: &str) -> PathBuf {
    let digest = store.find(&name(key)).unwrap().unwrap().digest.to_string();
    store.root().join("blobs").join(&digest[..2]).join(digest)
}

fn used(store: &Store, key: &str, time: SystemTime) {
    File::open(blob_path(store, key)).unwrap().set_modified(time).unwrap();
}

/// Runs an ignored test of this program in a process of its own.
fn process(test: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("STORE_TEST_ROOT", root)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn process_root() -> PathBuf {
    std::env::var_os("STORE_TEST_ROOT").unwrap().into()
}

fn bytes_of(number: usize) -> Vec<u8> {
    format!("what {number} has\n").repeat(1000 + number).into_bytes()
}

/// Gets 40 things in small steps, as a fetcher does, and notes each one that it wrote itself.
#[test]
#[ignore = "part of many_processes_share_the_work"]
fn one_of_many_processes() {
    let store = Store::open(process_root()).unwrap();
    for number in 0..40 {
        let name = name(&number.to_string());
        if store.find(&name).unwrap().is_some() {
            continue;
        }
        let mut partial = store.partial(&name).unwrap();
        if store.find(&name).unwrap().is_some() {
            partial.remove().unwrap();
            continue;
        }
        for piece in bytes_of(number).chunks(4096) {
            partial.file().write_all(piece).unwrap();
        }
        store.keep(partial, &name).unwrap();
        let mut log = File::options().append(true).open(process_root().join("lock")).unwrap();
        log.write_all(b"x").unwrap();
    }
}

#[test]
fn many_processes_share_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let children: Vec<Child> =
        (0..6).map(|_| process("one_of_many_processes", directory.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = Store::open(directory.path()).unwrap();
    for number in 0..40 {
        let bytes = store.read_name(&name(&number.to_string())).unwrap().unwrap();
        assert_eq!(bytes, bytes_of(number));
    }
    // Each was written by exactly one process.
    assert_eq!(fs::metadata(directory.path().join("lock")).unwrap().len(), 40);
    assert!(store.verify().unwrap().is_good());
    assert_eq!(fs::read_dir(directory.path().join("partial")).unwrap().count(), 0);
}

/// Writes half of something, and dies.
#[test]
#[ignore = "part of what_a_dead_process_leaves_is_gone_on_with"]
fn a_process_that_dies() {
    let store = Store::open(process_root()).unwrap();
    let mut partial = store.partial(&name("a")).unwrap();
    partial.file().write_all(b"half").unwrap();
    std::process::abort();
}

#[test]
fn what_a_dead_process_leaves_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    assert!(!process("a_process_that_dies", directory.path()).wait().unwrap().success());
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.find(&name("a")).unwrap(), None);
    let mut partial = store.partial(&name("a")).unwrap();
    assert_eq!(partial.size().unwrap(), 4);
    let mut there = String::new();
    partial.file().read_to_string(&mut there).unwrap();
    assert_eq!(there, "half");
    partial.file().write_all(b" and half").unwrap();
    store.keep(partial, &name("a")).unwrap();
    assert_eq!(store.read_name(&name("a")).unwrap().unwrap(), b"half and half");
}

#[test]
fn damage_counts_as_absent() {
    type Damage = fn(&Path);
    let damages: [Damage; 4] = [
        |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[3] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path| File::options().write(true).open(path).unwrap().set_len(3).unwrap(),
        |path| fs::write(path, "").unwrap(),
        |path| fs::remove_file(path).unwrap(),
    ];
    for damage in damages {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let record = store.add(&name("a"), &b"right bytes"[..]).unwrap();
        damage(&blob_path(&store, "a"));
        assert!(store.open_name(&name("a")).unwrap().is_none());
        assert!(store.open_blob(&record.digest).unwrap().is_none());
        assert_eq!(store.find(&name("a")).unwrap(), None);
        // Adding the same heals it.
        store.add(&name("a"), &b"right bytes"[..]).unwrap();
        assert_eq!(store.read_name(&name("a")).unwrap().unwrap(), b"right bytes");
    }
}

#[test]
fn verifying_finds_damage_and_forgets_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for key in ["a", "b", "c"] {
        store.add(&name(key), key.repeat(100).as_bytes()).unwrap();
    }
    let good = store.verify().unwrap();
    assert_eq!((good.is_good(), good.checked.count), (true, 3));
    fs::write(blob_path(&store, "a"), "b".repeat(100)).unwrap();
    fs::remove_file(blob_path(&store, "b")).unwrap();
    let found = store.verify().unwrap();
    assert_eq!(found.damaged.len(), 1);
    assert_eq!(fs::read_to_string(&found.damaged[0].1).unwrap(), "b".repeat(100));
    assert_eq!(found.dangling, ["test a", "test b"]);
    assert!(store.verify().unwrap().is_good());
    assert_eq!(store.usage().unwrap().damaged.count, 1);
}

#[test]
fn records_that_lie_are_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.add(&name("a"), &b"x"[..]).unwrap();
    let records: Vec<PathBuf> = walkdir::WalkDir::new(directory.path().join("names"))
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    let text = fs::read_to_string(&records[0]).unwrap();
    for bad in [
        String::new(),
        "{}".to_owned(),
        text.replace("\"a\"", "\"b\""),
        text.replace("\"size\":1", "\"size\":2"),
        text.replace("\"digest\":\"2d", "\"digest\":\"3d"),
        text.replace('{', "{\"more\":1,"),
    ] {
        assert_ne!(bad, text);
        fs::write(&records[0], bad).unwrap();
        assert_eq!(store.find(&name("a")).unwrap(), None);
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "").unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("is no store: it holds thesis.tex"), "{error}");
    fs::write(directory.path().join("CACHEDIR.TAG"), "Signature: x").unwrap();
    assert!(matches!(Store::open(directory.path()), Err(Error::NotAStore { .. })));
    assert!(!directory.path().join("blobs").exists());
}

#[test]
fn collecting_by_age_and_size() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    for (days, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
        store.add(&name(key), key.repeat(1000).as_bytes()).unwrap();
        used(&store, key, now - day * (days as u32 + 1));
    }
    drop(store.partial(&name("half")).unwrap());
    let keys = |root: &Path| {
        let store = Store::open(root).unwrap();
        ["a", "b", "c", "d"].map(|key| store.find(&name(key)).unwrap().is_some())
    };
    // In use: not even looked at.
    let limits = Limits { size: Some(0), ..Limits::default() };
    let error = collect(directory.path(), &limits, now).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }));
    let keep = [store.find(&name("d")).unwrap().unwrap().digest].into();
    drop(store);
    let dry = Limits { dry_run: true, ..limits.clone() };
    assert_eq!(collect(directory.path(), &dry, now).unwrap().removed.count, 4);
    assert_eq!(keys(directory.path()), [true; 4]);

    let limits = Limits { age: Some(day * 7 / 2), ..Limits::default() };
    assert_eq!(collect(directory.path(), &limits, now).unwrap().removed.count, 1);
    assert_eq!(keys(directory.path()), [true, true, true, false]);

    let store = Store::open(directory.path()).unwrap();
    store.add(&name("d"), "d".repeat(1000).as_bytes()).unwrap();
    used(&store, "d", now - day * 9);
    drop(store);
    // Two fit; one of them must be the oldest, which is to be kept.
    let limits = Limits { size: Some(2500), keep, ..Limits::default() };
    let collected = collect(directory.path(), &limits, now).unwrap();
    assert_eq!((collected.removed.count, collected.kept.bytes), (2, 2000));
    assert_eq!(keys(directory.path()), [true, false, false, true]);
    // Their names are gone as well.
    assert!(Store::open(directory.path()).unwrap().verify().unwrap().is_good());
}

#[test]
fn using_makes_young() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let now = SystemTime::now();
    let long_ago = now - Duration::from_secs(86_400 * 30);
    for key in ["a", "b"] {
        store.add(&name(key), key.as_bytes()).unwrap();
        used(&store, key, long_ago);
    }
    store.read_name(&name("a")).unwrap().unwrap();
    drop(store);
    let limits = Limits { age: Some(Duration::from_secs(86_400)), ..Limits::default() };
    collect(directory.path(), &limits, now).unwrap();
    let store = Store::open(directory.path()).unwrap();
    assert!(store.find(&name("a")).unwrap().is_some());
    assert!(store.find(&name("b")).unwrap().is_none());
    assert_eq!(store.usage().unwrap().kinds["test"].count, 1);
}

#[test]
fn usage_counts_a_blob_of_two_names_once_a_kind() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.add(&name("a"), &b"same"[..]).unwrap();
    store.add(&name("b"), &b"same"[..]).unwrap();
    store.add(&Name::new("other", "a"), &b"same"[..]).unwrap();
    let usage = store.usage().unwrap();
    let counts: Vec<_> = usage.kinds.iter().map(|(kind, of)| (kind.as_str(), of.count)).collect();
    assert_eq!(counts, [("other", 1), ("test", 1)]);
    assert_eq!((usage.blobs.count, usage.blobs.bytes, usage.unnamed.count), (1, 4, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_key_and_bytes_come_back(key in any::<String>(), bytes in any::<Vec<u8>>()) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let record = store.add(&name(&key), &bytes[..]).unwrap();
        prop_assert_eq!(&record.key, &key);
        prop_assert_eq!(store.read_name(&name(&key)).unwrap(), Some(bytes));
    }
}
