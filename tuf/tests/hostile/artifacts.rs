//! Artifacts that lie about themselves.

use super::*;

/// All of these are properly signed: the signer is careless, or lies.
#[test]
fn artifacts_lie() {
    type Change = fn(&mut Forge);
    const DOCUMENT: &str = "installinator_document-20.0.0-0.ci+git0123456789a.json";
    let cases: &[(&str, Change, &str, &str)] = &[
        (
            "no document",
            |f| {
                f.files.remove("repo/targets/artifacts-v2.json");
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove("artifacts-v2.json");
                });
            },
            "artifacts-document",
            "artifacts-v2.json",
        ),
        (
            "a document of nonsense",
            |f| f.target("artifacts-v2.json", b"[]".to_vec()),
            "artifacts-document",
            "artifacts",
        ),
        (
            "an unknown member",
            |f| f.artifacts(|d| d["x"] = json!(1)),
            "artifacts-document",
            "artifacts",
        ),
        (
            "unknown metadata",
            |f| f.artifacts(|d| d["metadata"]["x"] = json!("y")),
            "artifacts-document",
            "artifacts",
        ),
        (
            "no semantic version",
            |f| f.artifacts(|d| d["system_version"] = json!("20")),
            "system-version",
            "artifacts",
        ),
        (
            "an unknown kind",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["kind"] = json!("toaster")),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a missing tag",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"] = json!({"kind": "zone"})),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a tag too many",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["x"] = json!("y")),
            "artifact-tags",
            "zones/ntp.tar.gz",
        ),
        (
            "a bad version",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["version"] = json!("1 2")),
            "artifact-version",
            "zones/ntp.tar.gz",
        ),
        (
            "another version than the zone's",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["version"] = json!("1.0.0")),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "another name than the zone's",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["zone_name"] = json!("dns")),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "another version than the system's",
            |f| f.artifact("os-host/zfs.img", |a| a["version"] = json!("1.0.0")),
            "artifact-version",
            "os-host/zfs.img",
        ),
        (
            "an unsigned artifact",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["target_name"] = json!("zones/x.tar.gz")),
            "artifact-target",
            "zones/x.tar.gz",
        ),
        (
            "an artifact twice",
            |f| {
                f.artifacts(|d| {
                    let first = d["artifacts"][0].clone();
                    d["artifacts"].as_array_mut().unwrap().push(first);
                })
            },
            "artifact-target",
            "",
        ),
        (
            "two of one kind",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["zone_name"] = json!("nexus")),
            "artifact-duplicate",
            "zones/n",
        ),
        (
            "ROMs exchanged",
            |f| {
                f.artifact("os-host/cosmo.rom", |a| a["tags"]["os_board"] = json!("x"));
                f.artifact("os-host/gimlet.rom", |a| a["tags"]["os_board"] = json!("cosmo"));
            },
            "artifact-name",
            "os-host/gimlet.rom",
        ),
        (
            "a missing ROM",
            |f| f.artifact("os-host/cosmo.rom", |a| a["tags"]["os_board"] = json!("x")),
            "artifact-missing",
            "artifacts",
        ),
        (
            "no installinator document",
            |f| {
                f.files.remove(&format!("repo/targets/{DOCUMENT}"));
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove(DOCUMENT);
                });
                f.artifacts(|d| {
                    d["artifacts"].as_array_mut().unwrap().retain(|a| a["target_name"] != DOCUMENT)
                });
            },
            "artifact-missing",
            "artifacts",
        ),
        (
            "an installinator document of nonsense",
            |f| f.target(DOCUMENT, b"{}".to_vec()),
            "installinator-document",
            DOCUMENT,
        ),
        (
            "one of another version",
            |f| f.target_json(DOCUMENT, |d| d["system_version"] = json!("1.0.0")),
            "installinator-document",
            DOCUMENT,
        ),
        (
            "one with a wrong hash",
            |f| f.target_json(DOCUMENT, |d| d["artifacts"][0]["hash"] = json!("0".repeat(64))),
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that lists too little",
            |f| {
                f.target_json(DOCUMENT, |d| {
                    d["artifacts"].as_array_mut().unwrap().pop();
                })
            },
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that lists too much",
            |f| {
                f.target_json(DOCUMENT, |d| {
            d["artifacts"].as_array_mut().unwrap().push(json!({"kind": "zone", "zone_name": "x", "hash": "0".repeat(64), "name": "x"}));
        })
            },
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "one that was not made anew",
            |f| f.target("zones/ntp.tar.gz", zone_image("ntp", VERSION, b"newer")),
            "installinator-entries",
            DOCUMENT,
        ),
        (
            "a zone that is none",
            |f| f.target("zones/ntp.tar.gz", b"hello".to_vec()),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "a zone elsewhere",
            |f| {
                let bytes = f.files.remove(NTP).unwrap();
                f.role("targets", |t| {
                    t["targets"].as_object_mut().unwrap().remove("zones/ntp.tar.gz");
                });
                f.target("ntp.tar.gz", bytes);
                f.artifact("zones/ntp.tar.gz", |a| a["target_name"] = json!("ntp.tar.gz"));
            },
            "artifact-name",
            "ntp.tar.gz",
        ),
        (
            "documents of both formats",
            |f| {
                f.target("artifacts.json", br#"{"system_version":"1.0.0","artifacts":[]}"#.to_vec())
            },
            "artifacts-document",
            "artifacts.json",
        ),
        (
            "an empty ROM",
            |f| f.target("os-host/cosmo.rom", Vec::new()),
            "artifact-contents",
            "os-host/cosmo.rom",
        ),
        (
            "a name that the zone has not",
            |f| f.artifact("zones/ntp.tar.gz", |a| a["tags"]["zone_name"] = json!("../ntp")),
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "a zone whose oxide.json has a member twice",
            |f| {
                let json = r#"{"v":"1","t":"layer","pkg":"x","pkg":"ntp","version":"1.0.0"}"#;
                f.target("zones/ntp.tar.gz", zone_of(json));
            },
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        (
            "an OS archive as a zone",
            |f| {
                let json = r#"{"v":"1","t":"os","pkg":"ntp","version":"1.0.0"}"#;
                f.target("zones/ntp.tar.gz", zone_of(json));
            },
            "artifact-contents",
            "zones/ntp.tar.gz",
        ),
        ("an image of another version", |f| patched(f, 4, b"\x03"), "artifact-contents", IMAGE),
        ("an image with unknown flags", |f| patched(f, 8, b"\x04"), "artifact-contents", IMAGE),
        ("an image for no room", |f| patched(f, 32, &[0; 8]), "artifact-contents", IMAGE),
        ("an image of no dataset", |f| patched(f, 72, &[0; 128]), "artifact-contents", IMAGE),
        ("a dataset without end", |f| patched(f, 72, &[b'a'; 128]), "artifact-contents", IMAGE),
        ("a dataset with a second name", |f| patched(f, 180, b"x"), "artifact-contents", IMAGE),
        ("an image of no name", |f| patched(f, 200, b"\xff"), "artifact-contents", IMAGE),
        ("something behind the header", |f| patched(f, 1000, b"x"), "artifact-contents", IMAGE),
        (
            "an image without a header",
            |f| f.target("os-host/zfs.img", vec![1; 5000]),
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "an image of other bytes",
            |f| {
                let mut image = boot_image(&[3; 10_000], "ci", false);
                image[9000] ^= 1;
                f.target("os-host/zfs.img", image);
            },
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "a compressed image that is cut",
            |f| {
                let mut image = boot_image(&[3; 10_000], "recovery", true);
                image.pop();
                f.target("os-recovery/zfs.img", image);
            },
            "artifact-contents",
            "os-recovery/zfs.img",
        ),
        (
            "a recovery image as the host's",
            |f| f.target("os-host/zfs.img", boot_image(&[3; 10_000], "recovery", false)),
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "an image that announces too much",
            |f| {
                let mut image = boot_image(&[3; 10_000], "ci", false);
                image[18] = 0x40;
                image[26] = 0x40;
                f.target("os-host/zfs.img", image);
            },
            "artifact-contents",
            "os-host/zfs.img",
        ),
        (
            "a stand-in with other data than its hash is of",
            |f| {
                let mut image = stand_in("ci");
                image[5000] ^= 1;
                f.target("os-host/zfs.img", image);
            },
            "artifact-contents",
            "os-host/zfs.img",
        ),
    ];
    let ground = Ground::new();
    for (case, change, id, subject) in cases {
        let mut forge = ground.forge();
        change(&mut forge);
        refused(case, &ground.verify_bytes(&forge.zip().bytes()), id, subject);
        refused(case, &ground.verify_directory(&forge), id, subject);
    }
}

const IMAGE: &str = "os-host/zfs.img";

/// Puts other bytes into the header of the host's image.
fn patched(forge: &mut Forge, at: usize, bytes: &[u8]) {
    let mut image = boot_image(&[3; 10_000], "ci", false);
    image[at..at + bytes.len()].copy_from_slice(bytes);
    forge.target(IMAGE, image);
}

/// A zone with this `oxide.json`.
fn zone_of(json: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    common::tar_member(&mut tar, "oxide.json", json.as_bytes());
    common::gzip(&tar.into_inner().unwrap())
}

#[test]
fn an_image_for_a_slot_is_no_service_processor() {
    let ground = Ground::new();
    for (image_name, sound) in [(Some("default"), true), (None, true), (Some("a"), false)] {
        let name = "sp/SimSp-1.0.0.zip";
        let fake = hubris::Fake { image_name, ..hubris::Fake::new("SimSp", "1.0.0") };
        let mut forge = ground.forge();
        forge.target(name, fake.archive());
        forge.artifacts(|document| {
            document["artifacts"].as_array_mut().unwrap().push(json!({
                "target_name": name, "version": "1.0.0",
                "tags": {"kind": "sp", "sp_board": "SimSp"}
            }));
        });
        let report = ground.verify_bytes(&forge.zip().bytes());
        match sound {
            true => assert_eq!(report.outcome(), Outcome::Ok, "{image_name:?}: {report}"),
            false => refused("a slot's image", &report, "artifact-contents", name),
        }
    }
}

/// What the published tool pretends is an image: its header announces 4 MiB, whatever there is.
fn stand_in(word: &str) -> Vec<u8> {
    let name = format!("{word} fake123/789fake 1986-12-28 01:23");
    let mut image = boot_image(&[0; 65_536], &name, false);
    for at in [16, 24] {
        image[at..at + 8].copy_from_slice(&(4_u64 << 20).to_le_bytes());
    }
    image
}

#[test]
fn stand_ins_of_the_published_tool_are_told_and_not_refused() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    forge.target("os-host/zfs.img", stand_in("ci"));
    forge.target("os-recovery/zfs.img", stand_in("recovery"));
    let report = ground.verify_bytes(&forge.zip().bytes());
    let lists = |problem: &tuf::Problem| problem.id.as_str() == "installinator-entries";
    assert!(report.problems.iter().all(lists), "{report}");
    let warned = report.warnings.iter().filter(|w| w.id.as_str() == "artifact-stand-in");
    assert_eq!(warned.count(), 2, "{report}");
}
