//! The sources of the sample, read by those who will read them.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn files(directory: &Path) -> Vec<PathBuf> {
    let tree = proto::import_directory(directory, proto::Owners::Root).unwrap();
    tree.iter()
        .filter(|(_, entry)| entry.content().is_some())
        .map(|(path, _)| path.below(directory))
        .collect()
}

#[test]
fn every_service_bundle_is_sound() {
    let templates = image_templates::Search::own("sled").group_directory();
    let mut count = 0;
    for path in files(sample::directory()).into_iter().chain(files(&templates)) {
        let name = path.display().to_string();
        if !name.ends_with(".xml") {
            continue;
        }
        if let Some(mut xmllint) = verifiers::require("xmllint") {
            let out = xmllint.args(["--noout", "--nonet"]).arg(&path).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        if name.contains("etc/zones") {
            continue;
        }
        let bundle = smf::Bundle::parse(&std::fs::read(&path).unwrap(), &name).unwrap();
        assert_eq!(bundle.findings, [], "{name}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_package_file_is_delivered_and_every_page_formats() {
    let generated = tempfile::tempdir().unwrap();
    sample::generate(generated.path()).unwrap();
    let mut wanted = BTreeSet::new();
    for path in sample::package_manifests().unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = ips::Manifest::parse(path.display().to_string(), &text).unwrap();
        for action in manifest.actions() {
            if matches!(action.kind, ips::ActionKind::File | ips::ActionKind::License) {
                let path = action.attributes.get("path").unwrap_or_default().to_owned();
                wanted.insert(action.payload.clone().unwrap_or(path));
            }
        }
    }
    let mut there = BTreeSet::new();
    for root in [sample::package_files(), generated.path().to_owned()] {
        for path in files(&root) {
            if path.display().to_string().contains("/man/")
                && let Some(mut mandoc) = verifiers::require("mandoc")
            {
                let out = mandoc.args(["-T", "lint", "-W", "error"]).arg(&path).output().unwrap();
                assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
            }
            there.insert(path.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    assert_eq!(wanted, there);
}

#[test]
fn omicron_reads_its_package_manifest() {
    let config = omicron_zone_package::config::parse(sample::package_manifest()).unwrap();
    let service = |name: &str| {
        let (_, package) =
            config.packages.iter().find(|(key, _)| key.as_ref() == name).expect("the package");
        package.service_name.as_ref().to_owned()
    };
    assert_eq!(service(sample::HOST_PACKAGE), "sample-agent");
    assert_eq!(service(sample::TRAMPOLINE_PACKAGE), "installer");
    assert_eq!(service(sample::BUNDLED_ZONE), "overlay");
    assert_eq!(config.packages.len(), sample::ZONES.len() + 3);
}

#[test]
fn zones_and_global_zone_packages_are_the_same_each_time() {
    let build = || {
        let directory = tempfile::tempdir().unwrap();
        sample::build_omicron(directory.path(), "1.2.3-sample", 1_767_225_600).unwrap();
        let files = files(directory.path());
        let bytes: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
        (directory, files, bytes)
    };
    let (directory, files, first) = build();
    assert_eq!(first, build().2);
    assert_eq!(files.len(), sample::ZONES.len() + 3);
    let metadata =
        oxide_archive::read_metadata(directory.path().join("sample-dns.tar.gz")).unwrap();
    assert_eq!(metadata.archive_type, oxide_archive::ArchiveType::Layer);
    assert_eq!(metadata.package.as_deref(), Some("sample-dns"));
    assert_eq!(metadata.version.as_deref(), Some("1.2.3-sample"));
    for (name, member) in [
        ("sample-dns.tar.gz", "root/opt/oxide/sample-dns/bin/sample-dns"),
        ("sample-agent.tar", "pkg/manifest.xml"),
    ] {
        let Some(mut tar) = verifiers::require("tar") else { continue };
        let out = tar.arg("-tvf").arg(directory.path().join(name)).output().unwrap();
        let listing = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && listing.contains(member), "{listing}");
        assert!(listing.lines().all(|line| line.contains(" 0/0 ")), "{listing}");
    }
}

#[test]
fn roms_say_that_they_are_none() {
    for board in sample::BOARDS {
        let text = std::fs::read_to_string(sample::rom(board)).unwrap();
        assert!(text.contains("cannot be booted") && text.contains(board));
        // By this a release is kept from having it.
        assert!(text.starts_with("This is not a boot ROM."));
    }
}
