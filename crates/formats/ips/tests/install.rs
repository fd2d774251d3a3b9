//! Installing into protos, through the public face, from real repositories.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use ips::{
    Image, Variants, approve_ca_certificate, change_facets, change_variants, create_image,
    optional_dependencies, purge_history, set_properties, set_publisher, uninstall,
};
use proto::{Entry, Kind, Metadata, Proto};
use support::*;

const SAMPLE: &str = "\
set name=pkg.summary value=Sample
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
file one path=usr/bin/one owner=root group=bin mode=4555
file two path=var/lib/data owner=svc group=svc mode=0640 timestamp=20200101T000000Z
hardlink path=usr/bin/again target=one
hardlink path=usr/sbin/third target=../bin/one
link path=bin target=./usr/bin
user username=svc uid=50 group=svc gcos-field=Service home-dir=/var/lib group-list=staff ftpuser=false
group groupname=svc gid=51
driver name=drv alias=pci1,2 perms=\"* 0666 root sys\" clone_perms=\"drv 0600 root sys\" class=net
legacy pkg=SUNWsample desc=\"A sample\" version=1.0
license text license=cr_Some
depend fmri=base type=require
";

#[test]
fn everything_that_a_package_delivers() {
    let mut depot = Depot::with_base();
    let sample = depot.add("sample@1.2", SAMPLE);
    let mut proto = depot.image();
    let report = depot.install(&mut proto, &["sample"]).unwrap();
    assert_eq!(report.installed.len(), 2);
    let listing = listing(&proto);
    for line in [
        "bin symlink 777 0:0 sample -> ./usr/bin",
        "etc/.pwd.lock file 755 0:0 -",
        "usr/bin directory 755 0:2 sample",
        "usr/bin/again hard link 4555 0:2 sample = usr/bin/one",
        "usr/bin/one file 4555 0:2 sample",
        "usr/sbin directory 755 0:3 -",
        "usr/sbin/third hard link 4555 0:2 sample = usr/bin/one",
        "var/lib/data file 640 50:51 sample",
        "var/sadm/pkg/SUNWsample/pkginfo file 644 0:0 -",
    ] {
        assert!(listing.lines().any(|l| l == line), "{line} is not in\n{listing}");
    }
    assert_eq!(text(&proto, "usr/bin/again"), "one\n");
    assert!(text(&proto, "etc/passwd").ends_with("\nsvc:x:50:51:Service:/var/lib:\n"));
    assert!(text(&proto, "etc/shadow").ends_with("\nsvc:*LK*:20455::::::\n"));
    assert!(text(&proto, "etc/group").ends_with("staff::10:svc\nsvc::51:\n"));
    assert_eq!(text(&proto, "etc/ftpd/ftpusers"), "root\nsvc\n");
    assert_eq!(text(&proto, "etc/name_to_major"), "clone 11\ndrv 0\n");
    assert_eq!(text(&proto, "etc/minor_perm"), "#\ndrv:* 0666 root sys\nclone:drv 0600 root sys\n");
    assert_eq!(text(&proto, "etc/driver_classes"), "#\ndrv\tnet\n");
    assert_eq!(text(&proto, "var/pkg/license/sample/license.cr_Some"), "text\n");
    assert_eq!(
        text(&proto, "var/sadm/pkg/SUNWsample/pkginfo"),
        "ARCH=i386\nBASEDIR=/\nCATEGORY=system\nDESC=A sample\nNAME=Sample\nPKG=SUNWsample\n\
         PKGINST=SUNWsample\nVERSION=1.0\nINSTDATE=Jan 02 2026 03:04\n"
    );
    let mtime = |file: &str| proto.manifest.get(&path(file)).unwrap().metadata.mtime.seconds;
    assert_eq!(mtime("var/lib/data"), 1_577_836_800);
    assert_eq!(mtime("usr/bin/one"), date().epoch());

    let image = Image::read(&proto).unwrap();
    let packages: Vec<_> =
        image.packages.iter().map(|p| (p.fmri.stem.as_str(), p.is_manual())).collect();
    assert_eq!(packages, [("base", false), ("sample", true)]);
    let (stem, version) = sample.quoted().unwrap();
    let manifest = text(&proto, &format!("var/pkg/publisher/test/pkg/{stem}/{version}"));
    assert_eq!(manifest, depot.origins()[0].manifest_text(&sample).unwrap());
}

#[test]
fn what_is_foreseen_is_what_is_installed() {
    let mut depot = Depot::with_base();
    depot.add("sample@1.2", SAMPLE);
    depot.add("other@1", "file x path=usr/bin/one owner=root group=bin mode=0555\n");
    let (mut foreseen, mut installed) = (depot.image(), depot.image());
    let foresee = |proto: &mut Proto, wanted: &[&str]| {
        ips::foresee(proto, &names(wanted), &depot.origins(), &options())
    };
    let seen = foresee(&mut foreseen, &["sample"]).unwrap();
    let report = depot.install(&mut installed, &["sample"]).unwrap();
    assert_eq!(listing(&foreseen), listing(&installed));
    assert_eq!((seen.payloads, seen.bytes), (report.payloads, report.bytes));
    let size = |proto: &Proto, at: &str| {
        proto.manifest.get(&path(at)).unwrap().content().map(|content| content.size)
    };
    assert_eq!(size(&foreseen, "usr/bin/one"), size(&installed, "usr/bin/one"));
    assert_eq!(text(&foreseen, "etc/passwd"), text(&installed, "etc/passwd"));
    let error = foresee(&mut foreseen, &["other"]).unwrap_err().to_string();
    assert!(error.contains("sample@1.2") && error.contains("other@1"), "{error}");
}

#[test]
fn what_is_removed_leaves_no_trace() {
    let mut depot = Depot::with_base();
    depot.add("sample@1.2", SAMPLE);
    let mut proto = depot.image();
    depot.install(&mut proto, &["base"]).unwrap();
    let before = proto.manifest.clone();
    depot.install(&mut proto, &["sample"]).unwrap();
    let error = uninstall(&mut proto, &names(&["base"]), &options()).unwrap_err();
    assert!(error.to_string().contains("sample@1.2"), "{error}");
    let report = uninstall(&mut proto, &names(&["sample"]), &options()).unwrap();
    assert_eq!(report.removed.len(), 1);
    // The lock file stays, as with pkg(1); directories above it are the SVR4 database's.
    for left in ["etc/.pwd.lock", "var/sadm/pkg", "var/sadm"] {
        proto.manifest.remove(&path(left));
    }
    assert_eq!(listing(&proto), listing(&Proto { manifest: before.clone(), ..proto.clone() }));
    for file in ["etc/passwd", "etc/group", "etc/minor_perm", "etc/name_to_major"] {
        let digest = |manifest: &proto::Manifest| manifest.get(&path(file)).unwrap().kind.clone();
        assert_eq!(digest(&proto.manifest), digest(&before), "{file}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let mut depot = Depot::with_base();
    depot.add("sample@1.2", SAMPLE);
    depot.add("b@1", "file b path=b owner=root group=sys mode=0644\n");
    let build = |threads: usize, packages: &[&str]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut proto = depot.image();
            depot.install(&mut proto, packages).unwrap();
            proto.manifest.to_mtree()
        })
    };
    assert_eq!(build(1, &["sample", "b"]), build(4, &["b", "sample"]));
}

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
fn what_a_running_system_would_do_is_told() {
    let package = |mode: &str| {
        format!(
            "file a path=a owner=root group=sys mode={mode} restart_fmri=svc:/b:x restart_fmri=svc:/a:x\n\
             file b path=b owner=root group=sys mode=0644 restart_fmri=svc:/a:x sensitive=true\n\
             link path=c target=b reboot-needed=false\n\
             file d path=d owner=root group=sys mode={mode} reboot-needed=true release-note=feature/x\n\
             dir path=e owner=root group=sys mode=0755 refresh_fmri=svc:/e:x\n"
        )
    };
    let mut depot = Depot::new();
    depot.add("p@1", &package("0644"));
    let mut proto = depot.image();
    let report = depot.install(&mut proto, &["p"]).unwrap();
    let told = |report: &ips::Report| -> Vec<String> {
        report.actuators.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let all = [
        "reboot-needed=true",
        "refresh_fmri=svc:/e:x",
        "restart_fmri=svc:/a:x",
        "restart_fmri=svc:/b:x",
    ];
    assert_eq!(told(&report), all);
    depot.add("p@2", &package("0444"));
    let report = depot.install(&mut proto, &["p"]).unwrap();
    assert_eq!(told(&report), [all[0], all[2], all[3]]);
    let report = uninstall(&mut proto, &names(&["p"]), &options()).unwrap();
    assert_eq!(told(&report), all);
}

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
fn an_overlay_wins() {
    let mut depot = Depot::new();
    let file = "path=o owner=root group=sys mode=0644";
    depot.add("under@1", &format!("file under {file} overlay=allow preserve=true\n"));
    depot.add("over@1", &format!("file over {file} overlay=true preserve=true\n"));
    let mut proto = depot.image();
    depot.install(&mut proto, &["under", "over"]).unwrap();
    assert_eq!(text(&proto, "o"), "over\n");
    assert_eq!(proto.manifest.get(&path("o")).unwrap().package.as_deref(), Some("over"));
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
fn facets_and_variants_can_change_later() {
    let mut depot = Depot::new();
    depot.add(
        "p@1",
        "file doc path=doc/text owner=root group=sys mode=0644 facet.doc=true\n\
         file f path=kernel owner=root group=sys mode=0644 variant.debug.illumos=false\n\
         file true path=kernel owner=root group=sys mode=0644 variant.debug.illumos=true\n\
         file g path=gz owner=root group=sys mode=0644 variant.opensolaris.zone=global\n",
    );
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    let full = proto.manifest.clone();
    let facet = |value| [("doc".to_owned(), value)];
    let mut foreseen = proto.clone();
    ips::foresee_facets(&mut foreseen, &facet(Some(false)), &depot.origins(), &options()).unwrap();
    change_facets(&mut proto, &facet(Some(false)), &depot.origins(), &options()).unwrap();
    assert_eq!(listing(&foreseen), listing(&proto));
    assert!(!proto.manifest.contains(&path("doc")), "the implied directory goes too");
    change_facets(&mut proto, &facet(None), &depot.origins(), &options()).unwrap();
    assert_eq!(proto.manifest, full);
    let debug = [("variant.debug.illumos".to_owned(), "true".to_owned())];
    let mut foreseen = proto.clone();
    ips::foresee_variants(&mut foreseen, &debug, &depot.origins(), &options()).unwrap();
    change_variants(&mut proto, &debug, &depot.origins(), &options()).unwrap();
    assert_eq!(listing(&foreseen), listing(&proto));
    let kernel = |proto: &Proto| proto.manifest.get(&path("kernel")).unwrap().content().cloned();
    assert!(kernel(&foreseen).unwrap().digest.is_none(), "no payload was asked for");
    assert_eq!(text(&proto, "kernel"), "true\n");
    let image = Image::read(&proto).unwrap();
    assert_eq!(image.config.variants.get("variant.debug.illumos"), Some("true"));

    let mut zone = depot.image_with(Variants::for_zone("nonglobal"));
    depot.install(&mut zone, &["p"]).unwrap();
    assert!(!zone.manifest.contains(&path("gz")));
}

#[test]
fn the_mediated_link_of_the_better_version_is_made() {
    let mut depot = Depot::new();
    for version in ["1.9", "1.10"] {
        depot.add(
            &format!("tool-{}@1", version.replace('.', "")),
            &format!(
                "link path=tool target=tool.{version} mediator=tool mediator-version={version}\n"
            ),
        );
    }
    let mut proto = depot.image();
    depot.install(&mut proto, &["tool-19", "tool-110"]).unwrap();
    assert!(listing(&proto).contains("tool symlink 777 0:0 tool-110 -> tool.1.10\n"));
    let chosen = Image::read(&proto).unwrap().config.mediators["tool"].version.clone();
    assert_eq!(chosen.as_deref(), Some("1.10"));
    uninstall(&mut proto, &names(&["tool-110"]), &options()).unwrap();
    assert!(listing(&proto).contains("tool symlink 777 0:0 tool-19 -> tool.1.9\n"));
}

#[test]
fn excluded_paths_are_passed_over_and_their_parents_implied() {
    let mut depot = Depot::new();
    depot.add(
        "p@1",
        "dir path=usr owner=root group=sys mode=0755\n\
         file a path=usr/a owner=root group=sys mode=0644\n\
         dir path=lib owner=root group=bin mode=0750\n\
         dir path=lib/svc owner=root group=sys mode=0700\n\
         file b path=lib/svc/seed owner=root group=sys mode=0644\n",
    );
    let mut proto = depot.image();
    let patterns = "['usr/', 'lib/(?!svc/seed)']".to_owned();
    set_properties(&mut proto, &[("exclude-patterns".to_owned(), patterns)], date()).unwrap();
    let report = depot.install(&mut proto, &["p"]).unwrap();
    assert_eq!(report.excluded, [path("usr/a"), path("lib/svc")]);
    assert!(listing(&proto).contains("lib/svc directory 750 0:2 -\n"));
    assert!(!proto.manifest.contains(&path("usr/a")));
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
fn what_a_template_removed_stays_away() {
    let mut depot = Depot::with_base();
    depot.add("sample@1.2", SAMPLE);
    depot.add("more@1", "file m path=m owner=root group=sys mode=0644\n");
    let mut proto = depot.image();
    depot.install(&mut proto, &["sample"]).unwrap();
    for gone in ["usr/bin/one", "usr/bin/again", "usr/sbin/third", "var/lib/data", "bin"] {
        proto.manifest.remove(&path(gone));
    }
    depot.install(&mut proto, &["more"]).unwrap();
    assert!(proto.manifest.contains(&path("m")));
    for gone in ["usr/bin/one", "usr/bin/again", "var/lib/data", "bin"] {
        assert!(!proto.manifest.contains(&path(gone)), "{gone}");
    }
}

#[test]
fn what_nobody_packages_is_kept_when_its_directory_goes() {
    let mut depot = Depot::new();
    depot.add("p@1", "file a path=opt/p/a owner=root group=sys mode=0644\n");
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    let content = proto.contents.store.add_bytes(b"mine\n").unwrap();
    let entry = Entry::new(proto::Kind::File(content), Metadata::root(0o600));
    proto.manifest.replace(path("opt/p/mine"), entry);
    uninstall(&mut proto, &names(&["p"]), &options()).unwrap();
    assert!(!proto.manifest.contains(&path("opt")));
    assert_eq!(text(&proto, &format!("var/pkg/lost+found/opt/p-{DATE}/mine")), "mine\n");
}

#[test]
fn settings_of_an_image() {
    let depot = Depot::with_base();
    let mut proto = depot.image();
    assert!(create_image(&mut proto, Variants::for_zone("global"), date()).is_err());
    let publisher = ips::Publisher::new("../x", "file:///");
    assert!(set_publisher(&mut proto, publisher, date()).is_err());
    approve_ca_certificate(&mut proto, "test", b"PEM", date()).unwrap();
    assert!(approve_ca_certificate(&mut proto, "other", b"PEM", date()).is_err());
    let certs = proto.manifest.subtree(&path("var/pkg/publisher/test/certs")).count();
    assert_eq!(certs, 2);
    let entry = Entry::directory(Metadata::root(0o755));
    proto.manifest.replace(path("var/pkg/history/x"), entry);
    purge_history(&mut proto).unwrap();
    assert!(proto.manifest.contains(&path("var/pkg/history")));
    assert!(!proto.manifest.contains(&path("var/pkg/history/x")));
    Image::read(&proto).unwrap();
}

#[test]
fn optional_dependencies_can_be_named() {
    let mut depot = Depot::new();
    depot.add("p@1", "depend fmri=q@1 type=optional\ndepend fmri=r type=optional\n");
    depot.add("q@1", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["p", "q"]).unwrap();
    assert_eq!(optional_dependencies(&proto, &names(&["p"])).unwrap(), ["/r"]);
}

#[test]
fn what_groups_name_and_is_not_there_is_kept_in_mind() {
    let mut depot = Depot::new();
    let group = |name: &str| format!("depend type=group fmri={name}\n");
    depot.add("all@1", &["a", "b", "nowhere"].map(group).concat());
    depot.add("a@1", "");
    depot.add("b@1", "");
    let mut proto = depot.image();
    let avoided = |proto: &Proto| text(proto, "var/pkg/state/avoid_set");
    assert_eq!(avoided(&proto), "[1,{}]");
    depot.install(&mut proto, &["all"]).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"nowhere":"implicit-avoid"}]"#);
    assert!(Image::read(&proto).unwrap().avoided.is_empty());
    uninstall(&mut proto, &names(&["a"]), &options()).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"a":"avoid","nowhere":"implicit-avoid"}]"#);
    assert!(Image::read(&proto).unwrap().avoided.contains("a"));
    // It does not come back by itself.
    depot.install(&mut proto, &["b"]).unwrap();
    assert!(Image::read(&proto).unwrap().package("a").is_none());
    depot.install(&mut proto, &["a"]).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"nowhere":"implicit-avoid"}]"#);
}

#[test]
fn what_is_frozen_is_marked() {
    let mut depot = Depot::new();
    depot.add("a@1.1", "");
    depot.add("a@2", "");
    depot.add("b@1", "");
    let mut proto = depot.image();
    let frozen = r#"[1,{"a":["a@1",null,1700000000]}]"#;
    let content = proto.contents.store.add_bytes(frozen.as_bytes()).unwrap();
    let (size, digest) = (content.size, content.digest.unwrap());
    let entry = Entry::file(size, digest, Metadata::root(0o644));
    proto.manifest.replace(path("var/pkg/state/frozen_dict"), entry);
    depot.install(&mut proto, &["a", "b"]).unwrap();
    let image = Image::read(&proto).unwrap();
    let frozen = |stem: &str| image.package(stem).unwrap().states.contains(&ips::State::Frozen);
    assert!(frozen("a") && !frozen("b"));
    assert_eq!(
        image.package("a").unwrap().fmri.version.as_ref().unwrap().release.to_string(),
        "1.1"
    );
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

#[test]
fn images_that_contradict_themselves_are_refused() {
    let mut depot = Depot::with_base();
    depot.add("a@1", "");
    depot.add("a@2", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["base", "a"]).unwrap();
    let error = |proto: &Proto| Image::read(proto).unwrap_err().to_string();
    let put = |proto: &mut Proto, at: &str, text: &str| {
        let content = proto.contents.store.add_bytes(text.as_bytes()).unwrap();
        let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
        proto.manifest.replace(path(at), entry);
    };
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
