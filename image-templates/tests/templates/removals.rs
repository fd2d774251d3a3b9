//! Steps that remove files.

use crate::tools::{Bench, add_file, ensure_file, path, stat, text};
use proto::{Entry, Metadata};

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
