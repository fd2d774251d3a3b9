//! Steps that stand for what a running system would do: devices, services, pools.

use crate::tools::{Bench, add_directory, add_file, has, stat, text};
use proto::Metadata;

#[test]
fn devices_are_the_fixed_skeleton() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_directory(&mut proto, "dev/cfg");
    let before = stat(&proto, "dev/cfg");
    bench.steps(&mut proto, r#"{ "t": "devfsadm" }"#).unwrap();
    assert_eq!(stat(&proto, "dev/cfg"), before);
    assert_eq!(stat(&proto, "dev/null"), "symlink 0777 0:0 ../devices/pseudo/mm@0:null");
    assert_eq!(stat(&proto, "dev/zvol/dsk"), "directory 0755 0:3");
    proto.manifest.check().unwrap();
    let once = proto.clone();
    bench.steps(&mut proto, r#"{ "t": "devfsadm" }"#).unwrap();
    assert_eq!(proto.manifest, once.manifest);
}

#[test]
fn onu_says_that_it_needs_illumos() {
    let bench = Bench::new();
    let step = r#"{ "t": "onu", "repo": "file:///r", "publisher": "p" }"#;
    assert!(bench.failure(&bench.proto(), step).contains("needs illumos"));
}

#[test]
fn pools_and_snapshots() {
    let bench = Bench::new();
    bench.write(
        "t/g/m.json",
        r#"{ "dataset": { "name": "ramdisk", "output_snapshot": "os" },
             "steps": [{ "t": "ensure_file", "file": "/a", "contents": "a", "owner": "root",
                         "group": "root", "mode": "644" }] }"#,
    );
    let mut context = image_templates::Context::new(bench.path("output"));
    bench.apply_in(&mut bench.proto(), &[], &mut context).unwrap();
    assert_eq!(context.snapshots.keys().collect::<Vec<_>>(), ["ramdisk@os"]);

    bench.write(
        "t/g/m.json",
        r#"{ "dataset": { "name": "ramdisk", "input_snapshot": "os", "output_snapshot": "trim" },
             "steps": [{ "t": "remove_files", "file": "/a" }] }"#,
    );
    let mut proto = bench.proto();
    bench.apply_in(&mut proto, &[], &mut context).unwrap();
    assert!(!has(&proto, "a"));
    assert!(has(&context.snapshots["ramdisk@os"], "a"));
    let error = bench
        .apply_in(&mut bench.proto(), &[], &mut image_templates::Context::new("none"))
        .unwrap_err();
    assert_eq!(
        bench.shorten(error),
        "template t/g/m.json: the snapshot ramdisk@os is not there; apply the template that makes \
         it first"
    );

    bench.write(
        "t/g/m.json",
        r#"{ "pool": { "name": "rpool", "bename": "ramdisk", "size": 1200, "no_features": false,
                       "compression": "gzip-9", "autoexpand": true, "options": [ "failmode=panic" ] },
             "steps": [
                { "t": "create_be" },
                { "t": "clone_snapshot", "name": "ramdisk", "snapshot": "os" },
                { "t": "create_dataset", "name": "swap", "mountpoint": "/swap" },
                { "t": "make_bootable" }
             ] }"#,
    );
    let applied = bench.apply_in(&mut proto, &[], &mut context).unwrap();
    assert!(has(&proto, "a"));
    let pool = applied.pool.unwrap();
    assert_eq!((&*pool.name, pool.bename.as_deref(), pool.ashift), ("rpool", Some("ramdisk"), 9));
    assert!(pool.boot_environment && pool.bootable && pool.autoexpand && !pool.no_features);
    assert_eq!(pool.options, ["failmode=panic"]);
    assert_eq!(pool.datasets, [("swap".into(), Some("/swap".into()))]);
    assert!(
        bench.failure(&proto, r#"{ "t": "create_be" }"#).contains("only a template with `pool`")
    );
}

#[test]
fn services_are_not_seeded_and_it_is_said() {
    let profile = |service: &str| {
        format!(
            "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n\
                 <service_bundle type='profile' name='p'><service name='{service}' version='1' type='service'>\
                 <instance name='default' enabled='true'/></service></service_bundle>"
        )
    };
    let bench = Bench::new();
    let mut proto = bench.proto();
    let metadata = Metadata::owned(0o444, 0, 3);
    add_file(&mut proto, "etc/svc/profile/generic_limited_net.xml", profile("a/b"), metadata);
    add_file(&mut proto, "var/svc/profile/site.xml", profile("a/c"), metadata);
    let manifest = profile("a/b").replace("profile'", "manifest'");
    add_file(&mut proto, "lib/svc/manifest/a/b.xml", manifest, metadata);
    let step = |rest: &str| {
        format!(r#"{{ "t": "seed_smf", "skip_seed": true, "apply_profiles": [ {rest} ] }}"#)
    };
    let applied = bench.steps(&mut proto, &step(r#""generic", "", "site""#)).unwrap();
    assert_eq!(
        stat(&proto, "etc/svc/profile/generic.xml"),
        "symlink 0777 0:0 generic_limited_net.xml"
    );
    assert!(!has(&proto, "etc/svc/repository.db"));
    let notes: Vec<&str> = applied.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("a/c"), "{notes:?}");
    assert_eq!(notes[1], "services were not seeded: the first boot imports all manifests");

    assert!(
        bench
            .failure(&proto, &step(r#""platform""#))
            .ends_with("the platform profile /etc/svc/profile/platform.xml is missing")
    );
    let optional = step(r#""platform""#).replace("] }", "], \"optional\": true }");
    assert_eq!(bench.steps(&mut proto, &optional).unwrap().notes.len(), 2);
    let seeded = r#"{ "t": "seed_smf" }"#;
    assert!(bench.failure(&proto, seeded).ends_with("/lib/svc/seed/global.db is missing"));
    for (bad, expected) in [
        ("text", "the site profile cannot be read"),
        (&*profile("x").replace("profile'", "manifest'"), "is a manifest"),
    ] {
        let mut proto = proto.clone();
        add_file(&mut proto, "var/svc/profile/site.xml", bad, metadata);
        let failure = bench.failure(&proto, &step(r#""site""#));
        assert!(failure.contains(expected), "{failure}");
    }

    bench.write("made.db", "made elsewhere");
    let mut context = image_templates::Context::new(bench.path("output"));
    context.smf_seed = image_templates::SmfSeed::File(bench.path("made.db"));
    bench.write("t/g/m.json", format!("{{\"steps\": [{}]}}", step("")));
    add_directory(&mut proto, "etc/svc");
    bench.apply_in(&mut proto, &[], &mut context).unwrap();
    assert_eq!(stat(&proto, "etc/svc/repository.db"), "file 0600 0:0");
    assert_eq!(text(&proto, "etc/svc/repository.db"), "made elsewhere");
}
