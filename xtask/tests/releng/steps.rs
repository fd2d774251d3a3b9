//! The single steps: `tuf verify`, `inspect`, `layer unpack`, `baseline`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ips::{InstallOptions, Origin as _, Publisher, Repository, Variants};
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::{Proto, Store};

use crate::common::{BUILD_TIME, LATER, damaged, names, packages, run, sample, xtask};

#[test]
fn tuf_verify_tells_good_expired_and_damaged_apart() {
    let sample = sample();
    let directory = tempfile::tempdir().unwrap();
    let zip = sample.path("repo.zip");
    let verify = |root: &Path, at: &str, zip: &Path| {
        let mut command = xtask();
        command.args(["tuf", "verify", "--trust-root"]).arg(root).args(["--at", at]);
        run(command.arg(zip))
    };
    let root = sample.path("root.json");
    verify(&root, BUILD_TIME, &zip).expect(0, &[]);
    verify(&root, LATER, &zip).expect(4, &[]);

    let bad = directory.path().join("repo.zip");
    damaged(&zip, &bad, fs::metadata(&zip).unwrap().len() / 2);
    let outcome = verify(&root, BUILD_TIME, &bad);
    outcome.expect(1, &[]);
    assert!(outcome.out.contains("os-host/zfs.img"), "no place is named: {outcome}");

    // Somebody else's root: the same repository signed by another key.
    let mut forged: serde_json::Value = serde_json::from_slice(&fs::read(&root).unwrap()).unwrap();
    forged["signatures"] = serde_json::json!([]);
    let other = directory.path().join("root.json");
    fs::write(&other, forged.to_string()).unwrap();
    let outcome = verify(&other, BUILD_TIME, &zip);
    assert_ne!(outcome.status, Some(0), "{outcome}");

    verify(&root, BUILD_TIME, &directory.path().join("gone.zip"))
        .expect(5, &["gone.zip is missing"]);
    let outcome = verify(&directory.path().join("gone.json"), BUILD_TIME, &zip);
    outcome.expect(5, &["gone.json"]);

    // Without a root of trust the check says how little it proves.
    let mut command = xtask();
    command.args(["tuf", "verify", "--json", "--at", BUILD_TIME]).arg(&zip);
    let report: serde_json::Value = serde_json::from_str(&run(&mut command).success()).unwrap();
    assert!(report.is_object());
    let mut command = xtask();
    command.args(["tuf", "verify", "--at", BUILD_TIME]).arg(&zip);
    run(&mut command).expect(0, &["taken on trust"]);
}

/// Results, and what they are.
const KINDS: [(&str, &str); 10] = [
    ("baseline/files.tar.gz", "baseline"),
    ("host/os.tar.gz", "os-archive"),
    ("trampoline/os.tar.gz", "os-archive"),
    ("host/zfs.img", "phase2"),
    ("trampoline/zfs.img", "phase2"),
    ("host/cpio", "boot-archive"),
    ("host/cpio.z", "compressed-boot-archive"),
    ("host/unix.z", "zlib"),
    ("brand/omicron1-brand.p5p", "package-archive"),
    ("repo.zip", "update-repository"),
];

#[test]
fn inspect_knows_every_result_by_its_content() {
    let sample = sample();
    let directory = tempfile::tempdir().unwrap();
    // A name that says nothing.
    let file = directory.path().join("thing");
    let mut checks = KINDS.map(|(name, kind)| (sample.path(name), kind)).to_vec();
    checks.extend(sample.zone(directory.path(), "sample-dns").map(|zone| (zone, "layer")));
    for (path, kind) in checks {
        fs::copy(&path, &file).unwrap();
        let text = run(xtask().arg("inspect").arg(&file)).success();
        assert!(text.starts_with(&format!("{}: ", file.display())), "{text}");
        let json = run(xtask().args(["inspect", "--json"]).arg(&file)).success();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let size = fs::metadata(&path).unwrap().len();
        assert_eq!(json["kind"], kind, "{}", path.display());
        assert_eq!(json["size"], size);
        assert_eq!(json["damage"], serde_json::json!([]));

        let broken = |how: &str| {
            let outcome = run(xtask().args(["inspect", "--json"]).arg(&file));
            assert_eq!(outcome.status, Some(1), "{} {how}: {outcome}", path.display());
            let json: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
            let damage = json["damage"].as_array().unwrap();
            assert!(!damage.is_empty() && damage.iter().all(|d| d["problem"].is_string()));
        };
        fs::File::options().write(true).open(&file).unwrap().set_len(size / 4 * 3).unwrap();
        broken("cut short");
        // A boot archive has no checksums: what is changed in a file of it cannot be found.
        if kind != "boot-archive" {
            damaged(&path, &file, size / 2);
            broken("with a changed byte");
        }
    }
    run(xtask().args(["inspect", "nowhere"])).expect(5, &["nowhere is missing"]);
    fs::write(&file, "a text\n").unwrap();
    run(xtask().arg("inspect").arg(&file)).expect(3, &["not a format that is known here"]);
}

#[test]
fn a_zone_of_the_repository_unpacks() {
    let directory = tempfile::tempdir().unwrap();
    let Some(zone) = sample().zone(directory.path(), "sample-dns") else { return };
    let root = directory.path().join("zone");
    let mut command = xtask();
    command.args(["layer", "unpack"]).arg(&zone).arg("--root").arg(&root);
    assert_eq!(run(&mut command).success(), format!("{}\n", root.display()));
    let program = root.join("opt/oxide/sample-dns/bin/sample-dns");
    let source =
        sample::directory().join("zones/sample-dns/root/opt/oxide/sample-dns/bin/sample-dns");
    assert_eq!(fs::read(&program).unwrap(), fs::read(source).unwrap());
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o755);

    // What is there is not mixed with what comes.
    run(&mut command).expect(2, &["is not empty"]);
    // A baseline is no layer.
    let mut command = xtask();
    let baseline = sample().path("baseline/files.tar.gz");
    command.args(["layer", "unpack"]).arg(baseline).arg("--root").arg(directory.path().join("b"));
    run(&mut command).expect(3, &["baseline"]);
    assert_eq!(names(directory.path()), ["sample-dns.tar.gz", "zone"]);
}

#[test]
fn a_hostile_layer_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let layer = directory.path().join("layer.tar.gz");
    let owner = proto::Metadata::root(0o644);
    type Member<'a> = (&'a str, Option<&'a str>);
    let cases: [(&[Member<'_>], &str); 4] = [
        (&[("root/good", None), ("../outside", None)], "../outside"),
        (&[("root/good", None), ("/outside", None)], "/outside"),
        (&[("root/out", Some("../..")), ("root/out/outside", None)], "root/out/outside"),
        (&[("root/good", None), ("root/good", None)], "root/good"),
    ];
    for (members, named) in cases {
        let metadata = Metadata::new(ArchiveType::Layer);
        let mut writer = Writer::create(&layer, &metadata, 0).unwrap();
        writer.directory("root", proto::Metadata::root(0o755)).unwrap();
        for (name, target) in members {
            match target {
                Some(target) => writer.symlink(name, target, owner).unwrap(),
                None => writer.file_bytes(name, owner, b"x").unwrap(),
            }
        }
        writer.commit().unwrap();
        let mut command = xtask();
        command
            .args(["layer", "unpack"])
            .arg(&layer)
            .arg("--root")
            .arg(directory.path().join("zone"));
        run(&mut command).expect(3, &[named]);
        assert_eq!(names(directory.path()), ["layer.tar.gz"], "{named}");
    }
    let mut command = xtask();
    command.args(["layer", "unpack", "nowhere", "--root"]).arg(directory.path().join("zone"));
    run(&mut command).expect(5, &["nowhere is missing"]);
}

/// The sample's system, installed to a directory by whoever runs the test.
fn proto_root(directory: &Path) -> PathBuf {
    let repository = Repository::open(packages()).unwrap();
    let is_there = |fmri: &&ips::Fmri| {
        let text = repository.manifest_text(fmri).unwrap();
        !text.contains("pkg.obsolete") && !text.contains("pkg.renamed")
    };
    let packages_there = repository.packages().iter().filter(is_there);
    let wanted: Vec<String> = packages_there.map(ips::Fmri::long).collect();
    install(directory, &wanted, &[&repository])
}

fn install(directory: &Path, wanted: &[String], origins: &[&dyn ips::Origin]) -> PathBuf {
    let date = ips::Timestamp::from_epoch(1_790_000_000).unwrap();
    let mut proto = Proto::new(Store::create(directory.join("store")).unwrap());
    ips::create_image(&mut proto, Variants::for_zone("global"), date).unwrap();
    for origin in origins {
        let name = origin.packages()[0].publisher.clone().unwrap();
        let uri = format!("file://{}", origin.location().display());
        ips::set_publisher(&mut proto, Publisher::new(name, uri), date).unwrap();
    }
    ips::install(&mut proto, wanted, origins, &InstallOptions { date }).unwrap();
    let root = directory.join("root");
    proto.manifest.export(&proto.contents, &root).unwrap();
    root
}

#[test]
fn the_samples_baseline_belongs_to_the_state_that_the_host_image_was_made_from() {
    let sample = sample();
    let directory = tempfile::tempdir().unwrap();
    let Some(mut unzip) = verifiers::require("unzip") else { return };
    let list = "repo/targets/os-host/pkg-list.txt";
    let list = run(unzip.arg("-p").arg(sample.path("repo.zip")).arg(list)).success();
    let wanted: Vec<String> = list.lines().map(str::to_owned).collect();
    let repository = Repository::open(packages()).unwrap();
    let brand = Repository::open(sample.path("brand/repo")).unwrap();
    let root = install(directory.path(), &wanted, &[&repository, &brand]);
    let archive = sample.path("baseline/files.tar.gz");
    let mut command = xtask();
    command.args(["baseline", "verify"]).arg(&archive).arg("--proto").arg(&root);
    assert!(run(&mut command).success().contains(": belongs"));

    // From the directory on disk, with whatever modes and owners it has, comes the same.
    let out = directory.path().join("out");
    run(xtask().args(["baseline", "--proto"]).arg(&root).arg("--out").arg(&out)).success();
    for name in ["files.tar.gz", "gzonly.txt"] {
        let given = fs::read(sample.path("baseline").join(name)).unwrap();
        assert!(fs::read(out.join(name)).unwrap() == given, "another {name}");
    }
}

#[test]
fn a_baseline_is_made_from_a_proto_root_and_belongs_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = proto_root(directory.path());
    let out = directory.path().join("baseline");
    let generate = |more: &[&str]| {
        let mut command = xtask();
        command.args(["baseline", "--proto"]).arg(&root).arg("--out").arg(&out).args(more);
        run(&mut command)
    };
    // The origin that the proto itself names has the zones' files.
    let said = generate(&[]).success();
    assert_eq!(
        said,
        format!("{}\n{}\n", out.join("files.tar.gz").display(), out.join("gzonly.txt").display())
    );
    let archive = out.join("files.tar.gz");
    let once = fs::read(&archive).unwrap();
    let origin = packages().to_str().unwrap();
    generate(&["--origin", origin]).success();
    assert!(fs::read(&archive).unwrap() == once, "another origin gives other bytes");

    let verify = |archive: &Path| {
        run(xtask().args(["baseline", "verify"]).arg(archive).arg("--proto").arg(&root))
    };
    assert!(verify(&archive).success().contains(": belongs"));
    let outcome = verify(&sample().path("baseline/files.tar.gz"));
    outcome.expect(1, &[]);
    assert!(outcome.out.contains("does NOT belong"), "{outcome}");

    // A file that was changed since it was installed is a warning, or an error.
    let motd = root.join("etc/release");
    fs::set_permissions(&motd, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&motd, "changed\n").unwrap();
    let outcome = generate(&[]);
    outcome.expect(0, &["warning", "etc/release"]);
    let kept = fs::read(&archive).unwrap();
    generate(&["--strict"]).expect(3, &["etc/release"]);
    assert!(fs::read(&archive).unwrap() == kept, "a failed run touched the archive");
}

#[test]
fn a_proto_that_is_none_gives_no_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let baseline =
        |root: &Path| run(xtask().args(["baseline", "--proto"]).arg(root).arg("--out").arg(&out));
    baseline(&directory.path().join("nowhere")).expect(5, &["nowhere is no directory"]);
    let bare = directory.path().join("bare");
    fs::create_dir_all(bare.join("etc")).unwrap();
    fs::write(bare.join("etc/passwd"), "root:x:0:0:::\n").unwrap();
    fs::write(bare.join("etc/group"), "root::0:\n").unwrap();
    baseline(&bare).expect(3, &["no package metadata"]);
    assert!(!out.exists());
    run(xtask().args(["baseline", "--proto"]).arg(&bare)).expect(2, &["--out"]);
    for flag in ["--origin", "--smf-seed"] {
        let mut command = xtask();
        command.args(["baseline", flag, "gone", "--out"]).arg(&out).arg("--proto").arg(&bare);
        run(&mut command).expect(5, &["gone is missing"]);
    }
    run(xtask().args(["baseline", "verify", "gone", "--proto"]).arg(&bare))
        .expect(5, &["gone is missing"]);

    // Without an origin the files of zones cannot be had: each is named.
    let root = proto_root(directory.path());
    let config = root.join("var/pkg/pkg5.image");
    let text = fs::read_to_string(&config).unwrap();
    let elsewhere = text.replace(packages().to_str().unwrap(), "/nowhere/at/all");
    assert_ne!(text, elsewhere);
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&config, elsewhere).unwrap();
    baseline(&root).expect(3, &["/nowhere/at/all", "lib/svc/seed/nonglobal.db"]);
    assert!(!out.exists());
    let mut command = xtask();
    command.args(["baseline", "--allow-missing", "--smf-seed", "none", "--proto"]).arg(&root);
    run(command.arg("--out").arg(&out)).expect(0, &["warning", "lib/svc/seed/nonglobal.db"]);
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let json = run(xtask().args(["doctor", "--json"])).success();
    let findings: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = findings.as_array().unwrap();
    let find = |name: &str| findings.iter().find(|finding| finding["name"] == name).unwrap();
    assert_eq!(find("cargo")["required"], true);
    for verifier in verifiers::VERIFIERS {
        let finding = find(verifier.name);
        assert!(finding["fix"].as_str().unwrap().starts_with(verifiers::INSTALL), "{finding}");
        assert_eq!(finding["found"].is_string(), verifiers::find(verifier.name).is_some());
    }
    let nothing = tempfile::tempdir().unwrap();
    let outcome = run(xtask().arg("doctor").env("PATH", nothing.path()));
    outcome.expect(1, &[]);
    assert!(outcome.out.contains("MISSING  install git"), "{outcome}");
}
