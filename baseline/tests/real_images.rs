//! Against a zone that the real pkg(7) made with exact-install and the brand's exclude-patterns.
//! `RELENG_DATA` names a directory with the unpacked sample (`img`, `img.zone`, `img.repo`,
//! `img.truth`), of either image format; run with `--ignored`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use baseline::{Options, Seed, Selection, generate};
use ips::{ImportOptions, Unpackaged, import_root, open_origin};
use oxide_archive::MemberKind;
use proto::Store;

fn data(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("RELENG_DATA").expect("RELENG_DATA is not set")).join(name)
}

/// By path: type, mode, owner, group, and the link text or the content.
type Tree = BTreeMap<String, (String, Vec<u8>)>;

/// What the archive has below `root/`. A hard link is its file.
fn archived(path: &std::path::Path) -> Tree {
    let mut reader = oxide_archive::open(path).unwrap();
    let mut tree = Tree::new();
    while let Some(member) = reader.next_member().unwrap() {
        let name = member.display_name().trim_end_matches('/').to_owned();
        let Some(name) = name.strip_prefix("root/").map(str::to_owned) else { continue };
        let mut content = Vec::new();
        let kind = match &member.kind {
            MemberKind::File => {
                reader.read_all(&mut content).unwrap();
                "f"
            }
            MemberKind::Directory => "d",
            MemberKind::Symlink { target } => {
                content = target.to_vec();
                "l"
            }
            MemberKind::Hardlink { target } => {
                let target = String::from_utf8_lossy(target).into_owned();
                let file = tree[target.strip_prefix("root/").unwrap()].clone();
                tree.insert(name, file);
                continue;
            }
            other => panic!("{name} is {other:?}"),
        };
        let owner = member.metadata;
        tree.insert(
            name,
            (format!("{kind} {:o} {} {}", owner.mode, owner.uid, owner.gid), content),
        );
    }
    tree
}

/// What pkg made. `img.truth/zone/tree` has a line for each path: path, type, mode, owner, group,
/// number of names, link text.
fn truth() -> Tree {
    let text = fs::read_to_string(data("img.truth/zone/tree")).unwrap();
    let mut tree = Tree::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let Some(path) = fields[0].strip_prefix("./") else { continue };
        let content = match fields[1] {
            "f" => fs::read(data("img.zone").join(path)).unwrap(),
            "l" => fields[6].as_bytes().to_vec(),
            _ => Vec::new(),
        };
        tree.insert(path.to_owned(), (fields[1..5].join(" "), content));
    }
    tree
}

/// What the brand makes of the zone besides.
const PROFILES: &str = "etc/svc/profile/";
const REPOSITORY: &str = "etc/svc/repository.db";
const SHADOW: &str = "etc/shadow";
/// What stays out of the archive.
const OWN: [&str; 2] = ["var/pkg", "var/sadm/pkg"];

#[test]
#[ignore = "needs RELENG_DATA"]
fn the_archive_is_what_exact_install_makes() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("store")).unwrap();
    let options = ImportOptions { unpackaged: Unpackaged::Accept };
    let proto = import_root(&data("img"), store, &options).unwrap();
    let origin = open_origin(data("img.repo")).unwrap();
    let run = |packages, output: &str| {
        generate(&Options {
            proto: &proto,
            origins: &[&*origin],
            output: &directory.path().join(output),
            packages,
            seed: &Seed::Nonglobal,
            strict: true,
            allow_missing: false,
            epoch: None,
        })
        .unwrap()
    };
    let report = run(Selection::Installed, "installed");
    assert_eq!(report.warnings, []);
    let request = fs::read_to_string(data("img.truth/zone.request")).unwrap();
    let mut wanted: Vec<&str> = request.lines().collect();
    let packages: Vec<String> = report.packages.iter().map(ips::Fmri::short).collect();
    let mut packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    packages.sort_unstable();
    let stem = |text: &str| ips::Fmri::parse(text).unwrap().stem;
    let stems = |list: &[&str]| -> Vec<String> {
        let mut stems: Vec<String> = list.iter().map(|text| stem(text)).collect();
        stems.sort();
        stems
    };
    assert_eq!(stems(&packages), stems(&wanted));

    let (mut ours, mut theirs) = (archived(&report.archive.path), truth());
    for tree in [&mut ours, &mut theirs] {
        let own = |path: &str| {
            OWN.iter().any(|own| {
                path.strip_prefix(own).is_some_and(|r| r.is_empty() || r.starts_with('/'))
            })
        };
        tree.retain(|path, _| !own(path) && !path.starts_with(PROFILES) && path != REPOSITORY);
        // Nobody logs in as root; dates are those of the day of the installation.
        let shadow = &mut tree.get_mut(SHADOW).unwrap().1;
        let text = String::from_utf8(shadow.clone()).unwrap();
        let line = |line: &str| {
            let mut fields: Vec<&str> = line.split(':').collect();
            fields[2] = "DATE";
            if fields[0] == "root" {
                fields[1] = "NP";
            }
            fields.join(":")
        };
        *shadow = text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes();
    }
    let paths: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let different: Vec<String> = paths
        .into_iter()
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path}: ours {:?}, theirs {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert_eq!(different, [""; 0]);

    let names: Vec<String> = archived(&report.archive.path).into_keys().collect();
    for made in ["platform_omicron1.xml", "platform.xml", "name_service.xml"] {
        assert!(names.contains(&format!("{PROFILES}{made}")), "{made}");
    }
    assert!(names.contains(&REPOSITORY.to_owned()));

    // All of these packages are what `entire` and the servers pull in, or not.
    let development = run(Selection::Development, "development");
    let stems: Vec<&str> = development.packages.iter().map(|fmri| fmri.stem.as_str()).collect();
    for there in ["entire", "network/openssh-server", "service/network/chrony", "SUNWcs"] {
        assert!(stems.contains(&there), "{there}: {stems:?}");
    }
}
