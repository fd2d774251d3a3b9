//! Steps applied to a proto.

mod tools;

use proto::{Entry, Metadata, Mtime};
use tools::{Bench, add_directory, add_file, has, path, read, stat, text};

fn ensure_file(rest: &str) -> String {
    format!(r#"{{ "t": "ensure_file", "owner": "root", "group": "sys", "mode": "0644", {rest} }}"#)
}

#[test]
fn files_from_every_source() {
    let bench = Bench::new();
    bench
        .write("t/g/files/own", "group's")
        .write("t/files/own", "root's")
        .write("external/deep/file", "external")
        .write("output/made", "output");
    let mut proto = bench.proto();
    add_file(&mut proto, "etc/from", "image", Metadata::root(0o600));
    proto.manifest.replace(path("etc/link"), Entry::symlink("/etc/from", Metadata::root(0o777)));
    let steps = [
        r#""file": "/etc/a", "src": "own""#,
        r#""file": "/etc/b", "extsrc": "deep/file""#,
        r#""file": "/etc/c", "outputsrc": "made""#,
        r#""file": "/etc/d", "imagesrc": "/etc/link""#,
        r#""file": "/etc/e", "contents": "$literal\n""#,
    ]
    .map(ensure_file);
    bench.write("t/g/m.json", format!("{{\"steps\": [{}]}}", steps.join(",")));
    let search = bench.search().external(bench.path("external"));
    let plan = image_templates::load(&search, "m", &Default::default()).unwrap();
    let mut context = image_templates::Context::new(bench.path("output"));
    context.mtime = Mtime::from_seconds(77);
    image_templates::apply(&plan, &mut proto, &mut context).unwrap();
    let found = ["a", "b", "c", "d", "e"].map(|name| text(&proto, &format!("etc/{name}")));
    assert_eq!(found, ["group's", "external", "output", "image", "$literal\n"]);
    assert_eq!(stat(&proto, "etc/d"), "file 0644 0:3");
    assert_eq!(proto.manifest.get(&path("etc/d")).unwrap().metadata.mtime, Mtime::from_seconds(77));
}

#[test]
fn equal_content_is_left_with_its_time_and_other_content_replaced() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    let old = Metadata::root(0o600).at(Mtime::from_seconds(5));
    add_file(&mut proto, "same", "x", old);
    add_file(&mut proto, "other", "y", old);
    let steps = [r#""file": "/same", "contents": "x""#, r#""file": "/other", "contents": "x""#];
    bench.steps(&mut proto, &steps.map(ensure_file).join(",")).unwrap();
    let metadata = |at| proto.manifest.get(&path(at)).unwrap().metadata;
    assert_eq!(metadata("same"), Metadata::owned(0o644, 0, 3).at(Mtime::from_seconds(5)));
    assert_eq!(metadata("other"), Metadata::owned(0o644, 0, 3));
}

#[test]
fn files_need_their_directory() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_file(&mut proto, "a", "", Metadata::root(0o644));
    let failure =
        |at| bench.failure(&proto, &ensure_file(&format!(r#""file": "{at}", "contents": """#)));
    assert_eq!(
        failure("/no/x"),
        "t/g/m.json:2: step 1, ensure_file: the directory /no is missing; make it first with \
         `ensure_dir`"
    );
    assert_eq!(failure("/a/x"), "t/g/m.json:2: step 1, ensure_file: /a is a file, not a directory");
}

#[test]
fn paths_go_through_links_and_never_outside() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_directory(&mut proto, "usr/bin");
    let link = |target: &str| Entry::symlink(target, Metadata::root(0o777));
    proto.manifest.replace(path("bin"), link("./usr/bin"));
    proto.manifest.replace(path("up"), link("../../../usr"));
    proto.manifest.replace(path("loop"), link("loop"));
    let steps = [r#""file": "/bin/a", "contents": """#, r#""file": "/up/b", "contents": """#];
    bench.steps(&mut proto, &steps.map(ensure_file).join(",")).unwrap();
    assert!(has(&proto, "usr/bin/a") && has(&proto, "usr/b"));
    let failure = bench.failure(&proto, &ensure_file(r#""file": "/loop/x", "contents": """#));
    assert!(failure.ends_with("/loop/x leads through too many links"), "{failure}");
}

#[test]
fn removals_are_strict_unless_they_say_otherwise() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    for file in ["usr/lib/a.a", "usr/lib/a.so", "usr/a.a", "kernel/drv/x"] {
        add_file(&mut proto, file, file, Metadata::root(0o644));
    }
    let missing = r#"{ "t": "remove_files", "file": "/usr/no" }"#;
    assert_eq!(
        bench.failure(&proto, missing),
        "t/g/m.json:2: step 1, remove_files: /usr/no is missing; if it may be, say \
         `\"optional\": true`"
    );
    for (step, expected) in [
        (r#"{ "t": "remove_files", "file": "/usr" }"#, "/usr is a directory; remove it with `dir`"),
        (
            r#"{ "t": "remove_files", "dir": "/usr/a.a" }"#,
            "/usr/a.a is a file; remove it with `file`",
        ),
    ] {
        assert!(bench.failure(&proto, step).ends_with(expected));
    }
    let applied = bench
        .steps(
            &mut proto,
            r#"{ "t": "remove_files", "file": "/usr/no", "optional": true },
               { "t": "remove_files", "pattern": "*.a" },
               { "t": "remove_files", "pattern": "*.none" },
               { "t": "remove_files", "dir": "/kernel" }"#,
        )
        .unwrap();
    let left: Vec<String> = proto.manifest.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(left, ["/", "usr", "usr/lib", "usr/lib/a.so"]);
    let notes: Vec<String> = applied.notes.iter().map(|note| bench.shorten(note)).collect();
    assert_eq!(notes, ["t/g/m.json:2: /usr/no was not there"]);
}

#[test]
fn content_stays_while_it_has_a_name() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_file(&mut proto, "bin/vi", "editor", Metadata::root(0o555));
    for link in ["bin/ex", "bin/view", "zz"] {
        let entry = Entry::hardlink(path("bin/vi"), Metadata::root(0o555));
        proto.manifest.replace(path(link), entry);
    }
    bench
        .steps(
            &mut proto,
            r#"{ "t": "ensure_perms", "path": "/bin/ex", "owner": "root", "group": "bin", "mode": "4555" },
               { "t": "remove_files", "file": "/bin/vi" }"#,
        )
        .unwrap();
    assert_eq!(stat(&proto, "bin/ex"), "file 4555 0:2");
    assert_eq!(stat(&proto, "bin/view"), "hard link 4555 0:2 bin/ex");
    assert_eq!(text(&proto, "zz"), "editor");
    // A new file at one of the names leaves the others alone.
    bench.steps(&mut proto, &ensure_file(r#""file": "/bin/ex", "contents": "new""#)).unwrap();
    assert_eq!((text(&proto, "bin/ex"), text(&proto, "zz")), ("new".into(), "editor".into()));
    bench.steps(&mut proto, r#"{ "t": "remove_files", "dir": "/bin" }"#).unwrap();
    assert_eq!((stat(&proto, "zz"), text(&proto, "zz")), ("file 4555 0:2".into(), "editor".into()));
}

#[test]
fn directories_links_and_permissions() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_file(&mut proto, "etc/passwd", "web:x:80:80::/:\n", Metadata::root(0o644));
    add_file(&mut proto, "etc/group", "web::81:\n", Metadata::root(0o644));
    add_file(&mut proto, "file", "", Metadata::root(0o644));
    bench
        .steps(
            &mut proto,
            r#"{ "t": "ensure_dir", "dir": "/a/b/c", "owner": "web", "group": "web", "mode": "0750" },
               { "t": "ensure_directory", "dir": "/etc", "owner": "root", "group": "sys", "mode": "755" },
               { "t": "ensure_symlink", "link": "/file", "target": "etc/passwd", "owner": "root", "group": "root" },
               { "t": "ensure_symlink", "link": "/file", "target": "etc/group", "owner": "bin", "group": "root" }"#,
        )
        .unwrap();
    assert_eq!(stat(&proto, "a/b"), "directory 0750 0:0");
    assert_eq!(stat(&proto, "a/b/c"), "directory 0750 80:81");
    assert_eq!(stat(&proto, "etc"), "directory 0755 0:3");
    assert_eq!(stat(&proto, "file"), "symlink 0777 2:0 etc/group");
    for (step, expected) in [
        (
            r#"{ "t": "ensure_dir", "dir": "/etc/passwd", "owner": "root", "group": "sys", "mode": "755" }"#,
            "/etc/passwd is a file, not a directory",
        ),
        (
            r#"{ "t": "ensure_symlink", "link": "/etc", "target": "x", "owner": "root", "group": "sys" }"#,
            "/etc is a directory",
        ),
        (
            r#"{ "t": "ensure_perms", "path": "/x", "owner": "root", "group": "sys", "mode": "755" }"#,
            "/x is missing",
        ),
    ] {
        assert!(bench.failure(&proto, step).ends_with(expected));
    }
}

#[test]
fn unknown_owners_are_seen_before_the_first_step() {
    let bench = Bench::new();
    let proto = bench.proto();
    let steps = r#"{ "t": "remove_files", "file": "/missing" },
        { "t": "ensure_dir", "dir": "/a", "owner": "chrony", "group": "sys", "mode": "755" }"#;
    assert_eq!(
        bench.failure(&proto, steps),
        "t/g/m.json:3: step 2, ensure_directory: owner `chrony` is not in the image's etc/passwd"
    );
}

#[test]
fn assembling_files() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    for (name, content) in
        [("b", "\n two \n"), ("a", "one"), ("c", "  \n"), ("d/e", "no"), (".out", "old")]
    {
        add_file(&mut proto, &format!("etc/system.d/{name}"), content, Metadata::root(0o600));
    }
    let step = |rest: &str| {
        format!(
            r#"{{ "t": "assemble_files", "dir": "/etc/system.d", "output": "/etc/system.d/.out"{rest} }}"#
        )
    };
    bench.steps(&mut proto, &step("")).unwrap();
    assert_eq!(text(&proto, "etc/system.d/.out"), "one\ntwo\n");
    assert_eq!(stat(&proto, "etc/system.d/.out"), "file 0644 0:0");
    bench.steps(&mut proto, &step(r#", "prefix": "b""#)).unwrap();
    assert_eq!(text(&proto, "etc/system.d/.out"), "two\n");
}

#[test]
fn passwords() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    let shadow = "root:NP:6445::::::\nrooty:x:1::::::\nshort:x\ntwice::::::::\ntwice::::::::\n";
    add_file(&mut proto, "etc/shadow", shadow, Metadata::owned(0o444, 0, 3));
    let step =
        |user: &str, rest: &str| format!(r#"{{ "t": "shadow", "username": "{user}"{rest} }}"#);
    bench.steps(&mut proto, &step("root", "")).unwrap();
    assert_eq!(stat(&proto, "etc/shadow"), "file 0444 0:3");
    bench.steps(&mut proto, &step("root", r#", "password": "$5$$x""#)).unwrap();
    assert_eq!(stat(&proto, "etc/shadow"), "file 0400 0:0");
    assert_eq!(text(&proto, "etc/shadow"), shadow.replace("root:NP", "root:$5$$x"));
    for (user, expected) in [
        ("short", "the line of `short` in /etc/shadow has 2 fields, not 9"),
        ("twice", "/etc/shadow has 2 lines for `twice`"),
        ("nobody", "/etc/shadow has 0 lines for `nobody`"),
    ] {
        let failure = bench.failure(&proto, &step(user, r#", "password": "x""#));
        assert!(failure.ends_with(expected), "{failure}");
    }
}

#[test]
fn digests_and_compressed_copies() {
    let bench = Bench::new();
    bench.write("output/in", "abc");
    let mut proto = bench.proto();
    let common = r#""src": "in", "owner": "root", "group": "bin", "mode": "0444""#;
    let steps = format!(
        r#"{{ "t": "digest", "algorithm": "md5", "target": "/md5", {common} }},
           {{ "t": "digest", "algorithm": "sha1", "target": "/sha1", {common} }},
           {{ "t": "gzip", "target": "/in.gz", {common} }}"#
    );
    bench.steps(&mut proto, &steps).unwrap();
    assert_eq!(text(&proto, "md5"), "900150983cd24fb0d6963f7d28e17f72\n");
    assert_eq!(text(&proto, "sha1"), "a9993e364706816aba3e25717850c26c9cd0d89d\n");
    assert_eq!(stat(&proto, "in.gz"), "file 0444 0:2");
    let at = path("in.gz");
    let file =
        proto.contents.locate(&at, proto.manifest.get(&at).unwrap().content().unwrap()).unwrap();
    if let Some(mut gzip) = verifiers::require("gzip") {
        let out = gzip.arg("-dc").stdin(std::fs::File::open(file).unwrap()).output().unwrap();
        assert!(out.status.success());
        assert_eq!(out.stdout, b"abc");
    }
    let again = format!(r#"{{ "t": "gzip", "target": "/in.gz", {common} }}"#);
    assert!(bench.failure(&proto, &again).ends_with("/in.gz is already there"));
}

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
fn a_failed_run_leaves_nothing_in_the_output_directory() {
    let bench = Bench::new();
    let steps = r#"{ "t": "pack_tar", "name": "x.tar" }, { "t": "remove_files", "file": "/no" }"#;
    bench.failure(&bench.proto(), steps);
    assert_eq!(std::fs::read_dir(bench.path("output")).unwrap().count(), 0);
}

#[test]
fn archives_give_back_what_they_took() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    let long = format!("usr/{}/{}", "d".repeat(120), "f".repeat(200));
    add_file(&mut proto, &long, "long", Metadata::owned(0o4755, 1000, 3_000_000));
    add_file(&mut proto, "z", "linked", Metadata::root(0o600).at(Mtime::from_seconds(99)));
    let link = Entry::hardlink(path("z"), Metadata::root(0o600).at(Mtime::from_seconds(99)));
    proto.manifest.replace(path("a"), link);
    let target = "t/".repeat(120);
    proto.manifest.replace(path("link"), Entry::symlink(&target, Metadata::root(0o777)));
    let device = proto::Device { major: 13, minor: 2 };
    let device = Entry::new(proto::Kind::CharacterDevice(device), Metadata::owned(0o666, 0, 3));
    proto.manifest.replace(path("null"), device);
    for name in ["x.tar", "x.tar.gz"] {
        let pack = format!(r#"{{ "t": "pack_tar", "name": "{name}" }}"#);
        bench.steps(&mut proto, &pack).unwrap();
        let mut back = bench.proto();
        bench.steps(&mut back, &format!(r#"{{ "t": "unpack_tar", "name": "{name}" }}"#)).unwrap();
        // Which of a file's names comes first is not the archive's business.
        assert_eq!(stat(&back, "a"), "file 0600 0:0");
        assert_eq!(stat(&back, "z"), "hard link 0600 0:0 a");
        assert_eq!(text(&back, "z"), "linked");
        for at in [long.as_str(), "link", "null", ""] {
            assert_eq!(back.manifest.get(&path(at)), proto.manifest.get(&path(at)), "{at}");
        }
        assert_eq!(back.manifest.len(), proto.manifest.len());
    }
    let first = read(bench.path("output/x.tar"));
    bench.steps(&mut proto, r#"{ "t": "pack_tar", "name": "x.tar" }"#).unwrap();
    assert_eq!(first, read(bench.path("output/x.tar")));
    if let Some(mut tar) = verifiers::require("tar") {
        let out = tar.arg("-tvf").arg(bench.path("output/x.tar")).output().unwrap();
        let listing = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{listing}");
        assert!(listing.contains("-rwsr-xr-x 1000/3000000"), "{listing}");
        assert!(
            listing.contains(&format!(
                "00:00 {long}
"
            )),
            "{listing}"
        );
        assert!(listing.contains("z link to a"), "{listing}");
        assert!(listing.contains("crw-rw-rw- 0/3"), "{listing}");
    }
}

#[test]
fn parts_of_an_image_and_archives_beside_it() {
    let bench = Bench::new();
    let mut proto = bench.proto();
    add_file(&mut proto, "usr/bin/a", "a", Metadata::root(0o755));
    add_file(&mut proto, "etc/b", "b", Metadata::root(0o644));
    bench
        .steps(&mut proto, r#"{ "t": "pack_tar", "name": "x.tar", "include": [ "./etc" ] }"#)
        .unwrap();
    let missing = r#"{ "t": "pack_tar", "name": "y.tar", "include": [ "opt" ] }"#;
    assert!(bench.failure(&proto, missing).ends_with("`include`: /opt is not in the image"));
    let mut back = bench.proto();
    let tarsrc = ensure_file(r#""file": "/c", "tarsrc": "etc/b""#);
    assert!(bench.failure(&back, &tarsrc).contains("no `unpack_tar` with `into_tmp`"));
    let unpack = r#"{ "t": "unpack_tar", "name": "x.tar", "into_tmp": true }"#;
    bench.steps(&mut back, &format!("{unpack}, {tarsrc}")).unwrap();
    assert_eq!(text(&back, "c"), "b");
    assert!(!has(&back, "etc"));
}

#[test]
fn hostile_archives_are_refused() {
    let archive = |members: &[(&str, tar::EntryType, &str)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, link) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_entry_type(*kind);
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        }
        builder.into_inner().unwrap()
    };
    use tar::EntryType as T;
    let unpack = r#"{ "t": "unpack_tar", "name": "x.tar" }"#;
    for (members, expected) in [
        (&[("../x", T::Regular, "")][..], "has a `..` component"),
        (&[("a/../../x", T::Regular, "")], "has a `..` component"),
        (
            &[("l", T::Symlink, "/"), ("l/x", T::Regular, "")],
            "`l/x` is below `l`, which is a symlink",
        ),
        (&[("h", T::Link, "etc/shadow")], "hard link to `etc/shadow`, which is no file before it"),
        (&[("h", T::Link, "../x")], "has a `..` component"),
        (&[("d", T::Directory, ""), ("d", T::Regular, "")], "a file cannot take its place"),
        (&[("v", T::new(b'V'), "")], "unknown type `V`"),
    ] {
        let bench = Bench::new();
        bench.write("output/x.tar", archive(members));
        let failure = bench.failure(&bench.proto(), unpack);
        assert!(failure.contains(expected), "{failure}");
    }
    let bench = Bench::new();
    let mut cut = archive(&[("a", T::Regular, ""), ("b", T::Regular, "")]);
    cut.truncate(700);
    bench.write("output/x.tar", cut);
    let failure = bench.failure(&bench.proto(), unpack);
    assert!(failure.contains("the archive is damaged"), "{failure}");
    let failure = bench.failure(&bench.proto(), r#"{ "t": "unpack_tar", "name": "no.tar" }"#);
    assert!(failure.contains("output/no.tar"), "{failure}");
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

/// A file of which only the size is known.
fn add_foreseen(proto: &mut proto::Proto, at: &str, size: u64) {
    let content = proto::FileContent { size, digest: None };
    let parents = Metadata::root(0o755);
    proto.manifest.ensure_parents(&path(at), parents);
    let entry = Entry::new(proto::Kind::File(content), Metadata::root(0o644));
    proto.manifest.replace(path(at), entry);
}

#[test]
fn a_rehearsal_tells_of_every_step_that_will_fail() {
    let bench = Bench::new();
    bench.write("t/g/m.json", [
        r#"{ "steps": ["#,
        r#"{ "t": "remove_files", "dir": "/usr/share/man" },"#,
        r#"{ "t": "remove_files", "file": "/usr/share/man/man1/ls.1" },"#,
        r#"{ "t": "remove_files", "file": "/usr/lib/libold.so.1" },"#,
        r#"{ "t": "remove_files", "file": "/usr/bin/lss" },"#,
        r#"{ "t": "remove_files", "file": "/usr/bin/absent", "optional": true },"#,
        r#"{ "t": "ensure_perms", "path": "/nothing/like/it", "owner": "root", "group": "sys", "mode": "0644" },"#,
        r#"{ "t": "ensure_file", "file": "/etc/copy", "imagesrc": "/usr/bin/ls", "owner": "root", "group": "sys", "mode": "0644" },"#,
        r#"{ "t": "ensure_file", "file": "/etc/made", "outputsrc": "made", "owner": "root", "group": "sys", "mode": "0644" },"#,
        r#"{ "t": "assemble_files", "dir": "/etc/parts", "output": "/etc/whole" },"#,
        r#"{ "t": "ensure_perms", "path": "/etc/whole", "owner": "root", "group": "sys", "mode": "0600" },"#,
        r#"{ "t": "pack_tar", "name": "image.tar" }"#,
        r#"] }"#,
    ].join("\n"));
    bench.write(
        "t/g/n.json",
        [
            r#"{ "steps": ["#,
            r#"{ "t": "unpack_tar", "name": "image.tar" },"#,
            r#"{ "t": "unpack_tar", "name": "other.tar" },"#,
            r#"{ "t": "remove_files", "file": "/etc/whole" },"#,
            r#"{ "t": "remove_files", "file": "/usr/bin/lsx" }"#,
            r#"] }"#,
        ]
        .join("\n"),
    );
    let mut proto = bench.proto();
    for file in ["usr/bin/ls", "usr/share/man/man1/ls.1", "usr/lib/amd64/libold.so.1"] {
        add_foreseen(&mut proto, file, 7);
    }
    add_foreseen(&mut proto, "etc/parts/a", 3);
    let load = |name| image_templates::load(&bench.search(), name, &Default::default()).unwrap();
    let mut context = image_templates::Context::new(bench.path("output"));
    let tell = |found: Vec<image_templates::Rehearsed>| -> Vec<String> {
        let line = |found: &image_templates::Rehearsed| {
            let missing = found.missing.as_ref();
            let nearest = missing.and_then(|missing| missing.nearest.clone());
            let removed = missing.and_then(|missing| missing.removed.as_ref());
            format!(
                "{}: {} ({}, {})",
                found.finding.line,
                found.finding.message,
                nearest.map_or("-".to_owned(), |path| path.to_string()),
                removed.map_or("-".to_owned(), |origin| origin.line.to_string())
            )
        };
        found.iter().map(line).collect()
    };
    let found = image_templates::rehearse(&load("m"), &mut proto, &mut context).unwrap();
    let optional = "if it may be, say `\"optional\": true`";
    assert_eq!(
        tell(found),
        [
            format!(
                "3: step `remove_files`: /usr/share/man/man1/ls.1 is missing; {optional} (-, 2)"
            ),
            format!(
                "4: step `remove_files`: /usr/lib/libold.so.1 is missing; {optional} \
                 (usr/lib/amd64/libold.so.1, -)"
            ),
            format!("5: step `remove_files`: /usr/bin/lss is missing; {optional} (usr/bin/ls, -)"),
            "7: step `ensure_perms`: /nothing/like/it is missing (-, -)".to_owned(),
        ]
    );
    assert_eq!(proto.manifest.get(&path("etc/copy")).unwrap().content().unwrap().size, 7);
    assert!(has(&proto, "etc/whole") && has(&proto, "etc/made"));
    assert!(!bench.path("output").join("image.tar").exists());

    let mut other = bench.proto();
    let found = image_templates::rehearse(&load("n"), &mut other, &mut context).unwrap();
    assert_eq!(
        tell(found),
        [
            "3: step `unpack_tar`: no template before this one packs `other.tar`, and it is not \
             there (-, -)"
                .to_owned(),
            format!("5: step `remove_files`: /usr/bin/lsx is missing; {optional} (usr/bin/ls, -)"),
        ]
    );
    assert!(has(&other, "etc/copy") && !has(&other, "etc/whole"));
}
