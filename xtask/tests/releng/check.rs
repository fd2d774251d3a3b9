//! `check`: paths that nothing delivers any more.

use std::fs;
use std::path::Path;

use ips::{Publication, Repository, Timestamp};

use crate::common::{Outcome, run, xtask};

const ACCOUNTS: &str = "\
dir path=etc owner=root group=sys mode=0755
file passwd path=etc/passwd owner=root group=sys mode=0644
file group path=etc/group owner=root group=sys mode=0644
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
file text path=usr/bin/ls owner=root group=bin mode=0555
file text path=kernel/genunix owner=root group=sys mode=0755
file text path=platform/oxide/kernel/amd64/unix owner=root group=sys mode=0755
file text path=usr/share/man/ls.1 owner=root group=bin mode=0444 variant.debug.illumos=true
";

/// A repository with two versions of one package, and small templates.
fn site(directory: &Path) {
    for (name, text) in [
        ("passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("group", "root::0:\nbin::2:\nsys::3:\n"),
        ("text", "text\n"),
        ("boot.txt", "kernel/genunix\n# a comment\nkernel/genunixx\n"),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    let mut repository = Repository::create(directory.join("repo"), "test").unwrap();
    let date: Timestamp = "20260102T030405Z".parse().unwrap();
    let publication =
        Publication { content: vec![directory.to_owned()], ..Publication::new("test", date) };
    let old = "file text path=usr/bin/dc owner=root group=bin mode=0555\n";
    for (version, more) in [("1.0", old), ("2.0", "")] {
        let source = directory.join("source.p5m");
        let name = format!("set name=pkg.fmri value=system/base@{version}\n");
        fs::write(&source, format!("{name}{ACCOUNTS}{more}")).unwrap();
        ips::publish(&mut repository, &publication, &[source]).unwrap();
    }
    let group = directory.join("templates/sled");
    fs::create_dir_all(&group).unwrap();
    let install = r#"{ "steps": [
{ "t": "pkg_image_create" },
{ "t": "pkg_set_publisher", "publisher": "${publisher_0_name}", "uris": [ "${@@publisher_0_url}" ] },
{ "t": "pkg_install", "pkgs": [ "/system/base" ] }
] }"#;
    let trim = r#"{ "steps": [
{ "t": "remove_files", "file": "/usr/bin/dc" },
{ "t": "remove_files", "file": "/usr/bin/lss" },
{ "t": "remove_files", "file": "/usr/bin/bc", "optional": true },
{ "t": "ensure_perms", "path": "/usr/share/man/ls.1", "owner": "root", "group": "sys", "mode": "0444" }
] }"#;
    let pool = r#"{ "pool": { "name": "rpool", "bename": "ramdisk", "ashift": 9, "size": 100 }, "steps": [
{ "t": "clone_snapshot", "name": "ramdisk", "snapshot": "trim" }
] }"#;
    for (name, text) in [
        ("ramdisk-01-os", install),
        ("ramdisk-02-trim", trim),
        ("ramdisk-03-recovery-trim", r#"{ "steps": [] }"#),
        ("zfs", pool),
        ("zfs-recovery", pool),
    ] {
        fs::write(group.join(format!("{name}.json")), text).unwrap();
    }
    let config = "[packages]\norigins = [\"repo\"]\nbrand = false\n\
                  [templates]\ndirectory = \"templates\"\nboot-archive = \"boot.txt\"\n\
                  [host]\nstand-in-roms = true\nproto = [\"extra\"]\n\
                  [trampoline]\nstand-in-roms = true\n";
    fs::write(directory.join("releng.toml"), config).unwrap();
    let extra = directory.join("extra/usr/bin/ls");
    fs::create_dir_all(&extra).unwrap();
    fs::write(extra.join("x"), "a file in what is a file\n").unwrap();
}

fn check(directory: &Path, more: &[&str]) -> Outcome {
    let config = directory.join("releng.toml");
    run(xtask().args(["check", "--config"]).arg(config).args(more))
}

#[test]
fn every_path_that_is_not_there_is_told_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    site(directory);
    let outcome = check(directory, &[]);
    assert_eq!(outcome.status, Some(1), "{outcome}");
    let shown = outcome.out.replace(&format!("{}/", directory.display()), "");
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains("host image")).collect();
    let expected = [
        "boot.txt:3: host image: boot archive: /kernel/genunixx is missing; the nearest path is \
         /kernel/genunix",
        "templates/sled/ramdisk-02-trim.json:2: host image: step `remove_files`: /usr/bin/dc is \
         missing; if it may be, say `\"optional\": true`; \
         pkg://test/system/base@1.0:20260102T030405Z delivered it, \
         pkg://test/system/base@2.0:20260102T030405Z does not; the nearest path is /usr/bin/ls",
        "templates/sled/ramdisk-02-trim.json:3: host image: step `remove_files`: /usr/bin/lss is \
         missing; if it may be, say `\"optional\": true`; the nearest path is /usr/bin/ls",
        "templates/sled/ramdisk-02-trim.json:5: host image: step `ensure_perms`: \
         /usr/share/man/ls.1 is missing; pkg://test/system/base@2.0:20260102T030405Z delivers it, \
         but not with the variants and facets of this image",
    ];
    for line in expected {
        assert!(lines.contains(&line), "{line}\nis not in\n{shown}");
    }
    let overlay = lines.iter().find(|line| line.starts_with("extra")).unwrap();
    assert!(overlay.contains("/usr/bin/ls is a file, not a directory"), "{overlay}");
    let further = shown.lines().filter(|line| line.contains("trampoline image")).count();
    assert_eq!(further, expected.len(), "{shown}");

    let json = check(directory, &["--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let of_dc = findings.iter().find(|finding| finding["path"] == "usr/bin/dc").unwrap();
    assert_eq!((&of_dc["line"], &of_dc["image"]), (&2.into(), &"host".into()));
    assert!(of_dc["carrier"].as_str().unwrap().contains("system/base@1.0"), "{of_dc}");
    // Nothing was left beside the configuration.
    assert!(!directory.join("out").exists());
}

#[test]
fn a_configuration_without_faults_has_no_findings() {
    let outcome = run(xtask().arg("check"));
    outcome.expect(0, &["0 findings"]);
    assert_eq!(outcome.out, "");
}

#[test]
fn bad_arguments_of_a_check() {
    let directory = tempfile::tempdir().unwrap();
    site(directory.path());
    let lock = directory.path().join("before.lock");
    fs::write(&lock, "version = 1\nnonsense = 2\n").unwrap();
    let outcome = check(directory.path(), &["--since", lock.to_str().unwrap()]);
    outcome.expect(2, &["before.lock:2"]);
    check(directory.path(), &["--since", "/no/such.lock"]).expect(2, &["/no/such.lock"]);
}
