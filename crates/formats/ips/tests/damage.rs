//! Damaged and hostile repositories and archives: a clear error, never a panic, nothing trusted.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ips::{Fmri, Origin, PackageArchive, Publication, Repository, Timestamp, open_origin, publish};
use proptest::prelude::*;

const CONTENT: &str = "the contents of a file, long enough to be worth damaging";

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::write(site.path("data"), CONTENT).unwrap();
        fs::write(
            site.path("a.p5m"),
            "set name=pkg.fmri value=pkg:/a@1\nfile data path=b owner=root group=sys mode=0644\n",
        )
        .unwrap();
        let mut repository = Repository::create(site.path("repo"), "p").unwrap();
        let mut publication = Publication::new("p", time());
        publication.content = vec![site.0.path().to_owned()];
        publish(&mut repository, &publication, &[site.path("a.p5m")]).unwrap();
        PackageArchive::write(site.path("a.p5p"), &repository, repository.packages(), time())
            .unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn payload(&self) -> PathBuf {
        let below = self.path("repo/publisher/p/file");
        let directory = fs::read_dir(below).unwrap().next().unwrap().unwrap().path();
        fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
    }

    fn archive(&self) -> Vec<u8> {
        fs::read(self.path("a.p5p")).unwrap()
    }

    /// What goes wrong when everything in an archive of these bytes is read.
    fn archive_error(&self, bytes: &[u8]) -> String {
        fs::write(self.path("bad.p5p"), bytes).unwrap();
        read_all(&self.path("bad.p5p")).unwrap_err()
    }
}

fn time() -> Timestamp {
    "20260102T030405Z".parse().unwrap()
}

/// Reads everything an origin has.
fn read_all(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let origin = open_origin(path).map_err(|error| error.to_string())?;
    let mut contents = Vec::new();
    for fmri in origin.packages() {
        let manifest = origin.manifest(fmri).map_err(|error| error.to_string())?;
        for action in manifest.actions().filter(|action| action.kind.has_payload()) {
            let mut bytes = Vec::new();
            origin
                .payload(fmri.publisher.as_deref().unwrap(), action)
                .map_err(|error| error.to_string())?
                .read_to_end(&mut bytes)
                .map_err(|error| error.to_string())?;
            contents.push(bytes);
        }
    }
    Ok(contents)
}

/// The archive with its index replaced by these records (name, offset, entry size, size).
fn with_index(archive: &[u8], records: &[(&str, u64, u64, u64)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, offset, entry, size) in records {
        writeln!(text, "{name}\0{offset}\0{entry}\0{size}\0{}\0", 0).unwrap();
    }
    with_raw_index(archive, &text)
}

fn with_raw_index(archive: &[u8], text: &[u8]) -> Vec<u8> {
    let mut gzip = gzip::GzipWriter::new(Vec::new(), gzip::Level::Best);
    gzip.write_all(text).unwrap();
    let index = gzip.finish().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("comment", &b"pkg5.archive.version.0"[..])]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(index.len() as u64);
    builder.append_data(&mut header, "pkg5.index.0.gz", &index[..]).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend_from_slice(&archive[after_index(archive)..]);
    bytes
}

/// Where the members after the index begin.
fn after_index(archive: &[u8]) -> usize {
    let mut tar = tar::Archive::new(archive);
    let mut entries = tar.entries().unwrap();
    let first = entries.next().unwrap().unwrap();
    (first.raw_file_position() + first.size().next_multiple_of(512)) as usize
}

#[test]
fn the_undamaged_reads() {
    let site = Site::new();
    for origin in ["repo", "a.p5p"] {
        assert_eq!(read_all(&site.path(origin)).unwrap(), [CONTENT.as_bytes()]);
    }
}

#[test]
fn payloads_that_are_not_what_the_manifest_says() {
    let site = Site::new();
    let path = site.payload();
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[20] ^= 0x10;
    let stored = |content: &[u8]| {
        let mut bytes = Vec::new();
        ips::Payload::store(content, &mut bytes).unwrap();
        bytes
    };
    let mut other = CONTENT.as_bytes().to_vec();
    other[0] ^= 1;
    for (bytes, problem) in [
        (flipped, ""),
        (good[..good.len() - 3].to_vec(), ""),
        ([&good[..], &good[..]].concat(), ""),
        (stored(b"short"), "has 5 bytes"),
        (stored(&other), "sha512t_256"),
        (stored(&vec![0; 30 << 20]), "longer than"),
        (Vec::new(), ""),
        (b"plain text".to_vec(), ""),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = read_all(&site.path("repo")).unwrap_err();
        assert!(error.contains(problem), "{error}");
        // Nor is it passed on.
        let repository = Repository::open(site.path("repo")).unwrap();
        let target = site.path("copy.p5p");
        assert!(
            PackageArchive::write(&target, &repository, repository.packages(), time()).is_err()
        );
        assert!(!target.exists());
        let mut copy = Repository::create(site.path("copy"), "p").unwrap();
        assert!(copy.copy_packages(&repository, repository.packages(), time()).is_err());
        assert!(copy.packages().is_empty());
    }
    let left: Vec<_> =
        fs::read_dir(site.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".new-")), "{left:?}");
    fs::remove_file(&path).unwrap();
    assert!(read_all(&site.path("repo")).unwrap_err().contains("is missing"));
    // Publishing once more repairs it.
    fs::write(&path, "damage").unwrap();
    let mut repository = Repository::open(site.path("repo")).unwrap();
    let mut publication = Publication::new("p", time());
    publication.content = vec![site.0.path().to_owned()];
    publish(&mut repository, &publication, &[site.path("a.p5m")]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn names_of_payloads_that_lead_elsewhere() {
    let site = Site::new();
    fs::write(site.path("secret"), "x").unwrap();
    let repository = Repository::open(site.path("repo")).unwrap();
    let archive = PackageArchive::open(site.path("a.p5p")).unwrap();
    for name in ["../../../secret", "", "x", "/etc/passwd", "da39a3ee\0", "ü", "a/b"] {
        for origin in [&repository as &dyn Origin, &archive] {
            let error = origin.stored_payload("p", name).err().unwrap().to_string();
            assert!(error.contains("40 hex digits"), "{error}");
        }
    }
    let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    assert!(repository.stored_payload("../p", hash).is_err());
    assert!(repository.stored_payload("..", hash).is_err());
    assert!(archive.stored_payload("..", hash).is_err());
}

#[test]
fn repositories_that_are_none() {
    let site = Site::new();
    let open = |name: &str| Repository::open(site.path(name)).unwrap_err().to_string();
    fs::create_dir(site.path("empty")).unwrap();
    assert!(open("empty").contains("pkg5.repository is missing"));
    assert!(open("nowhere").contains("cannot read"));
    fs::write(site.path("empty/pkg5.repository"), "[repository]\nversion = 3\n").unwrap();
    assert!(open("empty").contains("version 4 was expected; found \"3\""));
    fs::write(site.path("empty/pkg5.repository"), "version = 4\n").unwrap();
    assert!(open("empty").contains("pkg5.repository:1:"));
    let error = open_origin(site.path("a.p5m")).err().unwrap().to_string();
    assert!(error.contains("neither a repository"), "{error}");
    assert!(Repository::create(site.0.path(), "p").is_err());
    assert!(Repository::create(site.path("new"), "../p").is_err());
    assert!(!site.path("new").exists());
}

#[test]
fn manifests_and_catalogs_that_were_changed() {
    let site = Site::new();
    let fmri: Fmri = "pkg://p/a@1,5.11:20260102T030405Z".parse().unwrap();
    let (stem, version) = fmri.quoted().unwrap();
    let manifest = site.path("repo/publisher/p/pkg").join(stem).join(version);
    let text = fs::read_to_string(&manifest).unwrap();
    // Where nothing signs it, a manifest still must be that of its package.
    let catalog = site.path("repo/publisher/p/catalog");
    let aside = site.path("aside");
    fs::rename(&catalog, &aside).unwrap();
    for (from, to) in [("/a@1", "/b@1"), ("/a@1,", "/a@2,"), ("//p/", "//q/")] {
        fs::write(&manifest, text.replace(from, to)).unwrap();
        let other = Repository::open(site.path("repo")).unwrap();
        let error = other.manifest(&other.packages()[0]).unwrap_err().to_string();
        let expected = "20260102T030405Z:1:1: this is the manifest of pkg://";
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("where that of pkg://p/a@1,5.11:20260102T030405Z was"), "{error}");
    }
    fs::write(&manifest, text.replace("//p/", "/")).unwrap();
    let other = Repository::open(site.path("repo")).unwrap();
    assert!(other.manifest(&other.packages()[0]).is_ok());
    fs::rename(&aside, &catalog).unwrap();
    fs::write(&manifest, text.replace("mode=0644", "mode=4755")).unwrap();
    assert!(read_all(&site.path("repo")).unwrap_err().contains("the catalog says"));
    fs::remove_file(&manifest).unwrap();
    assert!(read_all(&site.path("repo")).unwrap_err().contains("has no package"));

    let base = site.path("repo/publisher/p/catalog/catalog.base.C");
    let text = fs::read_to_string(&base).unwrap();
    for (bytes, problem) in [
        (text.replace("5.11:2026", "5.11:2027"), "signature"),
        (text[..text.len() / 2].to_owned(), "JSON"),
        (text.replace("\"p\"", "\"q\""), "signature"),
        ("null".to_owned(), "object"),
        (String::new(), "JSON"),
    ] {
        fs::write(&base, bytes).unwrap();
        let error = Repository::open(site.path("repo")).unwrap_err().to_string();
        assert!(error.contains("catalog.base.C") && error.contains(problem), "{error}");
    }
    fs::remove_file(&base).unwrap();
    assert!(Repository::open(site.path("repo")).is_err());
    // Without any catalog, what is there counts.
    fs::remove_dir_all(site.path("repo/publisher/p/catalog")).unwrap();
    assert!(Repository::open(site.path("repo")).unwrap().packages().is_empty());
}

#[test]
fn truncated_archives() {
    let site = Site::new();
    let bytes = site.archive();
    // The last kilobyte is the end mark, which an index makes dispensable.
    for length in (0..bytes.len() - 1024).step_by(100) {
        let error = site.archive_error(&bytes[..length]);
        assert!(!error.is_empty());
    }
    let error = site.archive_error(&bytes[..bytes.len() - 1200]);
    assert!(error.contains("cut short"), "{error}");
}

#[test]
fn an_archive_without_index_is_walked() {
    let site = Site::new();
    let bytes = site.archive();
    let rest = &bytes[after_index(&bytes)..];
    fs::write(site.path("plain.p5p"), rest).unwrap();
    assert_eq!(read_all(&site.path("plain.p5p")).unwrap(), [CONTENT.as_bytes()]);
    let error = site.archive_error(&rest[..rest.len() - 1024]);
    assert!(error.contains("blocks of zeros"), "{error}");
    let error = site.archive_error(&rest[..rest.len() - 2000]);
    assert!(error.contains("cut short") || error.contains("no tar member"), "{error}");
}

#[test]
fn a_payload_that_two_publishers_share_may_be_there_once() {
    let site = Site::new();
    let repository = Repository::open(site.path("repo")).unwrap();
    let text = repository.manifest_text(&repository.packages()[0]).unwrap();
    let stored = fs::read(site.payload()).unwrap();
    let hash = site.payload().file_name().unwrap().to_string_lossy().into_owned();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    for publisher in ["p", "q"] {
        add(&format!("publisher/{publisher}"), b"");
        let name = format!("publisher/{publisher}/pkg/a/1%2C5.11%3A20260102T030405Z");
        add(&name, text.replace("//p/", &format!("//{publisher}/")).as_bytes());
    }
    add(&format!("publisher/p/file/{}/{hash}", &hash[..2]), &stored);
    fs::write(site.path("two.p5p"), tar.into_inner().unwrap()).unwrap();
    let contents = read_all(&site.path("two.p5p")).unwrap();
    assert_eq!(contents, [CONTENT.as_bytes(), CONTENT.as_bytes()]);
}

#[test]
fn an_index_that_lies() {
    let site = Site::new();
    let bytes = site.archive();
    let manifest = "publisher/p/pkg/a/1%2C5.11%3A20260102T030405Z";
    for (records, problem) in [
        // The place of another member.
        (vec![(manifest, 0, 512, 0)], "the index is wrong"),
        (vec![(manifest, 100, 512, 0)], "no tar member"),
        (vec![(manifest, 1 << 40, 512, 0)], "beyond the end"),
        (vec![(manifest, u64::MAX, u64::MAX, u64::MAX)], "beyond the end"),
        (vec![("publisher/../../x", 0, 512, 0)], "leads elsewhere"),
        (vec![("/publisher", 0, 512, 0)], "leads elsewhere"),
        (vec![("", 0, 512, 0)], "leads elsewhere"),
        (vec![("publisher", 0, 512, 0), ("publisher", 0, 512, 0)], "twice"),
        (vec![("publisher/p/pkg/..%2Fa/1", 0, 512, 0)], "names no package"),
        (vec![("publisher/p/pkg/a/x", 0, 512, 0)], "names no package"),
    ] {
        let error = site.archive_error(&with_index(&bytes, &records));
        assert!(error.contains(problem), "{records:?}: {error}");
    }
    for (index, problem) in [
        (&b"publisher\0x\x000\x000\x005\0\n"[..], "no number"),
        (b"publisher\n", "were expected"),
        (b"publisher\x000\x000\x000\x005\0", "were expected"),
        (b"\xff\x000\x000\x000\x005\0\n", "not UTF-8"),
        (&[0; 100_000], "were expected"),
        (&b"a\x000\x000\x000\x005\0\n".repeat(100_000), "twice"),
    ] {
        let error = site.archive_error(&with_raw_index(&bytes, index));
        assert!(error.contains(problem), "{error}");
    }
    let many: Vec<u8> =
        (0..1000).flat_map(|n| format!("x{n}\x000\x000\x000\x005\0\n").into_bytes()).collect();
    let error = site.archive_error(&with_raw_index(&bytes, &many));
    assert!(error.contains("no room"), "{error}");
}

#[test]
fn an_archive_with_a_wrong_payload() {
    let site = Site::new();
    let mut bytes = site.archive();
    let stored = fs::read(site.payload()).unwrap();
    let place = bytes.windows(stored.len()).position(|window| window == stored).unwrap();
    bytes[place + 15] ^= 1;
    site.archive_error(&bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let site = Site::new();
        let mut bytes = site.archive();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        fs::write(site.path("bad.p5p"), bytes).unwrap();
        if let Ok(contents) = read_all(&site.path("bad.p5p")) {
            for content in contents {
                prop_assert_eq!(content, CONTENT.as_bytes());
            }
        }
    }
}
