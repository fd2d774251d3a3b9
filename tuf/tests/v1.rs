//! Builds repositories of the older format and has them judged, by ourselves and by others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};

use common::forge::Forge;
use common::{BUILD_TIME, Sample, VERSION, boot_image, build_time, zone_image};
use proto::Digest;
use serde_json::{Value, json};
use tuf::{
    BuildReport, Error, Outcome, Repository, V1BuildOptions, V1Manifest, VerifyOptions,
    VerifyReport,
};

/// Everything that a rack needs, as `manifest.toml` says it.
fn manifest(sample: &Sample) -> String {
    let path = |name: &str| sample.path().join(name).display().to_string();
    let write =
        |name: &str, bytes: Vec<u8>| std::fs::write(sample.path().join(name), bytes).unwrap();
    let mut text = format!("system_version = \"{VERSION}\"\n");
    let mut artifact = |kind: &str, name: &str, version: &str, source: &str| {
        text += &format!(
            "[[artifact.{kind}]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ {source} }}\n"
        );
    };
    for board in ["gimlet", "psc", "switch"] {
        for (part, image_name) in
            [("a", Some("a")), ("b", Some("b")), ("boot", None), ("sp", Some("default"))]
        {
            let fake = hubris::Fake::new(board, "1.0.0");
            let name = format!("{board}-{part}-{part}");
            let fake = hubris::Fake { image_name, name: &name, ..fake };
            write(&format!("{board}-{part}.zip"), fake.archive());
        }
        artifact(
            &format!("{board}_sp"),
            "sp",
            "1.0.0",
            &format!("kind = \"file\", path = \"{board}-sp.zip\""),
        );
        artifact(
            &format!("{board}_rot_bootloader"),
            "boot",
            "1.0.0",
            &format!("kind = \"file\", path = \"{board}-boot.zip\""),
        );
        let part = |slot: &str| {
            format!(
                "archive_{slot} = {{ kind = \"file\", path = \"{}\" }}",
                path(&format!("{board}-{slot}.zip"))
            )
        };
        let source = format!("kind = \"composite-rot\", {}, {}", part("a"), part("b"));
        artifact(&format!("{board}_rot"), "rot", "1.0.0", &source);
    }
    for (kind, folder) in [("host", "host"), ("trampoline", "trampoline")] {
        // The two images of the sample share nothing but this.
        write(&format!("{folder}/cosmo.rom"), format!("cosmo {folder}").into_bytes());
        write(&format!("{folder}/gimlet.rom"), format!("gimlet {folder}").into_bytes());
        let part = |name: &str, file: &str| {
            format!(
                "{name} = {{ kind = \"file\", path = \"{}\" }}",
                path(&format!("{folder}/{file}"))
            )
        };
        let source = format!(
            "kind = \"composite-host\", {}, {}, {}",
            part("gimlet_phase_1", "gimlet.rom"),
            part("cosmo_phase_1", "cosmo.rom"),
            part("phase_2", "zfs.img")
        );
        artifact(kind, kind, VERSION, &source);
    }
    let zone =
        |file: &str, more: &str| format!("{{ kind = \"file\", path = \"{}\"{more} }}", path(file));
    let zones = [zone("ntp.tar.gz", ""), zone("nexus.tar.gz", ", file_name = \"renamed.tar.gz\"")];
    let source = format!("kind = \"composite-control-plane\", zones = [{}]", zones.join(", "));
    artifact("control_plane", "control-plane", VERSION, &source);
    write("corpus", hubris::fake_corim("all-sp", "1.0.5"));
    artifact("measurement_corpus", "staging-all-sp", "1.0.5", "kind = \"file\", path = \"corpus\"");
    text
}

fn options(sample: &Sample, text: &str) -> Result<V1BuildOptions, Error> {
    let path = sample.path().join("manifest.toml");
    std::fs::write(&path, text).unwrap();
    Ok(V1BuildOptions {
        manifest: V1Manifest::read(&path)?,
        keys: vec![sample.key()],
        roots: Vec::new(),
        expires_days: 7,
        build_time: build_time(),
        out: sample.path().join("repo-v1.zip"),
        complete: true,
    })
}

fn built(sample: &Sample) -> (PathBuf, BuildReport) {
    let options = options(sample, &manifest(sample)).unwrap();
    let report = tuf::build_v1(&options).unwrap();
    (options.out, report)
}

fn verify(zip: &Path) -> VerifyReport {
    tuf::verify(zip, &VerifyOptions::at(build_time())).unwrap()
}

#[test]
fn a_complete_repository_verifies() {
    let sample = Sample::new();
    let (zip, built) = built(&sample);
    let report = verify(&zip);
    assert_eq!(report.outcome(), Outcome::Ok, "{report}");
    assert_eq!(report.warnings, []);
    assert_eq!(report.system_version.as_deref(), Some(VERSION));
    assert_eq!(report.artifacts, built.artifacts);
    let names: Vec<_> = built.targets.iter().map(|target| target.name.as_str()).collect();
    let document = format!("installinator_document-{VERSION}.json");
    let host = format!("host-host-{VERSION}.tar.gz");
    for name in ["artifacts.json", &document, &host, "gimlet_rot-rot-1.0.0.tar.gz"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(names.len(), 15);

    // Files are named by hash, the other metadata by version.
    let forge = Forge::open(&zip);
    for target in &built.targets {
        let path = format!("repo/targets/{}.{}", target.sha256, target.name);
        assert_eq!(Digest::of(&forge.files[&path]), target.sha256);
    }
    let version = build_time().as_second();
    assert!(forge.files.contains_key(&format!("repo/metadata/{version}.targets.json")));
    let find = |name: &str| forge.files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    let text = String::from_utf8(find(&document).clone()).unwrap();
    assert!(text.starts_with("{\n  \"system_version\"") && text.ends_with('}'), "{text}");
    let installed: Value = serde_json::from_str(&text).unwrap();
    let image = Digest::of(&std::fs::read(sample.path().join("host/zfs.img")).unwrap());
    assert_eq!(
        installed["artifacts"][0],
        json!({"name": "image/zfs.img", "kind": "host_phase2", "hash": image.to_string()})
    );
    assert_eq!(installed["artifacts"][2]["name"], "control-plane");

    // A composite artifact as everybody's tar reads it.
    std::fs::write(sample.path().join("host.tar.gz"), find(&host)).unwrap();
    if let Some(mut tar) = verifiers::require("tar") {
        let output = tar.arg("-tvzf").arg(sample.path().join("host.tar.gz")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(names, ["oxide.json", "image/cosmo.rom", "image/gimlet.rom", "image/zfs.img"]);
        assert!(text.starts_with("-r--r--r-- "), "{text}");
    }
    if let Some(mut unzip) = verifiers::require("unzip") {
        assert!(unzip.arg("-tqq").arg(&zip).status().unwrap().success());
    }
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_tuf_client.py");
    if let Some(mut python) = verifiers::require("python-tuf") {
        let output = python.arg(client).arg(&zip).arg(BUILD_TIME).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn the_same_bytes_each_time() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let first = std::fs::read(&zip).unwrap();
    built(&sample);
    assert!(first == std::fs::read(&zip).unwrap());
}

#[test]
fn it_is_listed_refreshed_and_not_edited() {
    let sample = Sample::new();
    let (zip, built) = built(&sample);
    let listing = Repository::open(&zip, None).unwrap().listing();
    assert_eq!(listing.targets.len(), built.targets.len());
    tuf::refresh(&tuf::RefreshOptions {
        zip: zip.clone(),
        out: zip.clone(),
        trust_root: None,
        keys: vec![sample.key()],
        root: tuf::SigningRoot::Own,
        expires_days: 30,
        build_time: build_time(),
        digest: false,
    })
    .unwrap();
    assert_eq!(verify(&zip).outcome(), Outcome::Ok);
    let error = tuf::edit(&tuf::EditOptions {
        zip: zip.clone(),
        out: zip,
        trust_root: None,
        add: Vec::new(),
        replace: Vec::new(),
        remove: Vec::new(),
        system_version: Some("1.0.0".to_owned()),
        keys: vec![sample.key()],
        root: tuf::SigningRoot::Own,
        expires_days: 7,
        build_time: build_time(),
        complete: true,
        digest: false,
    });
    assert!(error.unwrap_err().to_string().contains("format v1"));
}

#[test]
fn bad_manifests_are_refused() {
    let sample = Sample::new();
    let text = manifest(&sample);
    let refusal = |text: &str| {
        let result = options(&sample, text).and_then(|options| tuf::build_v1(&options));
        assert!(!sample.path().join("repo-v1.zip").exists());
        result.unwrap_err().to_string()
    };
    std::fs::write(sample.path().join("empty.tar.gz"), zone_image("x", "1.0.0", b"")).unwrap();
    for (from, to, wanted) in [
        ("[[artifact.gimlet_sp]]", "[[artifact.toaster]]", "\"toaster\" of sp is not known"),
        ("[[artifact.gimlet_sp]]", "[[artifact.installinator_document]]", "made by the build"),
        ("[[artifact.psc_sp]]", "[[artifact.gimlet_sp]]", "become the target gimlet_sp-sp-1.0.0"),
        ("[[artifact.host]]", "[[artifact.gimlet_rot]]", "cannot make its kind, gimlet_rot"),
        ("gimlet-sp.zip", "ghost.zip", "cannot read"),
        ("gimlet-sp.zip", "corpus", "corpus:"),
        ("gimlet-a.zip", "gimlet-sp.zip-", "cannot read"),
        ("version = \"1.0.5\"", "version = \"1.0.6\"", "its version is 1.0.5"),
        (
            "name = \"sp\"\nversion = \"1.0.0\"",
            "name = \"sp\"\nversion = \"1.0.1\"",
            "gives it 1.0.1",
        ),
        ("version = \"1.0.5\"", "version = \"five\"", "semantic version"),
        (VERSION, "twenty", "semantic version"),
        ("name = \"sp\"", "name = \"../sp\"", "has a folder in it"),
        ("name = \"sp\"", "name = \"a/sp\"", "has a folder in it"),
        ("kind = \"file\"", "kind = \"fake\"", "size"),
        ("[[artifact.psc_rot]]", "[[artifact.measurement_corpus]]", "cannot make its kind"),
        ("file_name = \"renamed.tar.gz\"", "file_name = \"ntp.tar.gz\"", "is there already"),
        ("file_name = \"renamed.tar.gz\"", "file_name = \"a/b\"", "has a folder in it"),
        ("source =", "sauce =", "sauce"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = refusal(&text.replacen(from, to, 1));
        assert!(error.contains(wanted), "{wanted:?} is not in {error}");
    }
    // To a rack these would be one.
    let at = text.find("[[artifact.gimlet_rot]]").unwrap();
    let end = at + 1 + text[at + 1..].find("[[").unwrap();
    let twin = text[at..end].replacen("\"rot\"", "\"twin\"", 1);
    assert!(refusal(&format!("{text}{twin}")).contains("hold the same gimlet_rot_image_a"));
    let shorter = text[..text.find("[[artifact.control_plane]]").unwrap()].to_owned();
    assert!(refusal(&shorter).contains("also has: control_plane"));
}

#[test]
fn an_os_archive_is_taken_as_it_is() {
    let sample = Sample::new();
    let text = manifest(&sample);
    let mut tar = tar::Builder::new(Vec::new());
    common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"os","i":{}}"#);
    for name in ["cosmo.rom", "gimlet.rom", "zfs.img"] {
        let bytes = std::fs::read(sample.path().join("host").join(name)).unwrap();
        common::tar_member(&mut tar, &format!("image/{name}"), &bytes);
    }
    let archive = common::gzip(&tar.into_inner().unwrap());
    std::fs::write(sample.path().join("os.tar.gz"), &archive).unwrap();
    let at = text.find("[[artifact.host]]").unwrap();
    let end = at + text[at..].find("[[artifact.trampoline]]").unwrap();
    let host = format!(
        "[[artifact.host]]\nname = \"host\"\nversion = \"{VERSION}\"\n\
         source = {{ kind = \"file\", path = \"os.tar.gz\" }}\n"
    );
    let with = || options(&sample, &format!("{}{host}{}", &text[..at], &text[end..])).unwrap();
    let report = tuf::build_v1(&with()).unwrap();
    let host_target = report.targets.iter().find(|t| t.name.starts_with("host-")).unwrap();
    assert_eq!(host_target.sha256, Digest::of(&archive));
    assert_eq!(verify(&report.path).outcome(), Outcome::Ok);

    std::fs::write(sample.path().join("os.tar.gz"), zone_image("x", "1.0.0", b"")).unwrap();
    std::fs::remove_file(&report.path).unwrap();
    let error = tuf::build_v1(&with()).unwrap_err().to_string();
    assert!(error.contains("of type layer, it should be os"), "{error}");
    assert!(!report.path.exists());
}

#[test]
fn artifacts_that_lie_are_refused() {
    type Change = fn(&mut Value);
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let cases: &[(&str, Change)] = &[
        ("system-version", |d| d["system_version"] = "20".into()),
        ("artifact-version", |d| d["artifacts"][0]["version"] = "one".into()),
        ("artifact-name", |d| d["artifacts"][0]["name"] = "other".into()),
        ("artifact-target", |d| d["artifacts"][0]["target"] = "ghost-x-1.0.0.tar.gz".into()),
        ("artifact-missing", |d| {
            d["artifacts"].as_array_mut().unwrap().retain(|a| a["kind"] != "psc_sp");
        }),
        ("artifact-target", |d| {
            let first = d["artifacts"][0].clone();
            d["artifacts"].as_array_mut().unwrap().push(first);
        }),
        ("artifacts-document", |d| d["colour"] = "blue".into()),
        ("artifacts-document", |d| d["artifacts"][0]["kind"] = 7.into()),
    ];
    for (id, change) in cases {
        let mut forge = v2_names(&zip);
        forge.target_json("artifacts.json", change);
        let path = sample.path().join("lies.zip");
        std::fs::write(&path, forge.zip().bytes()).unwrap();
        let report = verify(&path);
        assert!(report.problems.iter().any(|p| p.id.as_str() == *id), "no {id}: {report}");
    }
    // Contents under a name that says otherwise.
    let sp = "gimlet_sp-sp-1.0.0.tar.gz";
    let document = format!("installinator_document-{VERSION}.json");
    let host = format!("host-host-{VERSION}.tar.gz");
    let other = |version| hubris::Fake::new("gimlet", version).archive();
    let rot = "gimlet_rot-rot-1.0.0.tar.gz";
    let slots = |a: (&str, &str), b: (&str, &str)| {
        let mut tar = tar::Builder::new(Vec::new());
        common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"rot"}"#);
        for (name, (version, image_name)) in [("archive-a.zip", a), ("archive-b.zip", b)] {
            let fake = hubris::Fake::new("gimlet", version);
            let fake = hubris::Fake { image_name: Some(image_name), ..fake };
            common::tar_member(&mut tar, name, &fake.archive());
        }
        common::gzip(&tar.into_inner().unwrap())
    };
    let os = |image: Vec<u8>| {
        let mut tar = tar::Builder::new(Vec::new());
        common::tar_member(&mut tar, "oxide.json", br#"{"v":"1","t":"os"}"#);
        let parts =
            [("cosmo.rom", b"a".to_vec()), ("gimlet.rom", b"b".to_vec()), ("zfs.img", image)];
        for (name, bytes) in parts {
            common::tar_member(&mut tar, &format!("image/{name}"), &bytes);
        }
        common::gzip(&tar.into_inner().unwrap())
    };
    let image = |name, compress| boot_image(&[3; 10_000], name, compress);
    let mut damaged = image("ci", false);
    damaged[9000] ^= 1;
    let mut cut = image("recovery", true);
    cut.pop();
    for (id, name, bytes) in [
        ("artifact-contents", &host[..], os(vec![1; 5000])),
        ("artifact-contents", &host, os(damaged)),
        ("artifact-contents", &host, os(cut)),
        ("artifact-contents", &host, os(image("recovery", false))),
        ("artifact-contents", rot, slots(("1.0.0", "a"), ("1.0.1", "b"))),
        ("artifact-contents", rot, slots(("1.0.0", "b"), ("1.0.0", "a"))),
        ("artifact-contents", sp, other("2.0.0")),
        ("artifact-contents", sp, b"noise".to_vec()),
        ("artifact-contents", &host, zone_image("x", "1.0.0", b"")),
        ("artifact-duplicate", "psc_sp-sp-1.0.0.tar.gz", Vec::new()),
        ("installinator-document", &document, b"{}".to_vec()),
        (
            "installinator-entries",
            &document,
            json!({"system_version": VERSION, "artifacts": []}).to_string().into_bytes(),
        ),
    ] {
        let mut forge = v2_names(&zip);
        if id == "artifact-duplicate" {
            // One image as two artifacts of one kind.
            let image = forge.files[&format!("repo/targets/{sp}")].clone();
            forge.target("gimlet_sp-twin-1.0.0.tar.gz", image);
            forge.target_json("artifacts.json", |d| {
                d["artifacts"].as_array_mut().unwrap().push(json!({
                    "name": "twin", "version": "1.0.0", "kind": "gimlet_sp",
                    "target": "gimlet_sp-twin-1.0.0.tar.gz"
                }));
            });
        } else {
            forge.target(name, bytes);
        }
        let path = sample.path().join("lies.zip");
        std::fs::write(&path, forge.zip().bytes()).unwrap();
        let report = verify(&path);
        assert!(report.problems.iter().any(|p| p.id.as_str() == id), "no {id}: {report}");
    }
    let mut forge = v2_names(&zip);
    forge.target(rot, slots(("1.0.0", "a"), ("1.0.0", "b")));
    // Odd, and installed all the same.
    forge.target(&format!("trampoline-trampoline-{VERSION}.tar.gz"), os(image("ci", true)));
    let path = sample.path().join("sound.zip");
    std::fs::write(&path, forge.zip().bytes()).unwrap();
    let report = verify(&path);
    assert_eq!(report.outcome(), Outcome::Ok, "{report}");
    assert!(report.warnings[0].reason.contains("names itself \"ci\""), "{report}");

    // What the published tool puts there when nothing real is wanted.
    let filler = format!("host:{VERSION}:some text, and again some text");
    forge.target(&host, os(filler.into_bytes()));
    std::fs::write(&path, forge.zip().bytes()).unwrap();
    let report = verify(&path);
    assert!(report.problems.iter().all(|p| p.id.as_str() == "installinator-entries"), "{report}");
    assert!(report.warnings.iter().any(|p| p.id.as_str() == "artifact-stand-in"), "{report}");
}

#[test]
fn composite_artifacts_are_compared_file_by_file() {
    let sample = Sample::new();
    let (zip, _) = built(&sample);
    let old = sample.path().join("old.zip");
    std::fs::rename(&zip, &old).unwrap();
    let text = manifest(&sample).replace(VERSION, "21.0.0");
    let nexus = zone_image("nexus", VERSION, b"changed");
    std::fs::write(sample.path().join("nexus.tar.gz"), nexus).unwrap();
    std::fs::write(sample.path().join("host/cosmo.rom"), b"another ROM").unwrap();
    tuf::build_v1(&options(&sample, &text).unwrap()).unwrap();
    let open = |path: &Path| Repository::open(path, None).unwrap();
    let text = tuf::diff(&open(&old), &open(&zip)).unwrap().to_string();
    let lines: Vec<_> = text.lines().collect();
    // Names of targets have versions in them: what belongs together is found by kind and name.
    let wanted = [
        "~ system version: ",
        "~ kind=control_plane,name=control-plane, target ",
        "    ~ zones/renamed.tar.gz contents",
        "    ~ zones/renamed.tar.gz: root/opt/file contents",
        "~ kind=host,name=host, target ",
        "    ~ image/cosmo.rom contents",
        "~ kind=trampoline,name=trampoline, target ",
    ];
    assert_eq!(lines.len(), wanted.len(), "{text}");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{wanted:?} in {text}");
    }
    assert!(lines[6].ends_with(&format!("version {VERSION} -> 21.0.0")), "{text}");
}

/// The repository with names that the forge knows, signed again.
fn v2_names(zip: &Path) -> Forge {
    let mut forge = Forge::open(zip);
    let names: Vec<String> = forge.files.keys().cloned().collect();
    for name in names {
        let Some(bytes) = forge.files.remove(&name) else { continue };
        let plain = match name.rsplit_once('/') {
            Some((folder, base)) if folder == "repo/targets" => {
                format!("{folder}/{}", base.split_once('.').unwrap().1)
            }
            Some((folder, base))
                if base.starts_with(|c: char| c.is_ascii_digit()) && !base.contains("root") =>
            {
                format!("{folder}/{}", base.split_once('.').unwrap().1)
            }
            _ => name,
        };
        forge.files.insert(plain, bytes);
    }
    forge.root(|root| root["consistent_snapshot"] = false.into());
    assert_eq!(
        {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.zip");
            std::fs::write(&path, forge.zip().bytes()).unwrap();
            verify(&path).outcome()
        },
        Outcome::Ok
    );
    forge
}
