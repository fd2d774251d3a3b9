//! Images of format 5, which keep their state in a database.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use ips::{Image, set_properties};
use proto::{Entry, Kind, Metadata, Proto};
use rusqlite::Connection;

use support::{Depot, date, path, text};

const CONFIG: &str = "var/pkg/pkg5.image";
const CATALOG: &str = "var/pkg/state/installed/catalog.base.C";
const DATABASE: &str = "var/pkg/state/catalog.db";

/// Replaces the catalogs of an image by a database of the same contents, as a newer pkg(1) makes
/// it. `change` may do further things to the database.
fn to_format_5(proto: &mut Proto, change: &str) {
    let catalog: serde_json::Value = serde_json::from_str(&text(proto, CATALOG)).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let database = Connection::open(file.path()).unwrap();
    database
        .execute_batch(
            "CREATE TABLE packages (id INTEGER PRIMARY KEY, pub TEXT NOT NULL, stem TEXT NOT NULL,
             version TEXT NOT NULL, sortkey BLOB NOT NULL, installed INTEGER NOT NULL DEFAULT 0,
             base TEXT NOT NULL, UNIQUE (pub, stem, version));
             CREATE INDEX pkg_installed ON packages (stem) WHERE installed = 1;",
        )
        .unwrap();
    let add = "INSERT INTO packages (pub, stem, version, sortkey, installed, base)
               VALUES (?, ?, ?, x'00', ?, ?)";
    for (publisher, stems) in catalog.as_object().unwrap() {
        for (stem, versions) in stems.as_object().into_iter().flatten() {
            for entry in versions.as_array().into_iter().flatten() {
                let mut base = entry.clone();
                base.as_object_mut().unwrap().remove("version");
                let version = entry["version"].as_str().unwrap();
                database.execute(add, (publisher, stem, version, 1, base.to_string())).unwrap();
            }
        }
    }
    let known = "1.0,5.11:20200101T000000Z";
    database.execute(add, ("test", "known/only", known, 0, "{}")).unwrap();
    database.execute_batch(change).unwrap();
    drop(database);
    for gone in ["var/pkg/state/installed", "var/pkg/state/known"] {
        let below: Vec<_> =
            proto.manifest.subtree(&path(gone)).map(|(path, _)| path.clone()).collect();
        below.iter().for_each(|path| drop(proto.manifest.remove(path)));
    }
    put(proto, DATABASE, &std::fs::read(file.path()).unwrap());
    let config = text(proto, CONFIG).replace("\nversion = 4\n", "\nversion = 5\n");
    put(proto, CONFIG, config.as_bytes());
}

fn put(proto: &mut Proto, name: &str, bytes: &[u8]) {
    let content = proto.contents.store.add_bytes(bytes).unwrap();
    let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
    proto.manifest.remove(&path(name));
    proto.manifest.insert(path(name), entry).unwrap();
}

fn installed() -> (Depot, Proto) {
    let mut depot = Depot::with_base();
    depot.add("sample@1.2", "dir path=opt owner=root group=sys mode=0755\n");
    let mut proto = depot.image();
    depot.install(&mut proto, &["base", "sample"]).unwrap();
    (depot, proto)
}

#[test]
fn both_formats_say_the_same() {
    let (_depot, mut proto) = installed();
    let said = |proto: &Proto| -> Vec<_> {
        let packages = Image::read(proto).unwrap().packages.into_iter();
        packages.map(|p| (p.fmri, p.states, p.last_install, p.manifest.to_string())).collect()
    };
    let before = said(&proto);
    assert_eq!(before.len(), 2);
    to_format_5(&mut proto, "");
    assert_eq!(said(&proto), before);
}

#[test]
fn it_is_not_changed() {
    let (depot, mut proto) = installed();
    to_format_5(&mut proto, "");
    let before = proto.manifest.clone();
    let error = depot.install(&mut proto, &["sample"]).unwrap_err().to_string();
    assert!(error.contains("image format 5 is read but not changed"), "{error}");
    let property = ("name".to_owned(), "value".to_owned());
    assert!(set_properties(&mut proto, &[property], date()).is_err());
    assert_eq!(proto.manifest, before);
}

#[test]
fn damage_is_named() {
    let problem = |change: &str, damage: fn(&mut Proto)| {
        let (_depot, mut proto) = installed();
        to_format_5(&mut proto, change);
        damage(&mut proto);
        Image::read(&proto).unwrap_err().to_string()
    };
    type Case = (&'static str, fn(&mut Proto), &'static str);
    let cases: [Case; 6] = [
        ("DROP TABLE packages", |_| {}, "no such table"),
        ("UPDATE packages SET base = '{' WHERE stem = 'sample'", |_| {}, "sample@1.2"),
        ("UPDATE packages SET stem = '../x' WHERE stem = 'sample'", |_| {}, "../x"),
        ("", |proto| put(proto, DATABASE, b"SQLite format 3\0 and no more"), "cannot be read"),
        ("", |proto| drop(proto.manifest.remove(&path(DATABASE))), "is missing"),
        ("", |proto| put(proto, &format!("{DATABASE}-journal"), b"x"), "was interrupted"),
    ];
    for (change, damage, expected) in cases {
        let said = problem(change, damage);
        assert!(said.contains(expected) && said.contains("var/pkg/state/catalog.db"), "{said}");
    }
}
