//! Builds repositories of stand-ins and has them judged, by ourselves and by others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{BUILD_TIME, Sample, VERSION, build_time};
use tuf::{BuildOptions, Input, Outcome, Repository, V1BuildOptions, V1Manifest, VerifyOptions};

fn assert_good(zip: &Path) {
    let report = tuf::verify(zip, &VerifyOptions::at(build_time())).unwrap();
    assert_eq!(report.outcome(), Outcome::Ok, "{report}");
    assert_eq!(report.warnings, []);
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
    if let Some(mut python) = verifiers::require("python-tuf") {
        let output = python.arg(client).arg(zip).arg(BUILD_TIME).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_whole_set_is_a_complete_repository() {
    let sample = Sample::new();
    let options = BuildOptions { inputs: vec![Input::Fakes], ..sample.options("fakes.zip") };
    let report = tuf::build(&options).unwrap();
    assert_eq!(report.missing(), [""; 0]);
    assert_good(&options.out);
    let count = |kind: &str| report.artifacts.iter().filter(|a| a.tags["kind"] == kind).count();
    for (kind, wanted) in [
        ("installinator_document", 1),
        ("measurement_corpus", 2),
        ("os_phase1", 4),
        ("os_phase2", 2),
        ("rot", 2),
        ("rot_bootloader", 1),
        ("sp", 4),
        ("zone", 11),
    ] {
        assert_eq!(count(kind), wanted, "{kind}");
    }
    assert!(report.artifacts.iter().all(|artifact| artifact.version == VERSION));
    let again = BuildOptions { inputs: vec![Input::Fakes], ..sample.options("again.zip") };
    tuf::build(&again).unwrap();
    assert!(std::fs::read(&options.out).unwrap() == std::fs::read(&again.out).unwrap());

    // What is given beside them must not be what one of them stands for.
    let mut inputs = sample.inputs();
    inputs.truncate(3);
    inputs.push(Input::Fakes);
    let error = tuf::build(&BuildOptions { inputs, ..again }).unwrap_err().to_string();
    assert!(error.contains("os-"), "{error}");
}

/// Every kind, each in one of the ways in which it can be a stand-in.
fn manifest() -> String {
    let mut text = "system_version = \"1.0.0\"\n".to_owned();
    let mut add = |kind: &str, source: &str| {
        text += &format!(
            "[[artifact.{kind}]]\nname = \"Fake\"\nversion = \"1.0.0\"\nsource = {{ {source} }}\n"
        );
    };
    let part = |name: &str| format!("{name} = {{ kind = \"fake\", size = \"64KiB\" }}");
    for board in ["gimlet", "psc", "switch"] {
        add(&format!("{board}_sp"), "kind = \"fake\", size = \"1MiB\"");
        add(&format!("{board}_rot_bootloader"), "kind = \"fake\", size = 4096");
        let parts = [part("archive_a"), part("archive_b")].join(", ");
        add(&format!("{board}_rot"), &format!("kind = \"composite-rot\", {parts}"));
    }
    let parts = ["gimlet_phase_1", "cosmo_phase_1", "phase_2"].map(part).join(", ");
    add("host", &format!("kind = \"composite-host\", {parts}"));
    add("trampoline", "kind = \"fake\", size = \"512KiB\"");
    let zone =
        "{ kind = \"fake\", artifact_name = \"ntp\", file_name = \"ntp.tar.gz\", size = 100 }";
    add("control_plane", &format!("kind = \"composite-control-plane\", zones = [{zone}]"));
    add("measurement_corpus", "kind = \"fake\", size = 100");
    text
}

fn build_v1(sample: &Sample, text: &str, out: &str, time: &str) -> Result<V1BuildOptions, String> {
    let path = sample.path().join("manifest.toml");
    std::fs::write(&path, text).unwrap();
    let options = V1BuildOptions {
        manifest: V1Manifest::read(&path).map_err(|error| error.to_string())?,
        keys: vec![sample.key()],
        roots: Vec::new(),
        expires_days: 7,
        build_time: time.parse().unwrap(),
        out: sample.path().join(out),
        complete: true,
    };
    tuf::build_v1(&options).map_err(|error| error.to_string())?;
    Ok(options)
}

#[test]
fn the_older_format_takes_stand_ins_from_its_manifest() {
    let sample = Sample::new();
    let old = build_v1(&sample, &manifest(), "repo-v1.zip", BUILD_TIME).unwrap();
    assert_good(&old.out);
    assert_eq!(old.manifest.missing(), [""; 0]);
    // What is only pretended is the same whenever it is made.
    let new = build_v1(&sample, &manifest(), "later.zip", "2026-11-22T00:00:00Z").unwrap();
    let open = |path: &Path| Repository::open(path, None).unwrap();
    let difference = tuf::diff(&open(&old.out), &open(&new.out)).unwrap();
    assert!(difference.is_empty(), "{difference}");

    let text = manifest();
    let from = "kind = \"fake\", size = \"512KiB\"";
    for (to, wanted) in [
        ("kind = \"fake\"", "size"),
        ("kind = \"fake\", size = \"much\"", "is no size"),
        ("kind = \"fake\", size = -1", "is no size"),
        ("kind = \"fake\", size = \"1TiB\"", "is no size"),
        ("kind = \"fake\", size = \"1GiB\"", "are the most"),
        ("kind = \"fake\", size = 1, path = \"x\"", "path"),
    ] {
        assert!(text.contains(from));
        let error = build_v1(&sample, &text.replace(from, to), "bad.zip", BUILD_TIME).unwrap_err();
        assert!(error.contains(wanted), "{wanted:?} is not in {error}");
    }
    // Inside it says another version than outside.
    let lying = text.replace(
        "kind = \"fake\", size = 4096",
        "kind = \"fake\", size = 4096, data_version = \"0.9.0\"",
    );
    let lying = build_v1(&sample, &lying, "lying.zip", BUILD_TIME).unwrap();
    let report = tuf::verify(&lying.out, &VerifyOptions::at(build_time())).unwrap();
    assert!(report.to_string().contains("0.9.0"), "{report}");
}
