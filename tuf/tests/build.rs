//! Builds repositories and has them judged, by ourselves and by others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{BUILD_TIME, Sample, VERSION, build_time, zone_image};
use tuf::{Error, Input, Outcome, VerifyOptions};

fn verify(zip: &Path) -> tuf::VerifyReport {
    tuf::verify(zip, &VerifyOptions::at(build_time())).unwrap()
}

#[test]
fn a_complete_repository_verifies() {
    let sample = Sample::new();
    let (zip, built) = sample.build();
    let report = verify(&zip);
    assert_eq!(report.outcome(), Outcome::Ok, "{report}");
    assert_eq!(report.warnings, []);
    assert!(report.sha256.is_some() && report.sha256 == built.sha256);
    assert_eq!(report.size, built.size);
    assert_eq!(report.system_version.as_deref(), Some(VERSION));
    assert_eq!(report.artifacts, built.artifacts);
    assert_eq!(report.targets.len(), built.targets.len());
    assert!(report.targets.iter().all(|target| target.verified));
    assert!(!built.throwaway_key);
    assert_eq!(built.expires.to_string(), "2026-11-27T15:13:08Z");
    let names: Vec<_> = built.targets.iter().map(|target| target.name.as_str()).collect();
    let document = format!("installinator_document-{VERSION}.json");
    assert_eq!(
        names,
        [
            "artifacts-v2.json",
            document.as_str(),
            "os-host/cosmo.rom",
            "os-host/gimlet.rom",
            "os-host/pkg-list.txt",
            "os-host/unix.z",
            "os-host/zfs.img",
            "os-recovery/cosmo.rom",
            "os-recovery/gimlet.rom",
            "os-recovery/pkg-list.txt",
            "os-recovery/unix.z",
            "os-recovery/zfs.img",
            "zones/crucible.tar.gz",
            "zones/nexus.tar.gz",
            "zones/ntp.tar.gz",
        ]
    );
    let tags: Vec<_> = built.artifacts.iter().map(tuf::Artifact::tags_text).collect();
    assert!(tags.contains(&"kind=zone,zone_name=crucible-zone".to_owned()), "{tags:?}");
    assert!(tags.contains(&"kind=os_phase1,os_board=cosmo,os_variant=recovery".to_owned()));

    let root = sample.path().join("root.json");
    std::fs::write(&root, &built.root_json).unwrap();
    let options = VerifyOptions { trust_root: Some(root), ..VerifyOptions::at(build_time()) };
    assert!(tuf::verify(&zip, &options).unwrap().outcome().is_ok());
}

#[test]
fn same_inputs_same_bytes() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let first = std::fs::read(&zip).unwrap();
    let mut options = sample.options("again.zip");
    options.inputs.reverse();
    options.build_time = "2026-11-20T15:13:08.9Z".parse().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| tuf::build(&options)).unwrap();
    assert!(std::fs::read(sample.path().join("again.zip")).unwrap() == first);
}

#[test]
fn a_throwaway_key_is_reported() {
    let sample = Sample::new();
    let mut options = sample.options("repo.zip");
    options.keys.clear();
    let built = tuf::build(&options).unwrap();
    assert!(built.throwaway_key);
    assert!(verify(&options.out).outcome().is_ok());
}

#[test]
fn python_tuf_downloads_every_target() {
    let sample = Sample::new();
    let (zip, built) = sample.build();
    let root = sample.path().join("root.json");
    std::fs::write(&root, &built.root_json).unwrap();
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
    let run = |at: &str, root: &Path| {
        let mut python = verifiers::require("python-tuf")?;
        Some(python.arg(client).arg(&zip).arg(at).arg(root).output().unwrap())
    };
    let Some(output) = run(BUILD_TIME, &root) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{} targets\n", built.targets.len())
    );
    // The client is able to say no.
    let late = run("2026-11-27T15:13:08Z", &root).unwrap();
    assert!(!late.status.success());
}

#[test]
fn unzip_finds_no_fault() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let Some(mut unzip) = verifiers::require("unzip") else { return };
    let output = unzip.arg("-t").arg(&zip).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("No errors detected"), "{text}");
}

#[test]
fn openssl_keys_sign() {
    for arguments in [
        &["-algorithm", "ed25519"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ] {
        for form in ["PEM", "DER"] {
            let sample = Sample::new();
            let file = sample.path().join("openssl.key");
            let Some(mut openssl) = verifiers::require("openssl") else { return };
            openssl.arg("genpkey").args(arguments).args(["-outform", form, "-out"]).arg(&file);
            assert!(openssl.output().unwrap().status.success());
            let mut options = sample.options("repo.zip");
            let key = tuf::Key::from_file(&file)
                .unwrap_or_else(|error| panic!("{arguments:?} {form}: {error}"));
            options.keys = vec![key, sample.key()];
            let built = tuf::build(&options).unwrap();
            assert_eq!(built.key_ids.len(), 2);
            let report = verify(&options.out);
            assert!(report.outcome().is_ok(), "{arguments:?} {form}: {report}");
            let Some(mut python) = verifiers::require("python-tuf") else { return };
            let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
            let output = python.arg(client).arg(&options.out).arg(BUILD_TIME).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Builds with one thing changed, and says how it was refused; nothing may be left behind.
fn refusal(change: impl FnOnce(&Sample, &mut tuf::BuildOptions)) -> String {
    let sample = Sample::new();
    let mut options = sample.options("out/repo.zip");
    std::fs::create_dir(sample.path().join("out")).unwrap();
    change(&sample, &mut options);
    let error = tuf::build(&options).expect_err("should be refused");
    let left: Vec<_> = std::fs::read_dir(sample.path().join("out")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    error.to_string()
}

fn write(sample: &Sample, file: &str, bytes: &[u8]) {
    std::fs::write(sample.path().join(file), bytes).unwrap();
}

#[test]
fn bad_inputs_are_refused() {
    type Change = fn(&Sample, &mut tuf::BuildOptions);
    let cases: &[(&str, Change)] = &[
        ("has no gimlet.rom", |s, _| {
            std::fs::remove_file(s.path().join("host/gimlet.rom")).unwrap()
        }),
        ("has no zfs.img", |s, _| std::fs::remove_file(s.path().join("host/zfs.img")).unwrap()),
        ("the magic number is", |s, _| write(s, "host/zfs.img", &[0; 5000])),
        ("shorter than the header", |s, _| write(s, "host/zfs.img", b"u")),
        ("announces", |s, _| {
            let mut image = std::fs::read(s.path().join("host/zfs.img")).unwrap();
            image.pop();
            write(s, "host/zfs.img", &image);
        }),
        ("is no folder", |s, o| {
            o.inputs[0] =
                Input::OsImages { directory: s.path().join("key"), variant: tuf::Variant::Host };
        }),
        ("is no gzip tar", |s, _| write(s, "ntp.tar.gz", b"not a zone")),
        ("has no oxide.json", |s, _| {
            let mut tar = tar::Builder::new(Vec::new());
            common::tar_member(&mut tar, "root/x", b"x");
            write(s, "ntp.tar.gz", &common::gzip(&tar.into_inner().unwrap()));
        }),
        ("a zone is a layer", |s, _| {
            let mut tar = tar::Builder::new(Vec::new());
            common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"os"}"#);
            write(s, "ntp.tar.gz", &common::gzip(&tar.into_inner().unwrap()));
        }),
        ("stamp the package", |s, _| {
            let mut tar = tar::Builder::new(Vec::new());
            common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"layer","pkg":"ntp"}"#);
            write(s, "ntp.tar.gz", &common::gzip(&tar.into_inner().unwrap()));
        }),
        ("letters, digits and ._+-", |s, _| write(s, "ntp.tar.gz", &zone_image("ntp", "1 2", b""))),
        ("same tags", |s, o| {
            write(s, "copy.tar.gz", &zone_image("ntp", VERSION, b""));
            o.inputs.push(Input::zone(s.path().join("copy.tar.gz")));
        }),
        ("with other tags or versions", |s, o| {
            write(s, "other", &zone_image("ntp", "1.0.0", b""));
            o.inputs.push(Input::Zone {
                path: s.path().join("other"),
                file_name: Some("ntp.tar.gz".to_owned()),
            });
        }),
        ("with different contents", |s, o| {
            write(s, "other", &zone_image("ntp", VERSION, b"something else"));
            o.inputs.push(Input::Zone {
                path: s.path().join("other"),
                file_name: Some("ntp.tar.gz".to_owned()),
            });
        }),
        ("differ in case", |s, o| {
            write(s, "NTP.tar.gz", &zone_image("NTP", VERSION, b""));
            o.inputs.push(Input::zone(s.path().join("NTP.tar.gz")));
        }),
        ("has a folder in it", |s, o| {
            o.inputs[2] = Input::Zone {
                path: s.path().join("ntp.tar.gz"),
                file_name: Some("../ntp.tar.gz".to_owned()),
            };
        }),
        ("cannot become the target", |s, o| {
            write(s, "a zone.tar.gz", &zone_image("z", VERSION, b""));
            o.inputs.push(Input::zone(s.path().join("a zone.tar.gz")));
        }),
        ("cannot read", |s, o| o.inputs.push(Input::zone(s.path().join("missing.tar.gz")))),
        ("is no regular file", |s, o| o.inputs.push(Input::zone(s.path().join("host")))),
        ("semantic version", |_, o| o.system_version = "twenty".to_owned()),
        ("the build time", |_, o| o.build_time = jiff::Timestamp::UNIX_EPOCH),
        ("at least one day", |_, o| o.expires_days = 0),
        ("given twice", |s, o| o.keys.push(s.key())),
        ("is no OS archive", |s, _| write(s, "host/os.tar.gz", b"nonsense")),
    ];
    for (wanted, change) in cases {
        let message = refusal(*change);
        assert!(message.contains(wanted), "{wanted:?} is not in {message:?}");
    }
}

#[test]
fn equal_files_under_one_name_are_one() {
    let sample = Sample::new();
    let mut options = sample.options("repo.zip");
    options.inputs.push(options.inputs[2].clone());
    assert_eq!(tuf::build(&options).unwrap().targets.len(), 15);
}

#[test]
fn the_archive_of_an_image_build_gives_its_texts() {
    let sample = Sample::new();
    let mut tar = tar::Builder::new(Vec::new());
    common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"os","i":{}}"#);
    common::tar_member(&mut tar, "image/image-args.txt", b"arguments");
    common::tar_member(&mut tar, "image/zfs.img", b"not looked at");
    common::tar_member(&mut tar, "image/late.txt", b"not seen");
    write(&sample, "host/os.tar.gz", &common::gzip(&tar.into_inner().unwrap()));
    let (zip, built) = sample.build();
    let names: Vec<_> = built.targets.iter().map(|t| t.name.as_str()).collect();
    assert!(names.contains(&"os-host/image-args.txt"));
    assert!(!names.contains(&"os-host/late.txt") && !names.contains(&"os-host/pkg-list.txt"));
    assert!(verify(&zip).outcome().is_ok());
}

#[test]
fn a_refused_build_leaves_the_repository_that_was_there() {
    let sample = Sample::new();
    let (zip, _) = sample.build();
    let before = std::fs::read(&zip).unwrap();
    write(&sample, "ntp.tar.gz", b"damaged");
    let error = tuf::build(&sample.options("repo.zip")).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    assert!(std::fs::read(&zip).unwrap() == before);
}

/// Adds firmware for every kind, and two corpora.
fn add_firmware(sample: &Sample, options: &mut tuf::BuildOptions) {
    let rkth = "0".repeat(64);
    let fake = |board| hubris::Fake::new(board, "1.2.3-0.ci");
    let rot = hubris::Fake { signer: Some(&rkth), ..fake("SimRot") };
    let bart = "84332ef8279df87fbb759dc3866cbc50cd246fbb5a64705a7e60ba86bf01c27d";
    let files = [
        ("misleading.tar.gz", hubris::Fake { image_name: Some("a"), ..rot }),
        ("rot-b.zip", hubris::Fake { image_name: Some("b"), ..rot }),
        ("bootloader.zip", hubris::Fake { signer: Some(bart), ..rot }),
        ("sp.zip", hubris::Fake { image_name: Some("default"), ..fake("SimGimletSp") }),
        ("lab.zip", hubris::Fake { image_name: Some("default"), name: "lab", ..fake("SimPscSp") }),
    ];
    for (file, fake) in files {
        write(sample, file, &fake.archive());
        options.inputs.push(Input::guess(sample.path().join(file)).unwrap());
    }
    for (file, id) in [("corpus.zip", "all-sp"), ("corpus2", "other")] {
        write(sample, file, &hubris::fake_corim(id, "1.0.5"));
        options.inputs.push(Input::guess(sample.path().join(file)).unwrap());
    }
}

#[test]
fn every_kind_is_named_and_tagged_by_its_contents() {
    let sample = Sample::new();
    let mut options = sample.options("repo.zip");
    add_firmware(&sample, &mut options);
    let built = tuf::build(&options).unwrap();
    let report = verify(&options.out);
    assert!(report.outcome().is_ok(), "{report}");
    assert_eq!(report.warnings, []);
    let lines: Vec<_> = built
        .artifacts
        .iter()
        .filter(|artifact| !artifact.target_name.contains("os-"))
        .map(|a| format!("{} {} {}", a.target_name, a.version, a.tags_text()))
        .collect();
    let rkth = "0".repeat(64);
    for wanted in [
        format!("rot/SimRot-unsigned-1.2.3-0.ci-slot-a.zip 1.2.3-0.ci kind=rot,rot_board=SimRot,rot_rkth={rkth},rot_slot=a"),
        format!("rot/SimRot-unsigned-1.2.3-0.ci-slot-b.zip 1.2.3-0.ci kind=rot,rot_board=SimRot,rot_rkth={rkth},rot_slot=b"),
        "rot-bootloader/SimRot-test-bart-1.2.3-0.ci.zip 1.2.3-0.ci kind=rot_bootloader,rot_board=SimRot,\
         rot_rkth=84332ef8279df87fbb759dc3866cbc50cd246fbb5a64705a7e60ba86bf01c27d".to_owned(),
        "sp/SimGimletSp-1.2.3-0.ci.zip 1.2.3-0.ci kind=sp,sp_board=SimGimletSp".to_owned(),
    ] {
        assert!(lines.contains(&wanted), "{wanted} is not in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.ends_with("kind=measurement_corpus")).count(), 2);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("measurements/all-sp-") && line.contains(".cbor 1.0.5 "))
    );
    // Images for the lab are carried and are no artifacts.
    assert!(built.targets.iter().any(|target| target.name == "sp/lab-1.2.3-0.ci.zip"));
    assert!(!lines.iter().any(|line| line.contains("sp/lab")));
    // The installer gets the corpora too.
    let forge = common::forge::Forge::open(&options.out);
    let document = forge.json(&format!("repo/targets/installinator_document-{VERSION}.json"));
    assert_eq!(document["artifacts"].as_array().unwrap().len(), 6);
    assert_eq!(document["artifacts"][1]["kind"], "measurement_corpus");
}

#[test]
fn firmware_that_lies_is_refused() {
    type Change = fn(&mut common::forge::Forge);
    const ROT: &str = "rot/SimRot-unsigned-1.2.3-0.ci-slot-a.zip";
    const SP: &str = "sp/SimGimletSp-1.2.3-0.ci.zip";
    let cases: &[(&str, Change)] = &[
        ("artifact-contents", |f| f.artifact(ROT, |a| a["version"] = "9.9.9".into())),
        ("artifact-contents", |f| f.artifact(ROT, |a| a["tags"]["rot_board"] = "x".into())),
        ("artifact-contents", |f| {
            f.artifact(ROT, |a| a["tags"]["rot_rkth"] = "1".repeat(64).into())
        }),
        ("artifact-contents", |f| f.artifact(SP, |a| a["tags"]["sp_board"] = "x".into())),
        ("artifact-contents", |f| f.target(SP, b"PK\x03\x04 no archive".to_vec())),
        ("artifact-contents", |f| {
            f.target(SP, hubris::Fake::new("SimGimletSp", "2.0.0").archive());
        }),
        ("artifact-name", |f| f.target(SP, hubris::Fake::new("SimGimletSp", "2.0.0").archive())),
        ("artifact-contents", |f| {
            let rot = hubris::Fake::new("SimRot", "1.2.3-0.ci");
            f.target(ROT, hubris::Fake { image_name: Some("b"), ..rot }.archive());
        }),
        ("artifact-tags", |f| f.artifact(ROT, |a| a["tags"]["rot_slot"] = "c".into())),
        ("artifact-duplicate", |f| f.artifact(ROT, |a| a["tags"]["rot_slot"] = "b".into())),
        ("artifact-contents", |f| {
            let name = f.json("repo/targets/artifacts-v2.json")["artifacts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|a| a["target_name"].as_str().unwrap().to_owned())
                .find(|name| name.starts_with("measurements/"))
                .unwrap();
            f.target(&name, b"\xa0".to_vec());
        }),
    ];
    let sample = Sample::new();
    let mut options = sample.options("repo.zip");
    add_firmware(&sample, &mut options);
    tuf::build(&options).unwrap();
    for (id, change) in cases {
        let mut forge = common::forge::Forge::open(&options.out);
        change(&mut forge);
        let path = sample.path().join("lies.zip");
        std::fs::write(&path, forge.zip().bytes()).unwrap();
        let report = verify(&path);
        assert!(report.problems.iter().any(|p| p.id.as_str() == *id), "no {id}: {report}");
    }
}

#[test]
fn inputs_are_recognised_by_their_contents() {
    let sample = Sample::new();
    let guess = |name: &str| Input::guess(sample.path().join(name));
    assert!(matches!(guess("host"), Ok(Input::OsImages { variant: tuf::Variant::Host, .. })));
    assert!(matches!(
        guess("trampoline"),
        Ok(Input::OsImages { variant: tuf::Variant::Recovery, .. })
    ));
    write(&sample, "zone.cbor", &zone_image("ntp", VERSION, b""));
    assert!(matches!(guess("zone.cbor"), Ok(Input::Zone { .. })));
    assert!(guess("key").unwrap_err().to_string().contains("none of the known"));
    assert!(guess("missing").is_err());
    assert!(Input::guess(sample.path()).is_err());
}
