//! What is refused, and leaves the proto as it was.

use crate::support::*;
use ips::{Image, set_properties};
use proto::{Entry, Metadata, Proto};

#[test]
fn an_image_may_refuse_to_leave_paths_out() {
    let mut depot = Depot::new();
    depot.add("p@1", "file a path=usr/a owner=root group=sys mode=0644\n");
    let mut proto = depot.image();
    let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = [property("exclude-patterns", "['usr/']"), property("exclude-policy", "reject")];
    set_properties(&mut proto, &settings, date()).unwrap();
    let before = proto.manifest.clone();
    let error = depot.install(&mut proto, &["p"]).unwrap_err().to_string();
    assert!(error.contains("exclude-policy is reject") && error.contains("usr/a"), "{error}");
    assert_eq!(proto.manifest, before);
    set_properties(&mut proto, &[property("exclude-policy", "ignore")], date()).unwrap();
    assert_eq!(depot.install(&mut proto, &["p"]).unwrap().excluded, [path("usr/a")]);
}

#[test]
fn packages_that_contradict_each_other_are_both_named() {
    let file = "owner=root group=sys mode=0644";
    for (first, second, problem) in [
        (format!("file a path=x {file}"), format!("file b path=x {file}"), "is a file of both"),
        (format!("file a path=x {file}"), "link path=x target=y".into(), "is a file and a link"),
        (
            "dir path=d owner=root group=sys mode=0755".into(),
            "dir path=d owner=root group=bin mode=755".into(),
            "with different owner",
        ),
        ("link path=l target=a".into(), "link path=l target=b".into(), "different targets"),
        ("link path=l target=a".into(), format!("file a path=l/x {file}"), "lies below l"),
        (
            format!("file a path=o {file} overlay=allow preserve=true"),
            "file b path=o owner=root group=sys mode=0600 overlay=true".into(),
            "is overlaid with different",
        ),
        (
            "group groupname=g gid=5".into(),
            "group groupname=g gid=6".into(),
            "different attributes",
        ),
    ] {
        let mut depot = Depot::with_base();
        depot.add("first@1", &format!("{first}\n"));
        depot.add("second@1", &format!("{second}\n"));
        let mut proto = depot.image();
        let before = proto.manifest.clone();
        let error = depot.install(&mut proto, &["base", "first", "second"]).unwrap_err();
        let message = error.to_string();
        for part in [problem, "pkg://test/first@1", "pkg://test/second@1"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(proto.manifest, before);
    }
}

#[test]
fn hostile_packages_do_not_touch_the_proto() {
    let file = "owner=root group=sys mode=0644";
    for (action, problem) in [
        (format!("file a path=../x {file}"), "has a `..` component"),
        (format!("file a path=a/../../x {file}"), "has a `..` component"),
        (format!("file a path=a//b {file}"), "empty component"),
        (format!("file a path=a/./b {file}"), "`.` component"),
        (format!("file a path={} {file}", "x".repeat(256)), "255"),
        (format!("dir path=/ {file}"), "path below the root"),
        (format!("link path=l target=/etc\nfile a path=l/passwd {file}"), "lies below l"),
        (format!("hardlink path=h target=etc/group\nfile a path=h/x {file}"), "lies below h"),
        (format!("file a path=x {file}\nfile b path=x {file}"), "is a file of both"),
        (format!("file a path=x {file}\nlink path=x target=y"), "is a "),
        ("link path=etc/passwd target=/tmp/x".into(), "is a "),
        ("dir path=etc owner=bin group=sys mode=0777".into(), "different owner, group or mode"),
        ("link path=etc/z target=a\nlink path=etc/z target=b".into(), "different targets"),
        ("hardlink path=h target=../../x".into(), "leads outside"),
        ("hardlink path=h target=/no/where".into(), "not packaged"),
        ("legacy pkg=../../x".into(), "is not the name of a package"),
        ("file a path=x owner=nobody-knows group=sys mode=0644".into(), "owner `nobody-knows`"),
        ("file a path=x owner=root group=sys mode=88".into(), "mode `88`"),
        ("user username=a:b group=sys".into(), "holds a `:`"),
    ] {
        let mut depot = Depot::with_base();
        depot.add("bad@1", &format!("{action}\n"));
        let mut proto = depot.image();
        depot.install(&mut proto, &["base"]).unwrap();
        let before = proto.manifest.clone();
        let error = depot.install(&mut proto, &["bad"]).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("bad"), "{action}: {error}");
        assert_eq!(proto.manifest, before);
    }
    let nul = ips::Action::parse(&format!("file a path=a\0b {file}")).unwrap_err().to_string();
    assert!(nul.contains("cannot be part of an action"), "{nul}");
}

#[test]
fn payloads_that_are_not_what_they_should_be() {
    let action = "file content path=x owner=root group=sys mode=0644\n";
    let mut depot = Depot::new();
    let good = depot.add("good@1", action);
    let manifest = depot.origins()[0].manifest_text(&good).unwrap();
    let lies = [
        (manifest.replace("pkg.size=8", "pkg.size=7"), "longer than the 7 bytes"),
        (manifest.replace("pkg.size=8", "pkg.size=9"), "its manifest says 9"),
        (manifest.replace(" pkg.size=8", ""), "has no `pkg.size`"),
        (manifest.replace("pkg.size=8", "pkg.size=18446744073709551615"), "its manifest says"),
        (manifest.replace("pkg.size=8", "pkg.size=99999999999999999999"), "is not a number"),
        (manifest.replace("pkg.size=8", "pkg.size=-1"), "is not a number"),
        (manifest.replace(":sha512t_256:", ":sha512t_256:00"), "sha512t_256"),
        (manifest.replacen("file ", "file NOHASH hash=", 1).replace("hash=", "x="), "NOHASH"),
    ];
    for (at, (text, problem)) in lies.into_iter().enumerate() {
        let lie = ips::Fmri { stem: format!("lie{at}"), ..good.clone() };
        depot.add_manifest(&lie, &text.replace("/good@", &format!("/lie{at}@")));
        let mut proto = depot.image();
        let before = proto.manifest.clone();
        let error = depot.install(&mut proto, &[&lie.stem]).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains(&lie.stem), "{problem}: {error}");
        assert_eq!(proto.manifest, before);
    }
    // Where one hash fits the stored bytes the other is not looked at; where it does not, that
    // decides.
    for (at, one) in ["file:", "gzip:"].into_iter().enumerate() {
        let odd = ips::Fmri { stem: format!("odd{at}"), ..good.clone() };
        let lie = manifest.replace(one, &format!("{one}sha512t_256:00 x="));
        depot.add_manifest(&odd, &lie.replace("/good@", &format!("/odd{at}@")));
        let mut proto = depot.image();
        depot.install(&mut proto, &[&odd.stem]).unwrap();
        assert_eq!(text(&proto, "x"), "content\n");
    }
    // The stored payload of another file under this one's name.
    let other = depot.add("other@1", "file other path=y owner=root group=sys mode=0644\n");
    let stored = |fmri| {
        let manifest = depot.origins()[0].manifest(fmri).unwrap();
        let sha1 = manifest.actions().find_map(|action| action.payload.clone()).unwrap();
        depot.dir.path().join(format!("repo/publisher/test/file/{}/{sha1}", &sha1[..2]))
    };
    std::fs::copy(stored(&other), stored(&good)).unwrap();
    let mut proto = depot.image();
    let error = depot.install(&mut proto, &["good"]).unwrap_err().to_string();
    assert!(error.contains("x (package good)"), "{error}");
    std::fs::remove_file(stored(&good)).unwrap();
    let error = depot.install(&mut proto, &["good"]).unwrap_err().to_string();
    assert!(error.starts_with("1 payload is missing:\n"), "{error}");
    assert!(error.contains(" x of pkg://test/good@1"), "{error}");
}

#[test]
fn a_payload_that_inflates_without_end_is_cut_off() {
    let mut depot = Depot::new();
    let fmri = depot.add("bomb@1", "file content path=x owner=root group=sys mode=0644\n");
    let manifest = depot.origins()[0].manifest(&fmri).unwrap();
    let sha1 = manifest.actions().find_map(|action| action.payload.clone()).unwrap();
    let stored = depot.dir.path().join(format!("repo/publisher/test/file/{}/{sha1}", &sha1[..2]));
    let file = std::fs::File::create(stored).unwrap();
    let mut bomb = gzip::GzipWriter::new(file, gzip::Level::Best);
    for _ in 0..256 {
        std::io::Write::write_all(&mut bomb, &[0; 1 << 20]).unwrap();
    }
    bomb.finish().unwrap();
    let mut proto = depot.image();
    let before = proto.manifest.clone();
    let error = depot.install(&mut proto, &["bomb"]).unwrap_err().to_string();
    assert!(error.contains("longer than the 8 bytes"), "{error}");
    assert_eq!(proto.manifest, before);
    // Nothing of it is kept: no file that begins with zeros, as it does.
    assert!(files(proto.contents.store.directory()).iter().all(|file| file.first() != Some(&0)));
}

/// All files below a directory.
fn files(directory: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![std::fs::read(&path).unwrap()],
    };
    entries.flat_map(read).collect()
}

#[test]
fn nothing_is_installed_through_what_is_in_the_way() {
    let mut depot = Depot::new();
    depot.add("p@1", "file a path=opt/d/x owner=root group=sys mode=0644\n");
    depot.add("d@1", "dir path=opt owner=root group=sys mode=0755\n");
    for (there, package) in [("opt", "p"), ("opt/d/x", "p"), ("opt", "d")] {
        let mut proto = depot.image();
        proto.manifest.ensure_parents(&path(there), Metadata::root(0o755));
        proto.manifest.replace(path(there), Entry::symlink("/etc", Metadata::root(0o777)));
        let before = proto.manifest.clone();
        let error = depot.install(&mut proto, &[package]).unwrap_err().to_string();
        assert!(error.contains("symlink") && error.contains(package), "{error}");
        assert_eq!(proto.manifest, before);
    }
}

#[test]
fn accounts_need_their_files() {
    let mut depot = Depot::new();
    depot.add("p@1", "user username=u uid=7 group=root\n");
    let mut proto = depot.image();
    let error = depot.install(&mut proto, &["p"]).unwrap_err().to_string();
    assert!(error.contains("user u (package p): etc/passwd is missing"), "{error}");
}

#[test]
fn images_that_contradict_themselves_are_refused() {
    let mut depot = Depot::with_base();
    depot.add("a@1", "");
    depot.add("a@2", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["base", "a"]).unwrap();
    let error = |proto: &Proto| Image::read(proto).unwrap_err().to_string();
    let [one, two] =
        ["1", "2"].map(|v| format!("var/pkg/publisher/test/pkg/a/{v}%2C5.11%3A20260102T030405Z"));
    let right = text(&proto, &two);
    let first = "set name=pkg.fmri value=pkg://test/a@1,5.11:20260102T030405Z\n";
    put(&mut proto, &two, first);
    let expected = format!(
        "{two}:1:1: this is the manifest of pkg://test/a@1,5.11:20260102T030405Z, where that of \
         pkg://test/a@2,5.11:20260102T030405Z was expected"
    );
    assert_eq!(error(&proto), expected);
    put(&mut proto, &two, &right);
    put(&mut proto, &one, first);
    let list = "var/pkg/state/installed/catalog.base.C";
    let twice = r#"{"test":{"a":[{"version":"1,5.11:20260102T030405Z"},{"version":"2,5.11:20260102T030405Z"}]}}"#;
    put(&mut proto, list, twice);
    let error = error(&proto);
    assert!(error.starts_with(list) && error.ends_with("are both installed"), "{error}");
}
