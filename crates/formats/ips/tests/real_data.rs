//! Against what the real pkg(7) wrote. `RELENG_DATA` names a directory with the unpacked sample
//! (`img.repo`, `img.p5p`, `img.truth`, `img`); run with `--ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use ips::{Fmri, Manifest, Origin, PackageArchive, Repository, Timestamp, open_origin};

fn data(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("RELENG_DATA").expect("RELENG_DATA is not set")).join(name)
}

/// As `pkgrepo contents` prints: every manifest, by publisher and FMRI.
fn contents(origin: &dyn Origin) -> String {
    origin.packages().iter().map(|fmri| origin.manifest_text(fmri).unwrap()).collect()
}

/// As `pkgrepo list -H` prints, without the column for obsolete and renamed.
fn list(origin: &dyn Origin) -> String {
    let mut text = String::new();
    for fmri in origin.packages() {
        let manifest = origin.manifest(fmri).unwrap();
        let flag = match (manifest.is_obsolete(), manifest.is_renamed()) {
            (true, _) => "o",
            (_, true) => "r",
            _ => " ",
        };
        let publisher = fmri.publisher.as_deref().unwrap();
        let version = fmri.version.as_ref().unwrap().short();
        let stem = &fmri.stem;
        if stem.len() > 45 {
            text += &format!("{publisher:17} {stem}   {version}\n");
        } else {
            text += &format!("{publisher:17} {stem:45} {flag} {version}\n");
        }
    }
    text
}

/// The manifests of a listing in the order of the packages' names: pkg prints publishers in an
/// order that follows from nothing.
fn by_package(contents: &str) -> Vec<&str> {
    const START: &str = "set name=pkg.fmri ";
    let mut starts: Vec<usize> = contents
        .match_indices(START)
        .map(|(at, _)| at)
        .filter(|at| is_line(contents, *at))
        .collect();
    assert_eq!(starts.first(), Some(&0));
    starts.push(contents.len());
    let mut manifests: Vec<&str> =
        starts.windows(2).map(|pair| &contents[pair[0]..pair[1]]).collect();
    manifests.sort_unstable();
    manifests
}

fn is_line(text: &str, at: usize) -> bool {
    at == 0 || text[..at].ends_with('\n')
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn check(origin: &dyn Origin, truth: &str) {
    let read = |what: &str| fs::read_to_string(data("img.truth").join(what)).unwrap();
    assert_eq!(by_package(&contents(origin)), by_package(&read(&format!("{truth}.contents"))));
    assert_eq!(sorted(&list(origin)), sorted(&read(&format!("{truth}.list"))));
    let mut payloads = 0;
    for fmri in origin.packages() {
        let manifest = origin.manifest(fmri).unwrap();
        assert_eq!(manifest.to_string(), origin.manifest_text(fmri).unwrap(), "{fmri}");
        assert_eq!(manifest.fmri().unwrap().to_string(), fmri.long());
        for action in manifest.actions().filter(|action| action.kind.has_payload()) {
            let mut bytes = Vec::new();
            origin
                .payload(fmri.publisher.as_deref().unwrap(), action)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            payloads += 1;
        }
    }
    assert!(payloads > 50);
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn the_real_repository() {
    check(&Repository::open(data("img.repo")).unwrap(), "repo");
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn the_real_archive() {
    check(&PackageArchive::open(data("img.p5p")).unwrap(), "p5p");
    check(&*open_origin(data("img.p5p")).unwrap(), "p5p");
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn our_copies_of_the_real_ones() {
    let directory = tempfile::tempdir().unwrap();
    let time: Timestamp = "20260102T030405Z".parse().unwrap();
    let real = Repository::open(data("img.repo")).unwrap();
    let archive = directory.path().join("x.p5p");
    PackageArchive::write(&archive, &real, real.packages(), time).unwrap();
    check(&PackageArchive::open(&archive).unwrap(), "p5p");
    let listing = std::process::Command::new("tar").arg("-tvf").arg(&archive).output().unwrap();
    assert!(listing.status.success());
    assert!(listing.stderr.is_empty(), "{listing:?}");

    let mut ours = Repository::create(directory.path().join("repo"), "helios-dev").unwrap();
    let archive = PackageArchive::open(&archive).unwrap();
    ours.copy_packages(&archive, archive.packages(), time).unwrap();
    check(&Repository::open(directory.path().join("repo")).unwrap(), "repo");
    for publisher in real.publishers() {
        for part in ["catalog.base.C", "catalog.dependency.C", "catalog.summary.C"] {
            let part = Path::new("publisher").join(publisher).join("catalog").join(part);
            let read = |root: &Path| fs::read_to_string(root.join(&part)).ok();
            assert_eq!(read(&directory.path().join("repo")), read(&data("img.repo")), "{part:?}");
        }
    }
}

/// Every manifest of an image is canonical and reads back.
#[test]
#[ignore = "needs RELENG_DATA"]
fn manifests_of_the_image() {
    let mut count = 0;
    for image in ["img", "img.zone"] {
        for publisher in fs::read_dir(data(image).join("var/pkg/publisher")).unwrap() {
            let packages = publisher.unwrap().path().join("pkg");
            for stem in fs::read_dir(packages).unwrap() {
                for version in fs::read_dir(stem.unwrap().path()).unwrap() {
                    let path = version.unwrap().path();
                    let text = fs::read_to_string(&path).unwrap();
                    let manifest = Manifest::parse(&path, &text).unwrap();
                    assert_eq!(manifest.to_string(), text);
                    assert!(Fmri::parse(manifest.value("pkg.fmri").unwrap()).is_ok());
                    count += 1;
                }
            }
        }
    }
    assert!(count > 20);
}

/// Every manifest in `RELENG_P5M` (source form) survives our transforms, and what comes out is
/// canonical.
#[test]
#[ignore = "needs RELENG_P5M"]
fn manifests_in_source_form() {
    let root = PathBuf::from(std::env::var_os("RELENG_P5M").expect("RELENG_P5M is not set"));
    let mut mogrify = ips::Mogrify::default();
    for line in fs::read_to_string(root.join("macros.txt")).unwrap().lines() {
        if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            mogrify.macros.insert(name.to_owned(), value.to_owned());
        }
    }
    let generated = tempfile::tempdir().unwrap();
    for name in ["current", "renamed", "obsolete"] {
        fs::write(generated.path().join(format!("packages.redist.{name}")), "").unwrap();
    }
    mogrify.include_directories =
        vec![root.join("transforms"), root.join("includes"), generated.path().to_owned()];
    let transforms = [
        "common_actions",
        "publish",
        "restart_fmri",
        "facets",
        "defaults",
        "strip_versions",
        "strip_dependinfo",
        "synthetic",
        "extract_metadata",
    ];
    let mut manifests: Vec<PathBuf> =
        fs::read_dir(root.join("manifests")).unwrap().map(|e| e.unwrap().path()).collect();
    manifests.extend([root.join("osnet-incorporation.p5m"), root.join("osnet-redist.p5m")]);
    manifests.sort();
    let (mut count, mut aborted) = (0, 0);
    for path in &manifests {
        for transforms in [&transforms[..0], &transforms[..]] {
            let mut files = vec![path.clone()];
            files.extend(transforms.iter().map(|t| root.join("transforms").join(t)));
            let result = mogrify.run(&files).unwrap_or_else(|error| panic!("{error}"));
            let Some(manifest) = result.manifest(path) else {
                aborted += 1;
                continue;
            };
            let text = manifest.to_string();
            let again = Manifest::parse(path, &text).unwrap();
            assert_eq!(again, manifest, "{path:?}");
            assert_eq!(again.to_string(), text);
            count += 1;
        }
    }
    println!("{count} manifests, {aborted} aborted");
    assert!(count > 400);
}

/// Publishing the real packages' contents again gives the real manifests, but for what describes
/// the compressed bytes.
#[test]
#[ignore = "needs RELENG_DATA"]
fn published_again() {
    let directory = tempfile::tempdir().unwrap();
    let real = Repository::open(data("img.repo")).unwrap();
    let files = directory.path().join("files");
    fs::create_dir(&files).unwrap();
    for fmri in real.packages() {
        let publisher = fmri.publisher.as_deref().unwrap();
        let manifest = real.manifest(fmri).unwrap();
        for action in manifest.actions().filter(|action| action.kind.has_payload()) {
            let mut file =
                fs::File::create(files.join(action.payload.as_deref().unwrap())).unwrap();
            std::io::copy(&mut real.payload(publisher, action).unwrap(), &mut file).unwrap();
        }
        let source = directory.path().join("source.p5m");
        fs::write(&source, real.manifest_text(fmri).unwrap()).unwrap();
        let time = fmri.version.as_ref().unwrap().timestamp.unwrap();
        let mut publication = ips::Publication::new(publisher, time);
        publication.content = vec![files.clone()];
        let mut ours = Repository::create(directory.path().join("repo"), "helios-dev").unwrap();
        let name = ips::publish(&mut ours, &publication, &[&source]).unwrap();
        assert_eq!(name, std::slice::from_ref(fmri));
        let comparable = |origin: &dyn Origin| {
            let mut manifest = origin.manifest(fmri).unwrap();
            for line in &mut manifest.lines {
                let attributes = &mut line.action.attributes;
                attributes.remove("chash");
                attributes.remove("pkg.csize");
                let mut hashes = attributes.remove("pkg.content-hash");
                hashes.retain(|hash| !hash.starts_with("gzip:"));
                attributes.set_list("pkg.content-hash", hashes);
            }
            manifest.to_string()
        };
        assert_eq!(comparable(&ours), comparable(&real));
    }
}
