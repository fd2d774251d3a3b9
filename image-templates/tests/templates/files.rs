//! Steps that make files, directories and links, and give them owners.

use crate::tools::{Bench, add_directory, add_file, ensure_file, has, path, stat, text};
use proto::{Entry, Metadata, Mtime};

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
