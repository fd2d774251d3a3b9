//! Budgets, records, and the form of pools.

use std::fs;
use std::path::Path;

use crate::common::{Outcome, key, packages, run, sample, xtask};

/// Runs with a config for the host; the trampoline is the sample's.
fn build(directory: &Path, host: &str, more: &[&str]) -> Outcome {
    let config = format!(
        "[packages]\norigins = [{:?}]\nbrand = false\n\
         [templates]\nboot-archive = {:?}\nfeatures = {:?}\n\
         [host]\nstand-in-roms = true\n{host}\n\
         [trampoline]\nimage = {:?}\n",
        packages(),
        sample::boot_archive_files(),
        sample::FEATURES,
        sample().path("trampoline"),
    );
    let file = directory.join("releng.toml");
    fs::write(&file, config).unwrap();
    let mut command = xtask();
    command.args(["releng", "--config"]).arg(file).arg("--out").arg(directory.join("out"));
    run(command.arg("--key").arg(key(directory, 3)).args(["--progress", "plain"]).args(more))
}

#[test]
fn the_sample_says_where_its_bytes_go() {
    let run = sample();
    let summary = run.summary();
    for image in ["host", "trampoline"] {
        let record = &summary["images"][image];
        let footprint = &record["footprint"];
        let kept: serde_json::Value =
            serde_json::from_slice(&fs::read(run.path(image).join("size.json")).unwrap()).unwrap();
        assert_eq!(kept, *record, "{image}");
        let (_directory, pool) = run.pool(image);
        assert_eq!(footprint["pool"]["size"], fs::metadata(pool).unwrap().len(), "{image}");
        let packages = footprint["packages"].as_object().unwrap();
        assert!(packages.contains_key("system/kernel"), "{packages:?}");
        let table = fs::read_to_string(run.path(image).join("size.txt")).unwrap();
        for text in ["by package", "by directory", "the largest parts:"] {
            assert!(table.contains(text), "{image}: {table}");
        }
    }
    assert_eq!(summary["images"]["host"]["compression"], "gzip-9");
    assert_eq!(summary["images"]["trampoline"]["compression"], "off");
    let zones = summary["images"]["host"]["footprint"]["zones"].as_object().unwrap();
    assert!(!zones.is_empty(), "the bundled zone is not counted");
}

#[test]
fn a_budget_that_is_exceeded_fails_and_says_what_grew() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("extra/opt/site");
    fs::create_dir_all(&large).unwrap();
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    fs::write(large.join("noise"), noise.take(30_000_000).collect::<Vec<u8>>()).unwrap();
    let host =
        format!("proto = [\"extra\"]\nbudget = 70\nrecord = {:?}\n", sample().path("summary.json"));
    let refused = build(directory.path(), &host, &[]);
    refused.expect(
        3,
        &[
            "host/zfs.img: the image takes",
            "than its budget of 70 MiB",
            "the largest parts:",
            "directory opt/site",
            "(new)",
        ],
    );
    assert!(!directory.path().join("out").exists());
    // Nothing to compare with.
    let host = "record = \"nowhere.json\"\n";
    build(directory.path(), host, &[]).expect(5, &["nowhere.json"]);
    fs::write(directory.path().join("other.json"), "{\"images\": {}}").unwrap();
    let host = "record = \"other.json\"\n";
    build(directory.path(), host, &[]).expect(2, &["no footprint of the host image"]);
}

#[test]
fn the_config_decides_the_form_and_the_container_follows() {
    let directory = tempfile::tempdir().unwrap();
    let host = "compression = \"auto\"\nbudget = 160\nsalt = \"another\"\n";
    let outcome = build(directory.path(), host, &["--fast"]);
    outcome.expect(0, &["host image: 9", "budget of 160 MiB are taken", "with the least time"]);
    let out = directory.path().join("out");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    // Both forms of so small an image are as small as pools can be.
    let record = &summary["images"]["host"];
    assert_eq!(record["compression"], "off");
    assert!(record["reason"].as_str().unwrap().starts_with("a plain pool: "), "{record}");
    let header = boot_image::phase2::verify(&out.join("host/zfs.img")).unwrap();
    assert!(header.compressed);
}
