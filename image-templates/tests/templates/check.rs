//! What the check of a template finds, before anything runs.

use crate::tools::Bench;

fn findings_of(template: &str) -> Vec<String> {
    Bench::new().write("t/g/m.json", template).findings(&[])
}

#[test]
fn a_good_template_has_no_findings() {
    let bench = Bench::new();
    bench
        .write("t/files/hosts", "::1 localhost\n")
        .write("t/g/include/i.json", r#"{"steps": [{ "t": "devfsadm" }]}"#)
        .write(
            "t/g/m.json",
            r#"{
                "pool": { "name": "rpool", "bename": "ramdisk", "size": 100, "options": ["failmode=panic"] },
                "steps": [
                    { "t": "create_be" },
                    { "t": "include", "name": "i", "without": "x" },
                    { "t": "ensure_file", "file": "/etc/hosts", "src": "hosts", "owner": "root", "group": "sys", "mode": "644" },
                    { "t": "remove_files", "pattern": "*.a" },
                    { "t": "remove_files", "file": "/a", "optional": true }
                ]
            }"#,
        );
    assert_eq!(bench.findings(&[]), [""; 0]);
}

#[test]
fn everything_is_found_at_once_with_file_and_line() {
    let template = r#"{
        "pool": { "name": "rpool", "size": 1, "compresion": "off" },
        "steps": [
            { "t": "remove_file", "file": "/a" },
            { "t": "ensure_dir", "dir": "/a", "owner": "root", "group": "sys",
              "mode": "0999" },
            { "t": "ensure_dir", "dir": "a", "owner": "roto", "group": "sys", "mode": "755" },
            { "t": "ensure_file", "file": "/x", "src": "nowhere", "owner": "root",
              "group": "sys", "mode": "644", "onwer": "root" },
            { "t": "remove_files", "file": "/a", "dir": "/b" },
            { "t": "ensure_symlink", "link": "/a", "owner": "root", "group": "root" },
            { "t": "include", "name": "nothing" },
            { "with": "x" },
            { "t": "pkg_install", "pkgs": [ "${@@needed}" ] },
            { "t": "pkg_install", "with": "never", "pkgs": "one" },
            { "t": "ensure_file", "file": "/x", "extsrc": "x", "owner": "root", "group": "sys",
              "mode": "644" },
            { "t": "seed_smf", "apply_profiles": [ "genric" ] },
            { "t": "remove_files", "file": "/../etc" }
        ]
    }"#;
    assert_eq!(
        findings_of(template),
        [
            "t/g/m.json:2: `pool` has no key `compresion`; did you mean `compression`?",
            "t/g/m.json:4: unknown step `remove_file`; did you mean `remove_files`?",
            "t/g/m.json:6: bad mode `0999`: up to four octal digits, e.g. `0644`",
            "t/g/m.json:7: `dir`: a path in the image starts with `/`, `a` does not",
            "t/g/m.json:7: unknown owner `roto`; did you mean `root`?",
            "t/g/m.json:8: `src` file `nowhere` is missing: no t/g/files/nowhere, no t/files/nowhere",
            "t/g/m.json:9: step `ensure_file` has no key `onwer`; did you mean `owner`?",
            "t/g/m.json:10: `remove_files` needs exactly one of `file`, `dir` and `pattern`",
            "t/g/m.json:11: step `ensure_symlink` needs `target`",
            "t/g/m.json:12: include `nothing` is missing: no t/g/include/nothing.json, \
             no t/include/nothing.json",
            "t/g/m.json:13: a step needs `t`",
            "t/g/m.json:14: `pkgs`: `${@@needed}` needs the feature `needed`, which is not defined",
            "t/g/m.json:15: `pkgs` is a list of strings, not a string",
            "t/g/m.json:16: `extsrc` file `x` is missing: no external source tree was given",
            "t/g/m.json:18: unknown profile `genric`: use generic, platform, site; did you mean \
             `generic`?",
            "t/g/m.json:19: `file`: path \"/../etc\" has a `..` component",
        ]
    );
}

#[test]
fn an_owner_that_only_some_images_have_is_a_warning() {
    let findings = findings_of(
        r#"{"steps": [
            { "t": "ensure_dir", "dir": "/a", "owner": "chrony", "group": "chrony", "mode": "755" }
        ]}"#,
    );
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|f| f.contains("warning: ")), "{findings:?}");
}

#[test]
fn json_errors_have_a_line() {
    assert_eq!(
        findings_of("{\n\"steps\": [\n]"),
        ["t/g/m.json:3: expected `,` or `}`, found the end of the file"]
    );
    assert_eq!(findings_of("[]"), ["t/g/m.json:1: a template is an object, not a list"]);
    assert_eq!(findings_of("{}"), ["t/g/m.json:1: a template needs `steps`"]);
    assert_eq!(
        findings_of("{ \"steps\": [], \"step\": [] }"),
        ["t/g/m.json:1: a template has no key `step`; did you mean `steps`?"]
    );
}

#[test]
fn sections_are_strict() {
    let section = |text: &str| findings_of(&format!("{{ {text}, \"steps\": [] }}"));
    assert_eq!(section(r#""dataset": { "name": "a" }"#), [""; 0]);
    assert_eq!(section(r#""ufs": { "size": 1, "inode_density": 2 }"#), [""; 0]);
    assert_eq!(section(r#""pcfs": { "size": 1, "label": "x" }"#), [""; 0]);
    assert_eq!(
        section(r#""iso": { "volume_id": "v", "hybrid": { "stage1": "a", "stage2": "b" } }"#),
        [""; 0]
    );
    for (text, expected) in [
        (r#""dataset": {}"#, "`dataset` needs `name`"),
        (r#""dataset": 1"#, "`dataset` is an object, not a number"),
        (r#""fat": {}"#, "a template has no key `fat`"),
        (r#""pool": { "name": "a" }"#, "`pool` needs `size`"),
        (r#""pool": { "name": "a", "size": -1 }"#, "`size` is a whole number, not -1"),
        (r#""pool": { "name": "a", "size": 1, "ashift": 99 }"#, "`ashift` is from 9 to 16, not 99"),
        (
            r#""pool": { "name": "a", "size": 1, "uefi": 1 }"#,
            "`uefi` is true or false, not a number",
        ),
        (
            r#""pool": { "name": "a", "size": 1, "options": ["x"] }"#,
            "`options`: `x` is not NAME=VALUE",
        ),
        (
            r#""dataset": { "name": "a" }, "ufs": { "size": 1, "inode_density": 2 }"#,
            "a template makes one thing: `dataset` or `ufs`",
        ),
        (r#""iso": { "hybrid": { "stage1": "a" } }"#, "`hybrid` needs `stage2`"),
    ] {
        assert_eq!(section(text), [format!("t/g/m.json:1: {expected}")], "{text}");
    }
}

#[test]
fn includes_that_go_in_a_circle_are_found() {
    let bench = Bench::new();
    bench
        .write("t/g/m.json", "{\"steps\": [\n{ \"t\": \"include\", \"name\": \"a\" }]}")
        .write("t/g/include/a.json", "{\"steps\": [\n\n{ \"t\": \"include\", \"name\": \"b\" }]}")
        .write("t/include/b.json", "{\"steps\": [{ \"t\": \"include\", \"name\": \"a\" }]}");
    assert_eq!(
        bench.findings(&[]),
        ["t/include/b.json:1: includes go in a circle: a includes b includes a"]
    );
}

#[test]
fn includes_that_multiply_are_stopped() {
    let bench = Bench::new();
    let twice = |name: &str| {
        let include = format!("{{ \"t\": \"include\", \"name\": \"{name}\" }}");
        format!("{{\"steps\": [{include}, {include}, {include}, {include}]}}")
    };
    bench.write("t/g/m.json", twice("i0"));
    for level in 0..12 {
        bench.write(&format!("t/include/i{level}.json"), twice(&format!("i{}", level + 1)));
    }
    bench.write("t/include/i12.json", r#"{"steps": [{ "t": "devfsadm" }, { "t": "devfsadm" }]}"#);
    let findings = bench.findings(&[]);
    assert!(findings.iter().any(|f| f.contains("do includes multiply?")), "{findings:?}");
}

#[test]
fn includes_and_guards() {
    let bench = Bench::new();
    let by_path = bench.path("elsewhere.json");
    bench
        .write("t/g/include/a.json", r#"{"steps": [{ "t": "create_be", "without": "f" }]}"#)
        .write("t/include/a.json", "not read")
        .write("elsewhere.json", r#"{"steps": [{ "t": "make_bootable" }]}"#)
        .write("section.json", r#"{"dataset": { "name": "x" }, "steps": []}"#)
        .write(
            "t/g/m.json",
            r#"{"steps": [
                { "t": "include", "name": "a" },
                { "t": "include", "with": "path", "name": "x", "file": "${path}" }
            ]}"#,
        );
    let explained = |features: &[&str]| {
        let features = image_templates::Features::from_specs(features).unwrap();
        let plan = image_templates::load(&bench.search(), "m", &features).unwrap();
        (bench.shorten(plan.explain()), plan.skipped)
    };
    assert_eq!(explained(&[]), ("    1  create_be  [t/g/include/a.json:1]\n".into(), 1));
    let path = format!("path={}", by_path.display());
    assert_eq!(explained(&["f", &path]), ("    1  make_bootable  [elsewhere.json:1]\n".into(), 1));
    assert_eq!(
        bench.findings(&["path=relative.json"]),
        ["t/g/m.json:3: `file` is an absolute path, not `relative.json`"]
    );
    assert_eq!(
        bench.findings(&[&format!("path={}", bench.path("section.json").display())]),
        ["section.json:1: an include has no `dataset` section"]
    );
}

#[test]
fn steps_that_are_left_out_are_checked_for_form_only() {
    let bench = Bench::new();
    bench.write(
        "t/g/m.json",
        r#"{"steps": [
            { "t": "ensure_file", "with": "x", "file": "/${y}", "src": "${z}", "owner": "root",
              "group": "sys", "mode": "644" },
            { "t": "ensure_file", "with": "x", "file": "/${y", "src": "z", "owner": "root",
              "group": "sys", "mode": "8" }
        ]}"#,
    );
    assert_eq!(
        bench.findings(&[]),
        [
            "t/g/m.json:4: `file`: `/${y`: a `$` is followed by `{NAME}` or doubled to stand for \
             itself",
            "t/g/m.json:5: bad mode `8`: up to four octal digits, e.g. `0644`",
        ]
    );
}

#[test]
fn a_template_that_is_not_there_suggests_its_neighbour() {
    let bench = Bench::new();
    bench.write("t/g/m.json", r#"{"steps": []}"#).write("t/g/zfs-recovery.json", "{}");
    let findings =
        image_templates::check(&bench.search(), "zfs-recovry", &image_templates::Features::new());
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.ends_with("did you mean `zfs-recovery`?"), "{findings:?}");
    let error =
        image_templates::load(&bench.search(), "nothing", &image_templates::Features::new())
            .unwrap_err();
    assert!(bench.shorten(error).starts_with("template t/g/nothing.json cannot be applied:"));
}

#[test]
fn promised_external_sources_may_come_later() {
    let bench = Bench::new();
    bench.write(
        "t/g/m.json",
        r#"{"steps": [{ "t": "ensure_file", "file": "/x", "extsrc": "a/b", "owner": "root",
            "group": "sys", "mode": "644" }]}"#,
    );
    let features = image_templates::Features::new();
    let search = bench.search().external(bench.path("external"));
    assert_eq!(image_templates::check(&search, "m", &features).len(), 1);
    assert_eq!(image_templates::check(&search.promise("a/b"), "m", &features), []);
}
