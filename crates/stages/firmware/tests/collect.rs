//! Collects from directories and from a server that misbehaves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use firmware::{Environment, Error, HashList, Kind, Library, collect};
use misbehaving_depot::{Fault, MisbehavingDepot};

/// Everything by its hash.
#[derive(Default, Clone)]
struct Images(BTreeMap<String, Vec<u8>>);

impl Images {
    fn add(&mut self, bytes: Vec<u8>) -> String {
        let hash = blake3(&bytes);
        self.0.insert(hash.clone(), bytes);
        hash
    }

    fn archive(&mut self, board: &str, version: &str, image_name: Option<&str>) -> String {
        let fake = hubris::Fake::new(board, version);
        self.add(hubris::Fake { image_name, ..fake }.archive())
    }
}

fn blake3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_string()
}

const VERSION: &str = "1.0.38";

fn rot(name: &str, version: &str, a: &str, b: &str) -> String {
    format!(
        "[[artifact.gimlet_rot]]\nname = \"{name}\"\nversion = \"{version}\"\n\
         source = {{ kind = \"composite-rot\", archive_a = {{ hash = \"{a}\" }}, archive_b = {{ hash = \"{b}\" }} }}\n"
    )
}

fn file(word: &str, name: &str, hash: &str) -> String {
    format!(
        "[[artifact.{word}]]\nname = \"{name}\"\nversion = \"{VERSION}\"\n\
         source = {{ kind = \"file\", hash = \"{hash}\" }}\n"
    )
}

/// A complete set: two boards and a corpus.
fn complete() -> (Images, String) {
    let mut images = Images::default();
    let mut list = String::new();
    for board in ["gimlet", "cosmo"] {
        let a = images.archive(board, VERSION, Some("a"));
        let b = images.archive(board, VERSION, Some("b"));
        let boot = images.archive(&format!("{board}-boot"), VERSION, None);
        let sp = images.archive(&format!("{board}-c"), VERSION, Some("default"));
        let mut text = rot(&format!("oxide-rot-1-staging-devel-{board}"), VERSION, &a, &b);
        let name = format!("gimlet_rot_bootloader-staging-devel-{board}");
        text += &file("gimlet_rot_bootloader", &name, &boot);
        text += &file("gimlet_sp", &format!("{board}-c"), &sp);
        if board == "cosmo" {
            let corpus = images.add(hubris::fake_corim("all-sp", "1.0.5"));
            text += &format!("[measurement_corpus]\nhash = \"{corpus}\"\n");
        }
        let manifest = images.add(text.into_bytes());
        list += &format!("{manifest} manifest-{board}.toml\n");
    }
    (images, list)
}

fn list(text: &str) -> HashList {
    HashList::parse(text, Path::new("permslip_staging")).unwrap()
}

/// A directory with the images named by hash.
fn directory(images: &Images) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (hash, bytes) in &images.0 {
        std::fs::write(directory.path().join(format!("{hash}.zip")), bytes).unwrap();
    }
    directory
}

fn from_directory(images: &Images, text: &str) -> Result<firmware::Collected, Error> {
    let (from, to) = (directory(images), tempfile::tempdir().unwrap());
    let library = Library { directories: vec![from.path().to_owned()], ..Library::default() };
    let collected = collect(&list(text), Environment::Staging, &library, to.path())?;
    for artifact in &collected.artifacts {
        let paths: Vec<&PathBuf> = match &artifact.kind {
            Kind::Rot(pair) => pair.iter().collect(),
            Kind::RotBootloader(path) | Kind::Sp(path) | Kind::Corpus(path) => vec![path],
        };
        for path in paths {
            let bytes = std::fs::read(path).unwrap();
            let hash = path.file_stem().unwrap().to_str().unwrap();
            assert_eq!(blake3(&bytes), hash);
        }
    }
    Ok(collected)
}

#[test]
fn a_directory_is_enough() {
    let (images, text) = complete();
    let collected = from_directory(&images, &text).unwrap();
    let names: Vec<_> = collected
        .artifacts
        .iter()
        .map(|a| format!("{} {} {}", a.word, a.name, a.version))
        .collect();
    assert_eq!(
        names,
        [
            "gimlet_rot oxide-rot-1-staging-devel-gimlet 1.0.38",
            "gimlet_rot_bootloader gimlet_rot_bootloader-staging-devel-gimlet 1.0.38",
            "gimlet_sp gimlet-c 1.0.38",
            "gimlet_rot oxide-rot-1-staging-devel-cosmo 1.0.38",
            "gimlet_rot_bootloader gimlet_rot_bootloader-staging-devel-cosmo 1.0.38",
            "gimlet_sp cosmo-c 1.0.38",
            "measurement_corpus staging-all-sp 1.0.5",
        ]
    );
    assert_eq!(collected.check_order(Environment::Staging), Ok(()));
    let problem = collected.check_order(Environment::Production).unwrap_err();
    assert!(problem.contains("oxide-rot-1-production-release-gimlet"), "{problem}");

    // The cosmo's manifest first: older readers would take its root of trust for the gimlet's.
    let turned: String = text.lines().rev().map(|line| format!("{line}\n")).collect();
    let problem =
        from_directory(&images, &turned).unwrap().check_order(Environment::Staging).unwrap_err();
    assert!(problem.contains("must come before"), "{problem}");
}

#[test]
fn contradictions_are_refused() {
    let mut images = Images::default();
    let a = images.archive("gimlet", VERSION, Some("a"));
    let b = images.archive("gimlet", VERSION, Some("b"));
    let other = images.archive("cosmo", VERSION, Some("b"));
    let corpus = images.add(b"\xa0".to_vec());
    let noise = images.add(b"noise".to_vec());
    let zeros = "0".repeat(64);
    let cases = [
        (rot("x", VERSION, &a, &a), "it is A and should be B"),
        (rot("x", VERSION, &a, &other), "different boards, gimlet and cosmo"),
        (rot("x", "9.9.9", &a, &b), "its version is 1.0.38, the manifest says 9.9.9"),
        (rot("x", VERSION, &a, &noise), "x of the manifest m.toml"),
        (rot("x", VERSION, &a, &zeros), "in none of the directories"),
        (rot("x", VERSION, &a, "short"), "64 lower-case hexadecimal digits"),
        (rot("x", VERSION, &a, &b) + &rot("x", VERSION, &a, &b), "is also in the manifest"),
        (file("gimlet_rot", "x", &a), "source of the wrong kind"),
        (file("gimlet_sp", "x", &a), "it is A and should be Default"),
        (file("toaster", "x", &a), "toaster"),
        (format!("[artifact]\n[measurement_corpus]\nhash = \"{corpus}\"\n"), "the corpus of"),
        (String::new(), "missing field `artifact`"),
        ("[artifact]\ncolour = 1\n".to_owned(), "colour"),
    ];
    for (text, wanted) in cases {
        let mut images = images.clone();
        let manifest = images.add(text.clone().into_bytes());
        let error = from_directory(&images, &format!("{manifest} m.toml\n")).unwrap_err();
        assert!(error.to_string().contains(wanted), "{wanted:?} is not in {error}\n{text}");
    }
    let error = from_directory(&images, &format!("{zeros} m.toml\n")).unwrap_err().to_string();
    assert!(error.contains("the manifest m.toml (000"), "{error}");
}

#[test]
fn a_damaged_file_is_never_used() {
    let (mut images, text) = complete();
    let hash = images.0.iter().find(|(_, bytes)| bytes.starts_with(b"PK")).unwrap().0.clone();
    images.0.get_mut(&hash).unwrap()[100] ^= 1;
    let error = from_directory(&images, &text).unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { path, .. } if path.to_str().unwrap().contains(&hash))
    );
}

/// A server that has the images, and a library that asks it.
struct Far {
    depot: MisbehavingDepot,
    runtime: tokio::runtime::Runtime,
    store: tempfile::TempDir,
}

impl Far {
    fn start(images: &Images) -> Self {
        let images = Arc::new(images.0.clone());
        let depot = MisbehavingDepot::start(move |path| {
            let bytes = images.get(path.strip_prefix("/base/artifact/")?)?;
            Some(serde_json::to_vec(bytes).unwrap())
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self { depot, runtime, store: tempfile::tempdir().unwrap() }
    }

    fn collect(&self, text: &str, online: bool) -> Result<firmware::Collected, Error> {
        let store = store::Store::open(self.store.path()).unwrap();
        let options = fetch::Options {
            attempts: 3,
            first_pause: Duration::from_millis(10),
            stall_timeout: Duration::from_secs(2),
            ..fetch::Options::default()
        };
        let fetcher = match online {
            true => {
                let client = fetch::Client::new(self.runtime.handle().clone(), options).unwrap();
                fetch::Fetcher::online(store, client)
            }
            false => fetch::Fetcher::offline(store),
        };
        let library = Library {
            directories: Vec::new(),
            bases: vec![format!("{}/base/", self.depot.url()).parse().unwrap()],
            fetcher: Some(fetcher),
        };
        let to = tempfile::tempdir().unwrap();
        collect(&list(text), Environment::Staging, &library, to.path())
    }
}

#[test]
fn what_is_fetched_once_is_there_offline() {
    let (images, text) = complete();
    let far = Far::start(&images);
    // Each fault meets another image; all are tried again.
    let faults = [
        Fault::Status { status: 503, retry_after: None },
        Fault::Truncate(100),
        Fault::FlippedBit,
        Fault::Garbage,
        Fault::Wrong(b"{\"not\": \"bytes\"}".to_vec()),
    ];
    for (hash, fault) in images.0.keys().zip(faults) {
        far.depot.order(&format!("/base/artifact/{hash}"), fault);
    }
    let fetched = far.collect(&text, true).unwrap();
    assert_eq!(fetched.artifacts.len(), 7);
    let requests = far.depot.requests("/");
    let names = |collected: &firmware::Collected| {
        collected.artifacts.iter().map(|a| a.name.clone()).collect::<Vec<_>>()
    };
    for online in [true, false] {
        assert_eq!(names(&far.collect(&text, online).unwrap()), names(&fetched));
    }
    assert_eq!(far.depot.requests("/"), requests, "something was fetched twice");

    let empty = Far::start(&images);
    let error = empty.collect(&text, false).unwrap_err().to_string();
    assert!(error.contains("offline") && error.contains("manifest-gimlet.toml"), "{error}");
}

#[test]
fn a_far_side_without_it_or_with_another_is_said() {
    let (images, text) = complete();
    let far = Far::start(&Images::default());
    let error = far.collect(&text, true).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("manifest-gimlet.toml"), "{error}");

    let far = Far::start(&images);
    let other = serde_json::to_vec(&b"other"[..]).unwrap();
    far.depot.order_times(9, "/base/artifact/", &Fault::Wrong(other));
    let error = far.collect(&text, true).unwrap_err().to_string();
    assert!(error.contains("its BLAKE3 hash is"), "{error}");
}
