//! The result set of the sample.

use std::collections::BTreeSet;
use std::fs;

use crate::common::{BUILD_TIME, digest, names, run, sample, xtask};

/// Every file of the set but what is in `brand/repo` and `logs`.
const FILES: [&str; 31] = [
    "baseline/files.tar.gz",
    "baseline/gzonly.txt",
    "brand/omicron1-brand.p5p",
    "host/boot_image_csum",
    "host/cosmo.rom",
    "host/cpio",
    "host/cpio.z",
    "host/gimlet.rom",
    "host/os.tar.gz",
    "host/record.json",
    "host/size.json",
    "host/size.txt",
    "host/unix.z",
    "host/zfs.img",
    "repo.zip",
    "repo.zip.sha256.txt",
    "root.json",
    "summary.json",
    "trampoline/boot_image_csum",
    "trampoline/cosmo.rom",
    "trampoline/cpio",
    "trampoline/cpio.z",
    "trampoline/gimlet.rom",
    "trampoline/os.tar.gz",
    "trampoline/record.json",
    "trampoline/size.json",
    "trampoline/size.txt",
    "trampoline/unix.z",
    "trampoline/zfs.img",
    "brand/repo/pkg5.repository",
    "logs/times.json",
];

#[test]
fn the_set_is_what_the_readme_says() {
    let run = sample();
    let found = crate::common::digests(&run.out);
    let others: Vec<&String> = found
        .keys()
        .filter(|name| !name.starts_with("brand/repo/") && !name.starts_with("logs/"))
        .filter(|name| !FILES.contains(&name.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    for name in FILES {
        assert!(found.contains_key(name), "{name} is missing");
    }
    // Nothing but the set and the lock is left beside it.
    let parent = run.out.parent().unwrap();
    assert!(names(parent).iter().all(|name| !name.ends_with(".partial")), "{:?}", names(parent));
}

#[test]
fn the_summary_says_what_there_is() {
    let run = sample();
    let summary = run.summary();
    assert_eq!(summary["sample"], true);
    assert_eq!(summary["build_time"].to_string(), crate::common::EPOCH);
    let version = summary["system_version"].as_str().unwrap();
    assert!(version.starts_with("20.0.0-0.sample.local+git"), "{version}");
    assert!(run.said.contains(version), "{}", run.said);

    let mut found = crate::common::digests(&run.out);
    found.retain(|name, _| !name.starts_with("logs/") && name != "summary.json");
    let files = summary["files"].as_object().unwrap();
    let told: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(told, found.keys().map(String::as_str).collect::<BTreeSet<_>>());
    for (name, sha256) in &found {
        assert_eq!(files[name]["sha256"], sha256.as_str(), "{name}");
        assert_eq!(files[name]["size"], fs::metadata(run.path(name)).unwrap().len(), "{name}");
    }
}

#[test]
fn the_summary_says_what_must_not_be_overlooked() {
    let run = sample();
    let summary = run.summary();
    let notices: Vec<&str> =
        summary["notices"].as_array().unwrap().iter().filter_map(|n| n.as_str()).collect();
    assert!(notices.iter().any(|notice| notice.contains("SAMPLE")), "{notices:?}");
    // A key was given.
    assert!(!notices.iter().any(|notice| notice.contains("THROWAWAY")), "{notices:?}");
    for notice in &notices {
        assert!(run.said.contains(notice), "`{notice}` is not said: {}", run.said);
    }
    let repository = ips::Repository::open(run.path("brand/repo")).unwrap();
    let packages = ips::Origin::packages(&repository);
    let for_host = "built for HOST, not illumos";
    // The hook program may be for illumos, and the tools not.
    for (package, said) in
        [("brand/omicron1", "the brand's programs are "), ("brand/omicron1/tools", "the brand's ")]
    {
        let fmri = packages.iter().find(|fmri| fmri.stem.ends_with(package)).unwrap();
        let manifest = ips::Origin::manifest_text(&repository, fmri).unwrap();
        let is_said = |notice: &&str| notice.starts_with(said) && notice.contains(for_host);
        assert_eq!(
            manifest.contains(for_host),
            notices.iter().any(is_said),
            "the package and the summary disagree: {notices:?}\n{manifest}"
        );
    }
}

#[test]
fn every_job_has_a_line_and_a_log() {
    let run = sample();
    let summary = run.summary();
    let jobs: Vec<&str> =
        summary["jobs"].as_array().unwrap().iter().filter_map(|job| job["name"].as_str()).collect();
    assert!(jobs.len() >= 20, "{jobs:?}");
    let mut sorted = jobs.clone();
    sorted.sort_unstable();
    assert_eq!(jobs, sorted);
    for job in
        ["brand", "baseline", "host/os", "host/trim", "host/final", "host/pool", "host/phase-2"]
            .into_iter()
            .chain([
                "host/boot-archive",
                "host/os-archive",
                "trampoline/final",
                "repository",
                "verify",
            ])
    {
        assert!(jobs.contains(&job), "{job} is not in {jobs:?}");
    }
    let logs = names(&run.path("logs"));
    assert_eq!(logs.len(), jobs.len() + 1, "{logs:?}");
    for job in &jobs {
        let lines = run.said.lines().filter(|line| line.contains(&format!("] {job} "))).count();
        assert_eq!(lines, 1, "{job}: {}", run.said);
        // The time is not among what must be the same each time.
        let log = format!("{}.log", job.replace('/', "-"));
        assert!(logs.contains(&log), "{log} is not in {logs:?}");
    }
    assert!(summary["jobs"][0].get("milliseconds").is_none(), "a time in the summary");
    let times: serde_json::Value =
        serde_json::from_slice(&fs::read(run.path("logs/times.json")).unwrap()).unwrap();
    assert_eq!(times.as_object().unwrap().len(), jobs.len());
}

#[test]
fn the_repository_satisfies_other_peoples_programs() {
    let sample = sample();
    let zip = sample.path("repo.zip");
    let told = fs::read_to_string(sample.path("repo.zip.sha256.txt")).unwrap();
    assert_eq!(told.split_whitespace().next(), Some(digest(&zip).as_str()));
    if let Some(mut unzip) = verifiers::require("unzip") {
        let said = run(unzip.arg("-t").arg(&zip)).success();
        assert!(said.contains("No errors detected"), "{said}");
    }
    let Some(mut python) = verifiers::require("python-tuf") else { return };
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuf/tests/python_tuf_client.py");
    let said = run(python.arg(client).arg(&zip).arg(BUILD_TIME).arg(sample.path("root.json")));
    let targets = said.success();
    let count: usize = targets.split_whitespace().next().unwrap().parse().unwrap();
    assert!(count >= 10, "{targets}");
}

#[test]
fn every_gzip_is_one_sound_member() {
    let sample = sample();
    for name in ["baseline/files.tar.gz", "host/os.tar.gz", "trampoline/os.tar.gz"] {
        let path = sample.path(name);
        if let Some(mut gzip) = verifiers::require("gzip") {
            run(gzip.arg("-t").arg(&path)).success();
        }
        // gzip(1) takes several members for one; our reader does not.
        let file = std::io::BufReader::new(fs::File::open(&path).unwrap());
        std::io::copy(&mut gzip::GzipReader::new(file), &mut std::io::sink()).unwrap();
        if let Some(mut tar) = verifiers::require("tar") {
            let listing = run(tar.arg("-tzf").arg(&path)).success();
            assert_eq!(listing.lines().next(), Some("oxide.json"), "{name}: {listing}");
        }
    }
}

#[test]
fn other_containers_open_too() {
    let sample = sample();
    for image in ["host", "trampoline"] {
        let Some(mut cpio) = verifiers::require("cpio") else { return };
        cpio.args(["-it", "--quiet"])
            .stdin(fs::File::open(sample.path(image).join("cpio")).unwrap());
        let listing = run(&mut cpio).success();
        assert!(listing.lines().any(|name| name.ends_with("kernel/amd64/genunix")), "{listing}");
    }
    let Some(mut tar) = verifiers::require("tar") else { return };
    let listing = run(tar.arg("-tf").arg(sample.path("brand/omicron1-brand.p5p"))).success();
    assert!(listing.starts_with("pkg5.index.0.gz\n"), "{listing}");
    assert!(listing.contains("/omicron1") || listing.contains("omicron1%2F"), "{listing}");
}

/// The record that a command shows.
fn record(file: &std::path::Path) -> serde_json::Value {
    let mut command = xtask();
    let outcome = run(command.args(["record", "show", "--json"]).arg(file));
    serde_json::from_str(&outcome.success()).unwrap()
}

#[test]
fn every_image_carries_its_record() {
    let sample = sample();
    for image in ["host", "trampoline"] {
        let beside = record(&sample.path(image).join("record.json"));
        assert_eq!(record(&sample.path(image).join("os.tar.gz")), beside);
        assert_eq!(record(&sample.path(image)), beside);
        assert_eq!(beside["image"], image);
        assert!(beside["lock"].is_null(), "the sample has no lock");
        let text = beside.to_string();
        for leak in [env!("CARGO_MANIFEST_DIR"), sample.out.to_str().unwrap(), "file://"] {
            assert!(!text.contains(leak), "{leak}: {text}");
        }
        for (name, path) in [
            ("sled/ramdisk-01-os.json", "templates/sled/ramdisk-01-os.json"),
            ("sled/files/motd", "templates/sled/files/motd"),
        ] {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            let file = file.parent().unwrap().join("image-templates").join(path);
            assert_eq!(beside["templates"][name], digest(&file), "{name}");
        }
        let overlays = beside["overlays"].as_array().unwrap();
        assert!(
            !overlays.is_empty() && overlays.iter().all(|overlay| overlay["kind"] == "package")
        );
    }
    // The packages are those of the image, each with the digest of the manifest that was published.
    let repository = ips::Repository::open(crate::common::packages()).unwrap();
    let host = record(&sample.path("host"));
    let packages = host["packages"].as_array().unwrap();
    let mut compared = 0;
    for package in packages {
        let fmri = ips::Fmri::parse(package["fmri"].as_str().unwrap()).unwrap();
        if let Ok(text) = ips::Origin::manifest_text(&repository, &fmri) {
            let expected = proto::Digest::of(text.as_bytes()).to_string();
            assert_eq!(package["manifest"], expected, "{fmri}");
            compared += 1;
        }
    }
    assert!(compared > 10 && compared < packages.len(), "{compared} of {}", packages.len());

    let mut command = xtask();
    let shown = run(command.args(["record", "show"]).arg(sample.path("host/os.tar.gz"))).success();
    for text in
        ["image      host, ", "built      2026-09-21T14:13:20Z", "lock       none", "package "]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let mut command = xtask();
    run(command.args(["record", "show"]).arg(sample.path("host/zfs.img"))).expect(3, &[]);
    let mut command = xtask();
    run(command.args(["record", "show", "nowhere"])).expect(5, &["nowhere is missing"]);
}
