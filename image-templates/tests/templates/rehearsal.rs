//! What a rehearsal tells of steps that would fail.

use crate::tools::{Bench, has, path};
use proto::{Entry, Metadata};

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
