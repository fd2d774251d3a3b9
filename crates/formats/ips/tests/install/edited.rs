//! Files that somebody edited, or that were there before their package.

use crate::support::*;
use proto::{Entry, Kind, Metadata};

#[test]
fn edited_files_are_treated_as_preserve_says() {
    let rules = ["true", "renameold", "renamenew", "legacy", "abandon", "install-only", "-"];
    let package = |version: u32| {
        let files: String = rules
            .iter()
            .map(|rule| {
                let preserve = match *rule {
                    "-" => String::new(),
                    rule => format!(" preserve={rule}"),
                };
                format!(
                    "file v{version} path=e/{rule} owner=root group=sys mode=0644{preserve}\n\
                     file v{version} path=u/{rule} owner=root group=sys mode=0644{preserve}\n"
                )
            })
            .collect();
        files
    };
    let mut depot = Depot::new();
    depot.add("p@1", &package(1));
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    // These two are not delivered at first; somebody else wrote them.
    let content = proto.contents.store.add_bytes(b"v1\n").unwrap();
    for file in ["e/legacy", "u/legacy", "e/abandon", "u/abandon"] {
        assert!(!proto.manifest.contains(&path(file)), "{file}");
        let entry = Entry::new(proto::Kind::File(content.clone()), Metadata::root(0o644));
        proto.manifest.replace(path(file), entry);
    }
    let edited = proto.contents.store.add_bytes(b"edited\n").unwrap();
    for rule in rules {
        let entry = proto.manifest.get_mut(&path(&format!("e/{rule}"))).unwrap();
        entry.kind = proto::Kind::File(edited.clone());
    }
    depot.add("p@2", &package(2));
    depot.install(&mut proto, &["p"]).unwrap();
    for (rule, content) in [
        ("true", "edited\n"),
        ("renameold", "v2\n"),
        ("renameold.old", "edited\n"),
        ("renamenew", "edited\n"),
        ("renamenew.new", "v2\n"),
        ("legacy", "v2\n"),
        ("legacy.legacy", "edited\n"),
        ("abandon", "edited\n"),
        ("install-only", "edited\n"),
        ("-", "v2\n"),
    ] {
        assert_eq!(text(&proto, &format!("e/{rule}")), content, "{rule}");
    }
    for (rule, content) in [
        ("true", "v2\n"),
        ("renameold", "v2\n"),
        ("renamenew", "v2\n"),
        ("legacy", "v2\n"),
        ("abandon", "v1\n"),
        ("install-only", "v1\n"),
        ("-", "v2\n"),
    ] {
        assert_eq!(text(&proto, &format!("u/{rule}")), content, "{rule} unedited");
    }
}

#[test]
fn a_file_of_a_newer_form_makes_way_when_its_package_goes_back() {
    let file = |text: &str, form: u32| {
        format!(
            "file {text} path=e/conf owner=root group=sys mode=0644 preserve=true \
             preserve-version={form}.0\n\
             file {text} path=e/plain owner=root group=sys mode=0644 preserve=true\n"
        )
    };
    let mut depot = Depot::new();
    depot.add("p@1", &file("old", 1));
    depot.add("p@2", &file("new", 2));
    let mut proto = depot.image();
    depot.install(&mut proto, &["p@2"]).unwrap();
    let edited = proto.contents.store.add_bytes(b"edited\n").unwrap();
    for at in ["e/conf", "e/plain"] {
        proto.manifest.get_mut(&path(at)).unwrap().kind = proto::Kind::File(edited.clone());
    }
    depot.install(&mut proto, &["p@1"]).unwrap();
    assert_eq!(text(&proto, "e/conf"), "old\n");
    assert_eq!(text(&proto, "e/conf.update"), "edited\n");
    assert_eq!(text(&proto, "e/plain"), "edited\n");
}

#[test]
fn an_edited_file_moves_with_its_package() {
    let mut depot = Depot::new();
    depot.add("p@1", "file v1 path=old owner=root group=sys mode=0644 preserve=true\n");
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    let edited = proto.contents.store.add_bytes(b"edited\n").unwrap();
    proto.manifest.get_mut(&path("old")).unwrap().kind = proto::Kind::File(edited);
    depot.add(
        "p@2",
        "file v2 path=new owner=root group=sys mode=0644 preserve=true original_name=p:old\n",
    );
    depot.install(&mut proto, &["p"]).unwrap();
    assert_eq!(text(&proto, "new"), "edited\n");
    assert!(!proto.manifest.contains(&path("old")));
}

#[test]
fn a_package_adopts_files_that_were_there() {
    let mut depot = Depot::with_base();
    depot.add("z@1", "dir path=etc/z owner=root group=sys mode=0755\n");
    let mut proto = depot.image();
    depot.install(&mut proto, &["base", "z"]).unwrap();
    let content = proto.contents.store.add_bytes(b"mine\n").unwrap();
    for name in ["true", "old", "new", "legacy", "only", "abandon", "none", "first"] {
        let entry = Entry::new(Kind::File(content.clone()), Metadata::root(0o600));
        proto.manifest.replace(path(&format!("etc/z/{name}")), entry);
    }
    depot.add(
        "z@2",
        "file two path=etc/z/true owner=root group=sys mode=0644 preserve=true\n\
         file two path=etc/z/old owner=root group=sys mode=0644 preserve=renameold\n\
         file two path=etc/z/new owner=root group=bin mode=0640 preserve=renamenew\n\
         file two path=etc/z/legacy owner=root group=sys mode=0644 preserve=legacy\n\
         file two path=etc/z/only owner=root group=sys mode=0644 preserve=install-only\n\
         file two path=etc/z/abandon owner=root group=sys mode=0644 preserve=abandon\n\
         file two path=etc/z/none owner=root group=sys mode=0644\n",
    );
    depot.add("y@1", "file y path=etc/z/first owner=root group=sys mode=0644 preserve=true\n");
    depot.install(&mut proto, &["z", "y"]).unwrap();
    // A package that comes puts aside what is there; one that was there takes it over.
    for (file, expected) in [
        ("etc/z/true", "mine\n"),
        ("etc/z/old", "two\n"),
        ("etc/z/old.old", "mine\n"),
        ("etc/z/new", "mine\n"),
        ("etc/z/new.new", "two\n"),
        ("etc/z/legacy", "mine\n"),
        ("etc/z/only", "mine\n"),
        ("etc/z/abandon", "mine\n"),
        ("etc/z/none", "two\n"),
        ("etc/z/first", "y\n"),
    ] {
        assert_eq!(text(&proto, file), expected, "{file}");
    }
    let listing = listing(&proto);
    assert!(listing.contains("etc/z/new.new file 640 0:2 "), "{listing}");
    assert!(listing.contains("etc/z/abandon file 600 0:0 z"), "{listing}");
    // What was removed and is only for the first time stays away; what is overlaid is put aside.
    proto.manifest.remove(&path("etc/z/only"));
    depot.add(
        "z@3",
        "file three path=etc/z/only owner=root group=sys mode=0644 preserve=install-only\n",
    );
    depot.add(
        "under@1",
        "file u path=etc/o owner=root group=sys mode=0644 preserve=true overlay=allow\n",
    );
    depot.add(
        "over@1",
        "file o path=etc/o owner=root group=sys mode=0644 preserve=true overlay=true\n",
    );
    depot.install(&mut proto, &["z", "under"]).unwrap();
    assert!(proto.manifest.get(&path("etc/z/only")).is_none());
    let edited = proto.contents.store.add_bytes(b"edited\n").unwrap();
    proto.manifest.get_mut(&path("etc/o")).unwrap().kind = Kind::File(edited);
    depot.install(&mut proto, &["over"]).unwrap();
    assert_eq!(text(&proto, "etc/o"), "o\n");
    let kept =
        proto.manifest.iter().find(|(path, _)| path.to_string().contains("lost+found/etc/o-"));
    assert!(kept.is_some());
}
