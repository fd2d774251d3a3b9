//! What an image has after packages came or went.

use crate::support::*;
use ips::{Image, set_properties, uninstall};
use proto::{Entry, Metadata, Proto};

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
