//! Steps that pack and unpack archives.

use crate::tools::{Bench, add_file, ensure_file, has, path, read, stat, text};
use proto::{Entry, Metadata, Mtime};

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
