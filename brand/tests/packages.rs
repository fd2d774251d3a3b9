//! The packages, published and read back.

mod common;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use brand::packaging::{Programs, Targets, lay_out, macros, packages};
use common::Result;
use ips::{ActionKind, Origin, Publication, Repository, Timestamp};

/// Publishes the packages with this version into a new repository.
fn publish(place: &Path, version: &str) -> Result<Repository> {
    let programs = Programs { hook: place.join("hook"), baseline: place.join("generator") };
    fs::write(&programs.hook, "the hook program")?;
    fs::write(&programs.baseline, "the generator")?;
    let packages = packages(Path::new(env!("CARGO_MANIFEST_DIR")), &programs);
    let files = place.join("files");
    lay_out(&packages, &files)?;

    let timestamp = Timestamp::from_epoch(1_700_000_000).ok_or("timestamp")?;
    let mut publication = Publication::new("helios-dev", timestamp);
    let host = "x86_64-unknown-linux-gnu".to_owned();
    publication.mogrify.macros = macros(version, &Targets { hook: host.clone(), baseline: host });
    publication.content.push(files);
    let mut repository = Repository::create(place.join("repo"), "helios-dev")?;
    let manifests: Vec<PathBuf> = packages.into_iter().map(|package| package.manifest).collect();
    let published = ips::publish(&mut repository, &publication, &manifests)?;
    assert_eq!(published.len(), 3);
    Ok(repository)
}

#[test]
fn they_deliver_what_a_system_needs() -> Result {
    let place = tempfile::tempdir()?;
    let repository = publish(place.path(), "1.0.42")?;
    let mut told = Vec::new();
    for fmri in repository.packages() {
        let manifest = repository.manifest(fmri)?;
        assert!(manifest.value("pkg.summary").is_some_and(|s| {
            s.ends_with("; built for HOST, not illumos (x86_64-unknown-linux-gnu)")
        }));
        told.push(format!("package {}", fmri.stem));
        for action in manifest.of_kind(ActionKind::File) {
            let get = |key| action.get(key).unwrap_or("-");
            told.push(format!(
                "  {} {} {}:{} {} {}",
                get("path"),
                get("mode"),
                get("owner"),
                get("group"),
                get("variant.opensolaris.zone"),
                get("preserve")
            ));
            if get("path") == "usr/lib/brand/omicron1/brand" {
                let mut content = String::new();
                repository.payload("helios-dev", action)?.read_to_string(&mut content)?;
                assert_eq!(content, "the hook program");
            }
        }
        for action in manifest.of_kind(ActionKind::Depend) {
            let get = |key| action.get(key).unwrap_or("-");
            told.push(format!("  {} {}", get("type"), get("fmri")));
        }
    }
    assert_eq!(
        told,
        [
            "package consolidation/oxide/omicron1-brand-incorporation",
            "  incorporate pkg:/system/zones/brand/omicron1@1.0.42",
            "  incorporate pkg:/system/zones/brand/omicron1/tools@1.0.42",
            "package system/zones/brand/omicron1",
            "  etc/default/helios-omicron1 0644 root:bin global true",
            "  usr/lib/brand/omicron1/brand 0755 root:bin global -",
            "  usr/lib/brand/omicron1/config.xml 0444 root:bin global -",
            "  usr/lib/brand/omicron1/platform.xml 0444 root:bin global -",
            "  usr/share/man/man7/omicron1.7 0444 root:bin global -",
            "  require pkg:/consolidation/oxide/omicron1-brand-incorporation@1.0.42",
            "package system/zones/brand/omicron1/tools",
            "  lib/svc/manifest/system/omicron/baseline.xml 0444 root:sys global -",
            "  usr/lib/brand/omicron1/baseline 0755 root:bin - -",
            "  require pkg:/consolidation/oxide/omicron1-brand-incorporation@1.0.42",
            "  require pkg:/system/zones/brand/omicron1@1.0.42",
        ]
    );
    Ok(())
}

#[test]
fn a_program_that_is_not_built_is_named() -> Result {
    let place = tempfile::tempdir()?;
    let programs = Programs { hook: place.path().join("hook"), baseline: "/nonexistent".into() };
    let packages = packages(Path::new(env!("CARGO_MANIFEST_DIR")), &programs);
    let error = lay_out(&packages, place.path()).err().ok_or("laid out")?;
    assert!(error.to_string().ends_with("hook"), "{error}");
    Ok(())
}

/// What is compiled for illumos on other systems must not need a C compiler for it.
#[test]
fn the_hook_program_is_rust_alone() -> Result {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "brand", "--edges", "normal,build"])
        .args(["--target", "x86_64-unknown-illumos", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let tree = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"oxide-archive") && names.contains(&"rustix"), "{tree}");
    for name in names {
        let compiles = ["cc", "cmake", "bindgen", "pkg-config"].contains(&name);
        assert!(!compiles && !name.ends_with("-sys"), "{name} in {tree}");
    }
    Ok(())
}
