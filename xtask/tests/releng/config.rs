//! What a config decides.

use std::fs;
use std::path::Path;

use crate::common::{BUILD_TIME, Run, key, packages, run, sample, xtask};

/// Enough for the templates, and less than they would install by themselves.
const PACKAGES: [&str; 6] =
    ["SUNWcs", "SUNWcsd", "system/kernel", "system/kernel/platform", "system/zones", "shell/bash"];

/// Runs with a config in a directory.
fn build(directory: &Path, config: &str, more: &[&str]) -> Run {
    let file = directory.join("releng.toml");
    fs::write(&file, config).unwrap();
    let out = directory.join("out");
    let mut command = xtask();
    command.args(["releng", "--config"]).arg(file).arg("--out").arg(&out);
    command.arg("--key").arg(key(directory, 3)).args(["--progress", "plain"]).args(more);
    let outcome = run(&mut command);
    outcome.expect(0, &["finished"]);
    Run { out, said: outcome.err }
}

fn verified(run_of: &Run) {
    let mut command = xtask();
    command.args(["tuf", "verify", "--at", BUILD_TIME, "--trust-root"]);
    run(command.arg(run_of.path("root.json")).arg(run_of.path("repo.zip"))).success();
}

#[test]
fn packages_and_an_image_of_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = ["kernel/amd64/genunix", "platform/oxide/kernel/amd64/unix"];
    fs::write(directory.path().join("list.txt"), wanted.join("\n") + "\n").unwrap();
    let config = format!(
        "base-version = \"7.8.9\"\n\
         [packages]\norigins = [{:?}]\ninstall = {PACKAGES:?}\n\
         [templates]\nboot-archive = \"list.txt\"\n\
         [host]\nimage = {:?}\n\
         [trampoline]\nname = \"recovery of the test\"\nstand-in-roms = true\n\
         [repository]\nexpires = 30\n",
        packages(),
        sample().path("host"),
    );
    let built = build(directory.path(), &config, &[]);
    let summary = built.summary();
    assert_eq!(summary["sample"], false);
    let version = summary["system_version"].as_str().unwrap();
    assert!(version.starts_with("7.8.9-0.local+git"), "{version}");
    assert!(built.said.contains("ROMs of the trampoline image are stand-ins"), "{}", built.said);

    // The host image is the one that was given.
    for name in crate::common::names(&sample().path("host")) {
        let given = sample().path("host").join(&name);
        let taken = built.path("host").join(&name);
        assert!(fs::read(given).unwrap() == fs::read(taken).unwrap(), "{name}");
    }
    // The trampoline is ours.
    let header = boot_image::phase2::verify(&built.path("trampoline/zfs.img")).unwrap();
    assert_eq!(header.name, "recovery of the test");
    let rom = fs::read_to_string(built.path("trampoline/cosmo.rom")).unwrap();
    assert!(rom.contains("This is not a boot ROM"), "{rom}");
    let inspected = run(xtask().args(["inspect", "--json"]).arg(built.path("trampoline/cpio")));
    let inspected: serde_json::Value = serde_json::from_str(&inspected.success()).unwrap();
    let files = inspected["entries"].as_array().unwrap();
    let files = files.iter().filter(|entry| entry["type"] == "file").count();
    assert_eq!(files, wanted.len() + 1, "the listed files and the checksum");
    let (_directory, pool) = built.pool("trampoline");
    let image = zpool_image::reader::Image::open(&pool).unwrap();
    let manifest = image.dataset("rpool/ROOT/ramdisk").unwrap().manifest().unwrap();
    let there = |path: &str| manifest.contains(&proto::ProtoPath::new(path).unwrap());
    assert!(there("usr/bin/bash"));
    assert!(!there("usr/bin/vim"), "the templates' own list was installed");
    verified(&built);
}

#[test]
fn both_images_from_ones_own_packages() {
    let directory = tempfile::tempdir().unwrap();
    let overlay = directory.path().join("extra/opt/site");
    fs::create_dir_all(&overlay).unwrap();
    fs::write(overlay.join("hello"), "hello\n").unwrap();
    let config = format!(
        "[packages]\norigins = [{:?}]\nbrand = false\n\
         [templates]\nboot-archive = {:?}\nfeatures = {:?}\n\
         [host]\nstand-in-roms = true\nproto = [\"extra\"]\nsize = 200\ntarget-size = 300\n\
         [trampoline]\nstand-in-roms = true\n",
        packages(),
        sample::boot_archive_files(),
        sample::FEATURES,
    );
    let built = build(directory.path(), &config, &["--version", "3.2.1", "--expires", "2"]);
    assert_eq!(built.summary()["system_version"], "3.2.1");
    let header = boot_image::phase2::verify(&built.path("host/zfs.img")).unwrap();
    assert_eq!((header.image_size, header.target_size), (200 << 20, 300 << 20));
    let (_directory, pool) = built.pool("host");
    let image = zpool_image::reader::Image::open(&pool).unwrap();
    let manifest = image.dataset("rpool/ROOT/ramdisk").unwrap().manifest().unwrap();
    let there = |path: &str| manifest.contains(&proto::ProtoPath::new(path).unwrap());
    assert!(there("opt/site/hello"));
    assert!(!there("usr/lib/brand/omicron1"), "the brand is in an image without it");
    assert!(built.path("baseline/files.tar.gz").is_file());
    verified(&built);
    // Two days, as the flag says.
    let root = fs::read_to_string(built.path("root.json")).unwrap();
    assert!(root.contains("2026-09-23T14:13:20Z"), "{root}");
}

#[test]
fn finished_images_and_a_throwaway_key() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    // An earlier set, which this one replaces whole.
    fs::create_dir(&out).unwrap();
    fs::write(out.join("summary.json"), "{}").unwrap();
    fs::write(out.join("earlier"), "").unwrap();
    let given = zone_of_ones_own(directory.path());
    let config = format!(
        "[host]\nimage = {:?}\n[trampoline]\nimage = {:?}\n[repository]\nzone-files = [{given:?}]\n",
        sample().path("host"),
        sample().path("trampoline"),
    );
    let file = directory.path().join("releng.toml");
    fs::write(&file, config).unwrap();
    let mut command = xtask();
    command.args(["releng", "--config"]).arg(file).arg("--out").arg(&out);
    let outcome = run(command.args(["--progress", "plain", "--version", "1.0.0"]));
    outcome.expect(0, &["warning: the repository is signed by a THROWAWAY key"]);
    let built = Run { out, said: outcome.err };
    assert!(built.summary()["notices"].to_string().contains("THROWAWAY"));
    assert!(!built.path("earlier").exists());
    assert!(!built.path("baseline").exists());
    verified(&built);
    // Nobody else's key made it.
    let mut command = xtask();
    command.args(["tuf", "verify", "--at", BUILD_TIME, "--trust-root"]);
    command.arg(sample().path("root.json")).arg(built.path("repo.zip"));
    run(&mut command).expect(1, &[]);
    if let Some(mut unzip) = verifiers::require("unzip") {
        let listing = run(unzip.arg("-Z1").arg(built.path("repo.zip"))).success();
        assert!(listing.contains("own-zone.tar.gz\n"), "{listing}");
    }
}

/// A layer with a file in it.
pub(crate) fn zone_of_ones_own(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("own-zone.tar.gz");
    let metadata = oxide_archive::Metadata::new(oxide_archive::ArchiveType::Layer)
        .with_package("own-zone", "1.0.0");
    let mut writer = oxide_archive::Writer::create(&path, &metadata, 0).unwrap();
    writer.directory("root", proto::Metadata::root(0o755)).unwrap();
    writer.file_bytes("root/hello", proto::Metadata::root(0o644), b"hello\n").unwrap();
    writer.commit().unwrap();
    path
}

#[test]
fn the_lines_for_a_helios_machine() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "[packages]\norigins = [{:?}]\ninstall = [\"shell/bash\"]\n\
         [templates]\nfeatures = [\"ntp\", \"motd=hello world\"]\n\
         [host]\npackages = [\"editor/vim\"]\n\
         [host.overlay]\nsample-agent = \"install\"\n\
         [trampoline]\nname = \"recovery 1\"\nfeatures = [\"^ntp\"]\ntarget-size = 2048\n\
         [trampoline.overlay]\n\
         [omicron]\npackage-manifest = {:?}\nartifacts = \"artifacts\"\n",
        packages(),
        sample::package_manifest(),
    );
    let file = directory.path().join("releng.toml");
    fs::write(&file, text).unwrap();
    let artifacts = directory.path().join("artifacts");
    fs::create_dir(&artifacts).unwrap();
    sample::build_omicron(&artifacts, "1.0.0", 0).unwrap();
    let mut command = xtask();
    command.args(["releng", "--print-helios-build", "--config"]).arg(&file);
    let lines = run(command.arg("--out").arg(directory.path().join("out"))).success();
    let lines = lines
        .replace(packages().to_str().unwrap(), "[REPOSITORY]")
        .replace(directory.path().to_str().unwrap(), "[DIRECTORY]");
    insta::with_settings!({ filters => [(r"local ([0-9a-f]{7}|unknown) ", "local [COMMIT] ")] }, {
        insta::assert_snapshot!(lines);
    });
    // What the lines name is there.
    let tree = directory.path().join("out-helios-build/host/proto/root");
    assert!(tree.join("opt/oxide/sample-agent").is_dir());
    assert!(tree.join("root/.profile").is_file());
    assert!(!directory.path().join("out").exists());
}
