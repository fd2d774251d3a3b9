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
    assert_eq!(report.sha256, Some(built.sha256));
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
