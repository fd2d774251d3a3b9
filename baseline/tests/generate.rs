//! Baselines of the sample system.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its sample shall fail")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use baseline::{ARCHIVE, GZONLY, Seed, Selection, Warning, verify};
use common::{PUBLISHED, Run, Sample, listing};
use ips::{ImportOptions, InstallOptions, Timestamp, Unpackaged};
use proto::{Metadata, ProtoPath, Store};

#[test]
fn the_archive_is_a_fresh_zone() {
    let sample = Sample::new();
    let report = sample.run(&sample.install(), &Run::default()).unwrap();
    assert_eq!(report.warnings, []);
    let (lines, contents) = listing(&report.archive.path);
    assert_eq!(report.entries, lines.len());
    let expected: Vec<String> = "
root/etc 0755 0:3 T d
root/etc/ftpd 0755 0:3 T d
root/etc/svc 0755 0:3 T d
root/etc/svc/profile 0755 0:3 T d
root/lib 0755 0:2 T d
root/lib/svc 0755 0:2 T d
root/lib/svc/manifest 0755 0:3 T d
root/lib/svc/seed 0755 0:2 T d
root/root 0700 0:0 T d
root/tmp 1777 0:3 T d
root/usr 0755 0:3 T d
root/var 0755 0:3 T d
root/var/lib 0755 0:3 T d
root/var/lib/time 0750 162:162 T d
root/var/sadm 0755 0:0 T d
root/etc/.pwd.lock 0755 0:0 T f
root/etc/doc 0444 0:3 T f
root/etc/ftpd/ftpusers 0644 0:3 T f
root/etc/group 0644 0:3 T f
root/etc/motd 0644 0:3 T f
root/etc/overlaid 0644 0:3 T f
root/etc/passwd 0644 0:3 T f
root/etc/release 0444 0:3 1735787045 f
root/etc/shadow 0400 0:3 T f
root/etc/svc/profile/platform_omicron1.xml 0644 0:3 T f
root/etc/svc/repository.db 0600 0:3 T f
root/etc/time.keys 0600 162:162 T f
root/etc/two 0644 0:3 T f
root/lib/svc/manifest/core.xml 0444 0:3 T f
root/lib/svc/seed/nonglobal.db 0444 0:3 T f
root/etc/svc/two 0000 0:0 0 h->root/etc/two
root/bin 0777 0:0 T l->./usr/bin
root/etc/svc/profile/generic.xml 0777 0:0 T l->generic_limited_net.xml
root/etc/svc/profile/inetd_services.xml 0777 0:0 T l->inetd_generic.xml
root/etc/svc/profile/name_service.xml 0777 0:0 T l->ns_dns.xml
root/etc/svc/profile/platform.xml 0777 0:0 T l->platform_omicron1.xml
root/etc/tool 0777 0:0 T l->tool-2"
        .lines()
        .skip(1)
        .map(|line| line.replace(" T ", &format!(" {PUBLISHED} ")))
        .collect();
    assert_eq!(lines, expected);

    let text = |name: &str| String::from_utf8_lossy(&contents[name]).into_owned();
    assert_eq!(
        text("root/etc/passwd"),
        "root:x:0:0:Super-User:/root:/usr/bin/sh\nbin:x:2:2::/:/bin/sh\n\
         netadm:x:16:65:Net Admin:/var:\ntime:x:162:162:& User:/var/lib/time:/bin/false\n"
    );
    assert!(text("root/etc/shadow").starts_with("root:NP:6445::::::\nbin:NP:6445::::::\n"));
    assert_eq!(text("root/etc/ftpd/ftpusers"), "root\nnetadm\n");
    assert_eq!(text("root/etc/svc/repository.db"), "a seed of few services\n");
    assert_eq!(text("root/etc/overlaid"), "etc/overlaid of service/network/time\n");

    assert_eq!(
        fs::read_to_string(&report.gzonly.path).unwrap(),
        "usr/sbin\nusr/bin/zoneadm\nlib/svc/seed/global.db\netc/hostid\n"
    );
    let stems: Vec<_> = report.global_only.iter().map(|fmri| fmri.stem.as_str()).collect();
    assert_eq!(stems, ["system/kernel"]);
    assert_eq!(report.packages[0].stem, "consolidation/osnet/osnet-incorporation");
}

#[test]
fn other_programs_read_the_archive() {
    let sample = Sample::new();
    let report = sample.run(&sample.install(), &Run::default()).unwrap();
    let (lines, _) = listing(&report.archive.path);
    let mut names: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    names.insert(0, "oxide.json");
    for program in ["tar", "bsdtar"] {
        let Some(mut tar) = verifiers::require(program) else { continue };
        let output = tar.arg("-tzf").arg(&report.archive.path).output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
        let listed = String::from_utf8(output.stdout).unwrap();
        let listed: Vec<&str> = listed.lines().map(|line| line.trim_end_matches('/')).collect();
        assert_eq!(listed, names, "{program}");
    }
    if let Some(mut gzip) = verifiers::require("gzip") {
        assert!(gzip.arg("-t").arg(&report.archive.path).status().unwrap().success());
    }
    let (_, contents) = listing(&report.archive.path);
    for program in ["tar", "bsdtar"] {
        let Some(mut tar) = verifiers::require(program) else { continue };
        let directory = sample.path(program);
        fs::create_dir(&directory).unwrap();
        tar.arg("--no-same-owner").arg("-xzf").arg(&report.archive.path);
        assert!(tar.arg("-C").arg(&directory).status().unwrap().success(), "{program}");
        for (name, bytes) in contents.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            assert_eq!(&fs::read(directory.join(name)).unwrap(), bytes, "{program}: {name}");
        }
        let linked = fs::metadata(directory.join("root/etc/svc/two")).unwrap();
        assert_eq!(linked.nlink(), 2, "{program}");
    }
}

#[test]
fn only_packages_decide_about_modes_owners_and_times() {
    let sample = Sample::new();
    let proto = sample.install();
    let first = sample.run(&proto, &Run::default()).unwrap();
    let on_disk = sample.export(&proto, "exported");
    flatten(&on_disk);
    let imported = sample.import(&on_disk);
    let second = sample.run(&imported, &Run { output: "second", ..Run::default() }).unwrap();
    assert_eq!(second.archive.sha256, first.archive.sha256);
    assert_eq!(second.gzonly.sha256, first.gzonly.sha256);
    assert_eq!(second.seal, first.seal);
}

/// Everything 0777 or 0666, at various times, hard links torn apart.
fn flatten(directory: &Path) {
    for (number, entry) in fs::read_dir(directory).unwrap().enumerate() {
        let path = entry.unwrap().path();
        let found = path.symlink_metadata().unwrap();
        if found.is_symlink() {
            continue;
        }
        fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        if found.is_dir() {
            flatten(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64 * 1000);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
    }
}

#[test]
fn what_the_proto_lacks_comes_from_an_origin_or_is_named() {
    let sample = Sample::new();
    let proto = sample.install();
    let alone = Run { with_origin: false, ..Run::default() };
    let error = sample.run(&proto, &alone).unwrap_err().to_string();
    assert!(
        error.contains("\n  lib/svc/seed/nonglobal.db of package pkg://sample/system/core@1.0-1:"),
        "{error}"
    );
    assert_eq!(error.matches("\n  ").count(), 1, "account files need no origin: {error}");
    assert!(error.contains("--origin"), "{error}");
    sample.assert_nothing_left();

    let lenient = Run { allow_missing: true, seed: Seed::None, ..alone };
    let report = sample.run(&proto, &lenient).unwrap();
    assert!(matches!(&report.warnings[..], [Warning::LeftOut(at)]
        if at.path == "lib/svc/seed/nonglobal.db"));
    let (lines, contents) = listing(&report.archive.path);
    assert!(!lines.iter().any(|line| line.contains("nonglobal.db")));
    assert!(!contents.contains_key("root/etc/svc/repository.db"));

    let error = sample
        .run(&proto, &Run { allow_missing: true, with_origin: false, ..Run::default() })
        .unwrap_err()
        .to_string();
    assert!(error.contains("--smf-seed none"), "{error}");
}

#[test]
fn what_was_changed_in_the_proto_is_taken_as_packaged() {
    let sample = Sample::new();
    let mut proto = sample.install();
    sample.change(&mut proto, "etc/motd", "edited\n");
    let report = sample.run(&proto, &Run::default()).unwrap();
    assert_eq!(report.warnings, [], "editable files may differ");
    let (_, contents) = listing(&report.archive.path);
    assert_eq!(contents["root/etc/motd"], b"etc/motd of system/core\n");

    sample.change(&mut proto, "etc/release", "another release\n");
    let report = sample.run(&proto, &Run::default()).unwrap();
    assert!(matches!(&report.warnings[..], [Warning::Modified(at)] if at.path == "etc/release"));
    let (_, contents) = listing(&report.archive.path);
    assert_eq!(contents["root/etc/release"], b"etc/release of system/core\n");

    let error =
        sample.run(&proto, &Run { strict: true, ..Run::default() }).unwrap_err().to_string();
    assert!(error.contains("etc/release of package pkg://sample/system/core@1.0-1:"), "{error}");

    let alone = Run { with_origin: false, allow_missing: true, seed: Seed::None, ..Run::default() };
    let report = sample.run(&proto, &alone).unwrap();
    let taken: Vec<_> = report
        .warnings
        .iter()
        .filter_map(|warning| match warning {
            Warning::ModifiedTaken(at) => Some(at.path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(taken, ["etc/motd", "etc/release"]);
    let (_, contents) = listing(&report.archive.path);
    assert_eq!(contents["root/etc/release"], b"another release\n");
}

#[test]
fn seeds() {
    let sample = Sample::new();
    let proto = sample.install();
    let run = |seed| sample.run(&proto, &Run { seed, ..Run::default() });
    let (_, contents) = listing(&run(Seed::None).unwrap().archive.path);
    assert!(!contents.contains_key("root/etc/svc/repository.db"));
    let file = sample.path("made-by-svccfg.db");
    fs::write(&file, "many services").unwrap();
    let (lines, contents) = listing(&run(Seed::File(file)).unwrap().archive.path);
    assert_eq!(contents["root/etc/svc/repository.db"], b"many services");
    assert!(lines.contains(&format!("root/etc/svc/repository.db 0600 0:3 {PUBLISHED} f")));
    let error = run(Seed::File(sample.path("nowhere.db"))).unwrap_err().to_string();
    assert!(error.contains("nowhere.db"), "{error}");
}

#[test]
fn a_development_system_gives_its_zones_what_entire_needs() {
    let sample = Sample::new();
    let report = sample
        .run(&sample.install(), &Run { packages: Selection::Development, ..Run::default() })
        .unwrap();
    let mut stems: Vec<_> = report.packages.iter().map(|fmri| fmri.stem.as_str()).collect();
    stems.sort_unstable();
    assert_eq!(stems, ["consolidation/osnet/osnet-incorporation", "entire", "system/core"]);
    assert_eq!(report.packages[0].stem, "consolidation/osnet/osnet-incorporation");
}

#[test]
fn what_a_development_system_lacks_comes_from_an_origin() {
    let mut sample = Sample::new().with(
        "set name=pkg.fmri value=pkg://sample/entire@1.0-1\n",
        "set name=pkg.fmri value=pkg://sample/entire@1.0-1\ndepend fmri=zone/only type=require \
         variant.opensolaris.zone=nonglobal\n",
    );
    sample.packages.push(
        "set name=pkg.fmri value=pkg://sample/zone/only@1.0-1\n\
         file path=etc/zone.only owner=root group=sys mode=0644\n"
            .to_owned(),
    );
    let repository = sample.repository();
    let wanted = ["consolidation/osnet/osnet-incorporation", "system/core", "system/kernel"];
    let proto = sample.install_only(&repository, &wanted);
    let development = Run { packages: Selection::Development, ..Run::default() };
    let report = sample.run(&proto, &development).unwrap();
    let mut stems: Vec<_> = report.packages.iter().map(|fmri| fmri.stem.as_str()).collect();
    stems.sort_unstable();
    let core = ["consolidation/osnet/osnet-incorporation", "entire", "system/core", "zone/only"];
    assert_eq!(stems, core);
    let (_, contents) = listing(&report.archive.path);
    assert_eq!(contents["root/etc/zone.only"], b"etc/zone.only of zone/only\n");

    let alone = Run { with_origin: false, output: "alone", ..development };
    let error = sample.run(&proto, &alone).unwrap_err().to_string();
    assert!(error.contains("package entire is not installed"), "{error}");
}

#[test]
fn an_archive_belongs_to_the_proto_with_the_same_packages() {
    let sample = Sample::new();
    let proto = sample.install();
    let report = sample.run(&proto, &Run::default()).unwrap();
    let verified = verify(&report.archive.path, &proto).unwrap();
    assert!(verified.belongs());
    assert_eq!(verified.gzonly_matches, Some(true));
    assert!(verified.tool.unwrap().starts_with("baseline "));

    let mut changed = proto.clone();
    sample.change(&mut changed, "etc/motd", "edited\n");
    assert!(verify(&report.archive.path, &changed).unwrap().belongs(), "not a package");

    fs::write(&report.gzonly.path, "etc/other\n").unwrap();
    let verified = verify(&report.archive.path, &proto).unwrap();
    assert!(!verified.belongs() && verified.gzonly_matches == Some(false));

    let other = Sample::new().with("service/network/time@2.0", "service/network/time@2.1");
    let other = other.install();
    let verified = verify(&report.archive.path, &other).unwrap();
    assert_ne!(verified.sealed, verified.proto);

    let error = verify(&sample.path("payload"), &proto).unwrap_err().to_string();
    assert!(error.contains("payload"), "{error}");
}

#[test]
fn results_take_the_place_of_older_ones() {
    let sample = Sample::new();
    let proto = sample.install();
    let out = sample.path("out");
    fs::create_dir(&out).unwrap();
    sample.run(&proto, &Run::default()).unwrap();
    fs::write(out.join("notes"), "mine").unwrap();
    fs::write(out.join(ARCHIVE), "old").unwrap();
    let report = sample.run(&proto, &Run::default()).unwrap();
    assert_eq!(fs::metadata(&report.archive.path).unwrap().len(), report.archive.size);
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [ARCHIVE, GZONLY, "notes"]);
    for name in [ARCHIVE, GZONLY] {
        let mode = fs::metadata(out.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
}

#[test]
fn a_proto_that_cannot_be_used_is_refused_by_path_and_package() {
    let refused = |sample: &Sample, proto: &proto::Proto| {
        let error = sample.run(proto, &Run::default()).unwrap_err().to_string();
        sample.assert_nothing_left();
        error
    };
    let path = |text: &str| ProtoPath::new(text).unwrap();
    let sample = Sample::new();
    let whole = sample.install();

    let empty = common::new_proto(&sample.path("empty"));
    assert!(refused(&sample, &empty).starts_with("the proto has no package metadata"));

    let mut missing = whole.clone();
    missing.manifest.remove(&path("etc/motd"));
    let core = "of package pkg://sample/system/core@1.0-1:20260102T030405Z";
    assert_eq!(
        refused(&sample, &missing),
        format!("the proto is not what its packages say:\n  etc/motd {core}: this file is missing")
    );
    let mut trimmed = whole.clone();
    trimmed.manifest.remove(&path("usr/bin/ls"));
    trimmed.manifest.remove(&path("lib/libc.so.1"));
    sample.run(&trimmed, &Run::default()).unwrap();
    fs::remove_dir_all(sample.path("out")).unwrap();

    for (kind, found) in [
        (proto::Kind::Fifo, "fifo"),
        (proto::Kind::Directory, "directory"),
        (proto::Kind::Symlink { target: (*b"motd2").into() }, "symlink"),
        (proto::Kind::CharacterDevice(proto::Device { major: 13, minor: 2 }), "character device"),
    ] {
        let mut wrong = whole.clone();
        let entry = proto::Entry::new(kind, Metadata::root(0o644));
        wrong.manifest.replace(path("etc/motd"), entry);
        assert_eq!(
            refused(&sample, &wrong),
            format!(
                "the proto is not what its packages say:\n  etc/motd {core}: is packaged as a \
                 file and is a {found}"
            )
        );
    }
}

#[test]
fn exactly_one_incorporation_says_which_release_it_is() {
    let none = Sample::new()
        .with("sample/consolidation/osnet/osnet-incorporation", "sample/consolidation/other")
        .with("depend fmri=consolidation/osnet/osnet-incorporation type=require\n", "");
    let error = none.run(&none.install(), &Run::default()).unwrap_err().to_string();
    assert!(error.contains("no package consolidation/osnet/osnet-incorporation"), "{error}");
    none.assert_nothing_left();

    // pkg(7) would not install a second one from another publisher; damage can.
    let two = Sample::new();
    let mut proto = two.install();
    let list = "var/pkg/state/installed/catalog.base.C";
    let text = two.text(&proto, list);
    let (from, to) = ("{\"sample\":", "{\"other\":ENTRY,\"sample\":");
    assert!(text.contains(from), "{text}");
    let entry = "{\"consolidation/osnet/osnet-incorporation\":\
        [{\"version\":\"1.0,5.11-2:20260102T030405Z\",\"metadata\":{\"states\":[0,2]}}]}";
    two.change(&mut proto, list, &text.replacen(from, &to.replace("ENTRY", entry), 1));
    let manifest = "set name=pkg.fmri value=pkg://other/consolidation/osnet/\
        osnet-incorporation@1.0,5.11-2:20260102T030405Z\n";
    let content = proto.contents.store.add_bytes(manifest.as_bytes()).unwrap();
    let path = "var/pkg/publisher/other/pkg/consolidation%2Fosnet%2Fosnet-incorporation/\
        1.0%2C5.11-2%3A20260102T030405Z";
    let file = proto::Entry::new(proto::Kind::File(content), Metadata::root(0o644));
    proto.manifest.replace(ProtoPath::new(path).unwrap(), file);
    let error = two.run(&proto, &Run::default()).unwrap_err().to_string();
    assert!(
        error.contains("pkg://other/consolidation/osnet/osnet-incorporation@1.0-2")
            && error.contains("pkg://sample/consolidation/osnet/osnet-incorporation@1.0-1"),
        "{error}"
    );
    two.assert_nothing_left();
}

#[test]
fn optional_parts_of_the_global_zone_are_no_matter() {
    let sample = Sample::new();
    let mut proto = sample.install();
    let usual = sample.run(&proto, &Run::default()).unwrap();
    let date = Timestamp::from_epoch(PUBLISHED).unwrap();
    let facets = [("doc".to_owned(), Some(false))];
    ips::change_facets(&mut proto, &facets, &[&sample.repository()], &InstallOptions { date })
        .unwrap();
    assert!(!proto.manifest.contains(&ProtoPath::new("etc/doc").unwrap()));
    let report = sample.run(&proto, &Run { output: "second", ..Run::default() }).unwrap();
    assert_eq!(report.archive.sha256, usual.archive.sha256);
    assert_eq!(report.warnings, []);
}

#[test]
fn what_the_zone_gets_from_the_run_may_be_anything_in_the_proto() {
    let sample = Sample::new();
    let mut proto = sample.install();
    let usual = sample.run(&proto, &Run::default()).unwrap();
    let generic = ProtoPath::new("etc/svc/profile/generic.xml").unwrap();
    let link = proto::Entry::symlink("generic_open.xml", Metadata::root(0o777));
    proto.manifest.replace(generic, link);
    let report = sample.run(&proto, &Run { output: "second", ..Run::default() }).unwrap();
    assert_eq!(report.archive.sha256, usual.archive.sha256);
}

#[test]
fn an_unknown_owner_is_refused_by_path_and_package() {
    let sample = Sample::new().with("path=etc/two owner=root", "path=etc/two owner=nobody-knows");
    let error = sample.try_install().err().map(|error| error.to_string());
    let error = match error {
        // The installer refuses already.
        Some(error) => error,
        None => sample.run(&sample.install(), &Run::default()).unwrap_err().to_string(),
    };
    assert!(error.contains("etc/two") && error.contains("nobody-knows"), "{error}");
    assert!(error.contains("system/core"), "{error}");
}

#[test]
fn an_owner_that_only_global_zones_know_is_refused_by_path_and_package() {
    let sample = Sample::new()
        .with("user username=time", "user variant.opensolaris.zone=global username=time");
    let error = sample.run(&sample.install(), &Run::default()).unwrap_err().to_string();
    assert!(error.contains("etc/time.keys") || error.contains("var/lib/time"), "{error}");
    assert!(error.contains("service/network/time") && error.contains("`time`"), "{error}");
    sample.assert_nothing_left();
}

#[test]
fn a_zone_package_may_not_require_what_zones_cannot_have() {
    let sample = Sample::new().with(
        "depend fmri=system/core type=require\n",
        "depend fmri=system/core type=require\ndepend fmri=system/kernel type=require\n",
    );
    let error = sample.run(&sample.install(), &Run::default()).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "pkg://sample/service/network/time@2.0-1:20260102T030405Z requires \
            pkg://sample/system/kernel@1.0-1:20260102T030405Z"
        ),
        "{error}"
    );
}

impl Sample {
    fn import(&self, directory: &Path) -> proto::Proto {
        let store = Store::create(self.path("import-store")).unwrap();
        let options = ImportOptions { unpackaged: Unpackaged::Refuse };
        ips::import_root(directory, store, &options).unwrap()
    }

    fn text(&self, proto: &proto::Proto, path: &str) -> String {
        let path = ProtoPath::new(path).unwrap();
        let content = proto.manifest.get(&path).unwrap().content().unwrap();
        String::from_utf8(proto.contents.read(&path, content).unwrap()).unwrap()
    }

    fn change(&self, proto: &mut proto::Proto, path: &str, text: &str) {
        let content = proto.contents.store.add_bytes(text.as_bytes()).unwrap();
        let entry = proto.manifest.get_mut(&ProtoPath::new(path).unwrap()).unwrap();
        entry.kind = proto::Kind::File(content);
    }

    /// No results, and nothing half-made beside them.
    fn assert_nothing_left(&self) {
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name != "out" && !name.starts_with('.'), "{name} was left behind");
        }
    }
}
