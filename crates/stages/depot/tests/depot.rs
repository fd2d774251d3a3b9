//! Depots, theirs and ours, through the public face.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use depot::{Depot, Options, Server};
use ips::{
    Error, Fmri, Lock, LockOrigin, LockedPackage, Origin, PackageArchive, Publication, Repository,
    Standing, publish,
};
use misbehaving_depot::{Fault, MisbehavingDepot};
use proto::Digest;
use support::{Site, listing, runtime};

fn busy() -> Fault {
    Fault::Status { status: 503, retry_after: None }
}

/// Everything an origin has, in text.
fn everything(origin: &dyn Origin) -> String {
    let mut all = String::new();
    for fmri in origin.packages() {
        all += &format!("{}\n{}", fmri.long(), origin.manifest_text(fmri).unwrap());
        let publisher = fmri.publisher.as_deref().unwrap();
        for action in origin.manifest(fmri).unwrap().actions() {
            if action.payload.is_some() {
                let mut bytes = Vec::new();
                origin.payload(publisher, action).unwrap().read_to_end(&mut bytes).unwrap();
                all += &format!("{action} {}\n", Digest::of(&bytes));
            }
        }
    }
    all
}

#[test]
fn a_depot_has_what_its_repository_has() {
    let site = Site::new();
    let archive = site.path("all.p5p");
    let packages = site.repository.packages().to_vec();
    PackageArchive::write(&archive, &site.repository, &packages, site.time()).unwrap();
    let expected = everything(&site.repository);
    for path in [site.path("repo"), archive] {
        let served = support::serve(Server::open(&path).unwrap());
        let depot = site.open(&served.url).unwrap();
        assert_eq!(depot.packages(), packages);
        assert_eq!(depot.publishers().collect::<Vec<_>>(), ["example.com", "extra"]);
        assert_eq!(everything(&depot), expected, "{}", path.display());
        drop((depot, served));
        fs::remove_dir_all(site.path("store")).unwrap();
    }
}

#[test]
fn installing_from_a_depot_makes_the_same_image() {
    let site = Site::new();
    let direct = listing(&site.install(&site.repository).unwrap());
    let server = site.misbehaving();
    let depot = site.open(&server.url()).unwrap();
    assert_eq!(listing(&site.install(&depot).unwrap()), direct);
    assert!(direct.contains("usr/bin/hello") && direct.contains("usr/lib/libc.so.1"), "{direct}");
    let files = server.requests("/example.com/file/");
    assert_eq!(files, site.payloads("example.com").len());

    // Again: only what may have changed is asked for.
    let before = server.served().len();
    let depot = site.open(&server.url()).unwrap();
    assert_eq!(listing(&site.install(&depot).unwrap()), direct);
    let asked: Vec<String> = server.served()[before..].iter().map(|s| s.path.clone()).collect();
    assert_eq!(
        asked,
        [
            "/versions/0",
            "/publisher/1",
            "/example.com/catalog/1/catalog.attrs",
            "/extra/catalog/1/catalog.attrs"
        ]
    );
}

#[test]
fn every_passing_fault_is_survived_and_nothing_bad_is_stored() {
    let site = Site::new();
    let direct = listing(&site.install(&site.repository).unwrap());
    for fault in [
        busy(),
        Fault::Truncate(40),
        Fault::TruncateUnannounced(40),
        Fault::Reset(10),
        Fault::Wrong(b"<html>Please log in to the hotel's network</html>".to_vec()),
        Fault::FlippedBit,
        Fault::Stall(30),
        Fault::Garbage,
        Fault::Slow { piece: 20_000, pause: Duration::from_millis(5) },
    ] {
        let server = site.misbehaving();
        // What has neither signature nor digest is believed: it says who is there, no more. Faults
        // that cannot be seen are not made there.
        let unseen =
            matches!(fault, Fault::Wrong(_) | Fault::FlippedBit | Fault::TruncateUnannounced(_));
        let described: &[&str] = if unseen { &[] } else { &["/versions/0", "/publisher/1"] };
        let checked = [
            "/example.com/catalog/1/catalog.attrs",
            "/example.com/catalog/1/catalog.base.C",
            "/example.com/manifest/0/lib%2Fc@",
            "/example.com/manifest/0/app%2Fhello@",
        ];
        for path in described.iter().chain(&checked) {
            server.order(path, fault.clone());
        }
        for payload in site.payloads("example.com") {
            server.order(&format!("/example.com/file/1/{payload}"), fault.clone());
        }
        let depot = match site.open(&server.url()) {
            Ok(depot) => depot,
            Err(error) => panic!("{fault:?}: {}", support::chain(&error)),
        };
        assert_eq!(listing(&site.install(&depot).unwrap()), direct, "{fault:?}");
        let store = store::Store::open(site.path("store")).unwrap();
        assert!(store.verify().unwrap().is_good());
        drop((depot, store));
        fs::remove_dir_all(site.path("store")).unwrap();
    }
}

#[test]
fn a_rerun_continues_where_it_stopped() {
    let site = Site::new();
    let server = site.misbehaving();
    // Half of each payload, then nothing more.
    for payload in site.payloads("example.com") {
        let path = format!("/example.com/file/1/{payload}");
        let size = fs::metadata(site.payload_path("example.com", &payload)).unwrap().len();
        server.order(&path, Fault::Truncate(size as usize / 2));
        server.order_times(4, &path, &busy());
    }
    let depot = site.open(&server.url()).unwrap();
    let error = site.install(&depot).unwrap_err();
    let Error::Missing(missing) = &error else { panic!("{error}") };
    assert_eq!(missing.len(), site.payloads("example.com").len());
    let text = error.to_string();
    assert!(text.contains("payloads are missing:\n") && text.contains("run again"), "{text}");
    assert!(text.contains(" usr/bin/hello of pkg://example.com/app/hello@1.0"), "{text}");

    let depot = site.open(&server.url()).unwrap();
    site.install(&depot).unwrap();
    let sizes: u64 = site
        .payloads("example.com")
        .iter()
        .map(|payload| fs::metadata(site.payload_path("example.com", payload)).unwrap().len())
        .sum();
    // Not one byte came twice.
    assert_eq!(server.bytes("/example.com/file/"), sizes);
}

#[test]
fn without_network_the_store_is_enough_or_the_list_is_complete() {
    let site = Site::new();
    let server = site.misbehaving();
    let url = server.url();
    // Cold: not even the depot is known.
    let error = site.open_offline(&url).err().unwrap();
    let text = support::chain(&error);
    assert!(text.contains(&url) && text.contains("is not in the store"), "{text}");

    // The catalog and the manifests, but no payloads.
    let depot = site.open(&url).unwrap();
    let all: Vec<(&Fmri, Option<&Digest>)> = depot.packages().iter().map(|f| (f, None)).collect();
    depot.prefetch_manifests(&all).unwrap();
    let depot = site.open_offline(&url).unwrap();
    let begin = Instant::now();
    let error = site.install(&depot).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(3));
    let Error::Missing(missing) = &error else { panic!("{error}") };
    let mut hashes: Vec<&str> = missing.iter().map(|one| one.hash.as_str()).collect();
    hashes.sort_unstable();
    assert_eq!(hashes, site.payloads("example.com"));
    let text = error.to_string();
    assert!(text.starts_with(&format!("{} payloads are missing:\n", missing.len())), "{text}");

    // Warm.
    site.install(&site.open(&url).unwrap()).unwrap();
    let asked = server.served().len();
    let depot = site.open_offline(&url).unwrap();
    let image = site.install(&depot).unwrap();
    assert_eq!(listing(&image), listing(&site.install(&site.repository).unwrap()));
    assert_eq!(server.served().len(), asked);
}

#[test]
fn manifests_that_are_missing_are_all_named() {
    let site = Site::new();
    let server = site.misbehaving();
    drop(site.open(&server.url()).unwrap());
    let depot = site.open_offline(&server.url()).unwrap();
    let all: Vec<(&Fmri, Option<&Digest>)> = depot.packages().iter().map(|f| (f, None)).collect();
    let error = depot.prefetch_manifests(&all).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} manifests are missing:\n", all.len())), "{error}");
    assert!(error.contains("(manifest) of pkg://extra/old@0.9-1"), "{error}");
}

#[test]
fn what_a_package_needs_is_fetched_with_it() {
    let site = Site::new();
    let server = site.misbehaving();
    let depot = site.open(&server.url()).unwrap();
    let hello = depot.packages().iter().find(|fmri| fmri.stem == "app/hello").unwrap();
    depot.manifest_text(hello).unwrap();
    assert_eq!(server.requests("/example.com/manifest/0/lib%2Fc@"), 1);
    assert_eq!(server.requests("/extra/manifest"), 0);
    site.install(&depot).unwrap();
    assert_eq!(server.requests("/example.com/manifest/"), 2);
}

#[test]
fn what_became_of_packages_is_in_the_catalog() {
    let mut site = Site::new();
    let mut publication = Publication::new("extra", site.time());
    publication.content = vec![site.path("files")];
    for (name, text) in [
        (
            "old.p5m",
            "set name=pkg.fmri value=pkg://extra/old@1.0-1\nset name=pkg.obsolete value=true\n",
        ),
        (
            "greeter.p5m",
            "set name=pkg.fmri value=pkg://extra/greeter@1.0-1\nset name=pkg.renamed value=true\n\
             depend fmri=app/hello type=require\n",
        ),
    ] {
        let path = site.path(name);
        fs::write(&path, text).unwrap();
        publish(&mut site.repository, &publication, &[path]).unwrap();
    }
    let server = site.misbehaving();
    let ask = |depot: &Depot| -> Vec<String> {
        let standing = |fmri: &Fmri| {
            let standing = depot.standing(fmri).unwrap();
            assert_eq!(standing, site.repository.standing(fmri).unwrap());
            let Standing { obsolete, renamed, legacy } = standing;
            format!("{} {obsolete} {renamed} {legacy}", fmri.stem)
        };
        depot.packages().iter().map(standing).collect()
    };
    let expected = [
        "app/hello false false false",
        "lib/c false false false",
        "greeter false true false",
        "old false false false",
        "old true false false",
    ];
    assert_eq!(ask(&site.open(&server.url()).unwrap()), expected);
    assert_eq!(server.requests("/example.com/manifest"), 0);
    assert_eq!(server.requests("/extra/manifest"), 0);
    assert_eq!(server.requests("/extra/catalog/1/catalog.dependency.C"), 1);
    // The next one knows it, without asking again and without network.
    assert_eq!(ask(&site.open(&server.url()).unwrap()), expected);
    assert_eq!(server.requests("/extra/catalog/1/catalog.dependency.C"), 1);
    let url = server.url().parse().unwrap();
    assert_eq!(ask(&Depot::open(&url, site.offline(), &Options::default()).unwrap()), expected);
}

#[test]
fn a_lock_needs_no_catalog() {
    let site = Site::new();
    let server = site.misbehaving();
    let publishers = ["example.com".to_owned(), "extra".to_owned()];
    let packages: Vec<LockedPackage> = site
        .repository
        .packages()
        .iter()
        .map(|fmri| LockedPackage {
            fmri: fmri.clone(),
            digest: Digest::of(site.repository.manifest_text(fmri).unwrap().as_bytes()),
            origin: server.url(),
        })
        .collect();
    let origins = vec![LockOrigin { location: server.url(), publishers: publishers.to_vec() }];
    let lock = Lock::new(origins, packages).unwrap();
    let unlisted = |fetcher| {
        let url = server.url().parse().unwrap();
        let depot = Depot::unlisted(&url, fetcher, &publishers, &Options::default()).unwrap();
        lock.view(&server.url(), Box::new(depot))
    };
    let locked = unlisted(site.offline());
    let all: Vec<(&Fmri, Option<&Digest>)> = locked.packages().iter().map(|f| (f, None)).collect();
    let error = locked.prefetch_manifests(&all).unwrap_err();
    assert!(matches!(&error, Error::Missing(missing) if missing.len() == all.len()), "{error}");

    let direct = everything(&site.repository);
    assert_eq!(everything(&unlisted(site.online())), direct);
    assert_eq!(server.requests("/example.com/catalog"), 0);
    assert_eq!(everything(&unlisted(site.offline())), direct);
}

#[test]
fn what_a_catalog_signs_cannot_be_changed() {
    let site = Site::new();
    let base = "/example.com/catalog/1/catalog.base.C";
    for (path, fault, word) in [
        (base, Fault::FlippedBit, "signature"),
        (base, Fault::Wrong(b"{}".to_vec()), "signature"),
        ("/example.com/catalog/1/catalog.attrs", Fault::FlippedBit, "catalog.attrs"),
        ("/versions/0", Fault::Wrong(b"hello\n".to_vec()), "no package depot"),
        ("/publisher/1", Fault::Wrong(b"[1]".to_vec()), "\"publishers\" is missing"),
        (
            "/publisher/1",
            Fault::Wrong(br#"{"publishers":[{"name":"../../x"}]}"#.to_vec()),
            "no name of a publisher",
        ),
    ] {
        let server = site.misbehaving();
        server.order_times(9, path, &fault);
        let error = site.open(&server.url()).err().unwrap();
        let text = support::chain(&error);
        assert!(text.contains(word) && text.contains(&server.url()), "{path}: {text}");
    }
    let server = site.misbehaving();
    server.order_times(9, "/example.com/manifest/0/lib%2Fc@", &Fault::FlippedBit);
    let depot = site.open(&server.url()).unwrap();
    let text = support::chain(&site.install(&depot).unwrap_err());
    assert!(text.contains("its SHA-1 is") && text.contains("the catalog says"), "{text}");
}

#[test]
fn damage_in_the_store_is_healed_by_the_depot() {
    let site = Site::new();
    let server = site.misbehaving();
    site.install(&site.open(&server.url()).unwrap()).unwrap();
    let mut damaged = 0;
    for one in fs::read_dir(site.path("store/blobs")).unwrap() {
        for blob in fs::read_dir(one.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 8);
    let depot = site.open(&server.url()).unwrap();
    let image = site.install(&depot).unwrap();
    assert_eq!(listing(&image), listing(&site.install(&site.repository).unwrap()));
    // Offline, damage is as good as nothing.
    let blob = fs::read_dir(site.path("store/blobs")).unwrap();
    for one in blob {
        for blob in fs::read_dir(one.unwrap().path()).unwrap() {
            fs::write(blob.unwrap().path(), "").unwrap();
        }
    }
    assert!(site.open_offline(&server.url()).is_err());
}

#[test]
fn a_package_cannot_spoil_the_payload_of_another() {
    let site = Site::new();
    let [payload, other, ..] = &site.payloads("example.com")[..] else { panic!("two payloads") };
    // The depot sends `other` for `payload`, and an action that describes it so.
    let (payload, wrong) =
        (payload.clone(), fs::read(site.payload_path("example.com", other)).unwrap());
    let described = ips::Payload::of_stored(&wrong[..]).unwrap();
    let mut action =
        ips::Action::parse("file path=usr/bin/x owner=root group=bin mode=0555").unwrap();
    described.describe(&mut action);
    action.payload = Some(payload.clone());
    let server = site.misbehaving();
    server.order_times(9, &format!("/example.com/file/1/{payload}"), &Fault::Wrong(wrong));
    let depot = site.open(&server.url()).unwrap();
    let text = support::chain(&depot.payload("example.com", &action).err().unwrap());
    assert!(text.contains("its SHA-1 is"), "{text}");
    let store = store::Store::open(site.path("store")).unwrap();
    assert_eq!(store.find(&store::Name::new("payload", payload)).unwrap(), None);
}

#[test]
fn mirrors_have_payloads_only() {
    let site = Site::new();
    let (server, mirror) = (site.misbehaving(), site.misbehaving());
    mirror.order("/example.com/file/", Fault::Status { status: 404, retry_after: None });
    let options = Options { mirrors: vec![mirror.url().parse().unwrap()] };
    let depot = Depot::open(&server.url().parse().unwrap(), site.online(), &options).unwrap();
    site.install(&depot).unwrap();
    let payloads = site.payloads("example.com").len();
    assert_eq!(mirror.requests("/"), payloads);
    assert_eq!(server.requests("/example.com/file/"), 1);
}

#[test]
fn names_from_outside_lead_nowhere() {
    let site = Site::new();
    let depot = site.open(&site.misbehaving().url());
    // Its server is gone by now; what was fetched is there.
    let depot = depot.unwrap();
    for bad in ["", "../../etc/passwd", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"] {
        let error = depot.stored_payload("example.com", bad).err().unwrap();
        assert!(error.to_string().contains("no payload name"), "{error}");
    }
    let unknown = Fmri::parse("pkg://example.com/app/hello@9").unwrap();
    assert!(matches!(depot.manifest_text(&unknown), Err(Error::NoPackage { .. })));
}

#[test]
fn curl_agrees() {
    let Some(mut curl) = verifiers::require("curl") else { return };
    let program = curl.arg("--version").output().unwrap();
    assert!(program.status.success());
    let site = Site::new();
    let served = support::serve(Server::open(site.path("repo")).unwrap());
    let get = |arguments: &[&str], path: &str| {
        let mut curl = verifiers::require("curl").unwrap();
        let url = format!("{}{path}", served.url);
        let out =
            curl.args(["-sS", "-m", "20", "--noproxy", "*"]).args(arguments).arg(url).output();
        let out = out.unwrap();
        assert!(out.status.success(), "{out:?}");
        out.stdout
    };
    let text = |arguments: &[&str], path: &str| String::from_utf8(get(arguments, path)).unwrap();
    let versions = text(&[], "/versions/0");
    assert!(versions.contains("\ncatalog 1\nfile 0 1\n"), "{versions}");
    for path in ["/publisher/0/", "/publisher/1", "/extra/publisher/0"] {
        let publishers = text(&[], path);
        assert!(publishers.contains("\"name\": \"extra\""), "{publishers}");
        assert_eq!(publishers.contains("example.com"), !path.starts_with("/extra"));
    }
    for (path, both) in [("/status/0", true), ("/extra/status/0/", false)] {
        let status: serde_json::Value = serde_json::from_str(&text(&[], path)).unwrap();
        let publishers = status["repository"]["publishers"].as_object().unwrap();
        assert_eq!(publishers.len(), 1 + usize::from(both));
        assert_eq!(publishers["extra"]["package-count"], 1);
        assert!(!both || publishers["example.com"]["package-version-count"] == 2);
    }
    let catalog = site.path("repo/publisher/example.com/catalog/catalog.base.C");
    for path in ["/catalog/1/catalog.base.C", "/example.com/catalog/1/catalog.base.C"] {
        assert_eq!(get(&[], path), fs::read(&catalog).unwrap());
    }
    let fmri = site.repository.packages().iter().find(|f| f.stem == "app/hello").unwrap();
    let (stem, version) = fmri.quoted().unwrap();
    let manifest = site.repository.manifest_text(fmri).unwrap();
    for path in [
        format!("/manifest/0/{stem}@{version}"),
        format!("/example.com/manifest/0/app/hello@{version}"),
    ] {
        assert_eq!(text(&[], &path), manifest);
    }
    let info = text(&[], &format!("/info/0/{stem}@{version}"));
    assert!(
        info.contains("           Name: app/hello\n") && info.contains("do what you like"),
        "{info}"
    );

    let name = fmri.without_publisher().short();
    let found = |query: &str| {
        let found = text(&[], &format!("/search/1/{query}"));
        let lines = found.strip_prefix("Return from search v1\n").unwrap().to_owned();
        lines.replace(&name, "HELLO").replace(&*site.time().to_string(), "TIME")
    };
    let whole = manifest.lines().find(|line| line.contains("path=usr/bin/hello")).unwrap();
    assert_eq!(
        found("False_2_None_None_HELLO%20AND%20file%3A%3A*"),
        format!("0 2 HELLO hello {whole}\n")
    );
    assert_eq!(
        found("True_2_None_None_%2Fusr%2Fbin%2Fh*"),
        format!("0 2 HELLO /usr/bin/hello {whole}\n")
    );
    let both = "0 1 HELLO\n0 1 pkg:/lib/c@2.0-3.1:TIME\n";
    assert_eq!(found("False_1_None_None_basename%3Alibc.so*%20OR%20license%3A%3Amit"), both);
    assert_eq!(found("False_0_1_1_%3Cdir:path:*%20OR%20file:basename:*%3E"), both[10..]);

    let payload = site.payloads("example.com").pop().unwrap();
    let stored = fs::read(site.payload_path("example.com", &payload)).unwrap();
    for path in [format!("/file/0/{payload}"), format!("/example.com/file/1/{payload}")] {
        assert_eq!(get(&[], &path), stored);
        assert_eq!(get(&["-r", "5-"], &path), stored[5..]);
        assert_eq!(get(&["-r", "5-9"], &path), stored[5..10]);
        assert_eq!(get(&["-r", "-7"], &path), stored[stored.len() - 7..]);
    }
    let head = text(&["-I"], &format!("/file/1/{payload}")).to_lowercase();
    assert!(head.contains(&format!("content-length: {}\r\n", stored.len())), "{head}");
    assert!(head.contains("content-type: application/data\r\n"), "{head}");
    for (arguments, path, status) in [
        (&[][..], "/search/1/x".to_owned(), "400"),
        (&[], "/search/0/x".to_owned(), "404"),
        (&[], "/search/1/False_2_None_None_no%20such%20thing".to_owned(), "204"),
        (&[], "/extra/search/1/False_2_None_None_hello".to_owned(), "204"),
        (&[], "/".to_owned(), "404"),
        (&[], "/catalog".to_owned(), "400"),
        (&[], "/catalog/one/catalog.attrs".to_owned(), "400"),
        (&[], "/catalog/0".to_owned(), "404"),
        (&[], "/catalog/1".to_owned(), "400"),
        (&[], "/file/1/a/b".to_owned(), "400"),
        (&[], "/example.com/manifest/1/x@1".to_owned(), "404"),
        (&["-I"], "/nothing/0".to_owned(), "404"),
        (&[], format!("/file/1/{}", "0".repeat(40)), "404"),
        (&["--path-as-is"], "/file/1/../../../pkg5.repository".to_owned(), "400"),
        (&["--path-as-is"], "/catalog/1/..%2F..%2F..%2Fpkg5.repository".to_owned(), "404"),
        (&[], "/manifest/0/app%2Fhello@9".to_owned(), "404"),
        (&[], "/manifest/0/app%2Fhello".to_owned(), "400"),
        (&[], "/manifest/0/%ff@1".to_owned(), "400"),
        (&[], "/nobody/catalog/1/catalog.attrs".to_owned(), "404"),
        (&["-r", "9999999-"], format!("/file/1/{payload}"), "416"),
        (&["-X", "POST"], "/open/0/x".to_owned(), "405"),
        (&["-X", "DELETE"], "/versions/0".to_owned(), "405"),
    ] {
        let arguments = [arguments, &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
        assert_eq!(text(&arguments, &path), status, "{path}");
    }
}

#[test]
fn many_clients_at_once() {
    let site = Site::new();
    let served = support::serve(Server::open(site.path("repo")).unwrap());
    let expected = everything(&site.repository);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (served, expected, site) = (&served, &expected, &site);
            scope.spawn(move || {
                let store = site.path(&format!("store-{number}"));
                let depot = Depot::open(
                    &served.url.parse().unwrap(),
                    support::online(&store),
                    &Options::default(),
                );
                assert_eq!(everything(&depot.unwrap()), *expected);
            });
        }
    });
}

#[test]
fn nothing_to_serve() {
    let directory = tempfile::tempdir().unwrap();
    Repository::create(directory.path().join("repo"), "p").unwrap();
    // A repository without packages has still the publisher it is named for.
    let server = Server::open(directory.path().join("repo")).unwrap();
    assert_eq!(server.packages(), 0);
    assert!(Server::open(directory.path().join("none.p5p")).is_err());
    fs::write(directory.path().join("x.p5p"), "no archive").unwrap();
    assert!(Server::open(directory.path().join("x.p5p")).is_err());
    let _ = (runtime(), MisbehavingDepot::start(|_| None).unwrap());
}

#[test]
fn a_damaged_repository_does_not_lie() {
    let site = Site::new();
    let served = support::serve(Server::open(site.path("repo")).unwrap());
    let depot = site.open(&served.url).unwrap();
    let payload = site.payloads("example.com").pop().unwrap();
    let path = site.payload_path("example.com", &payload);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = site.install(&depot).unwrap_err();
    assert!(support::chain(&error).contains("it sent something else"), "{error}");
}

/// What a run does where there is no network: installs, from a store, a depot that cannot be
/// reached. Says on standard output what came of it.
#[test]
#[ignore = "part of a_namespace_without_network"]
fn in_a_namespace_without_network() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let (url, store) = (variable("DEPOT_TEST_URL"), variable("DEPOT_TEST_STORE"));
    let address = url.trim_start_matches("http://").parse().unwrap();
    let reached = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2));
    assert!(reached.is_err(), "there is a network here");
    let store = std::path::PathBuf::from(store);
    let fetcher = match variable("DEPOT_TEST_MODE").as_str() {
        "online" => support::online(&store),
        _ => fetch::Fetcher::offline(store::Store::open(&store).unwrap()),
    };
    let result = Depot::open(&url.parse().unwrap(), fetcher, &Options::default())
        .and_then(|depot| support::install(&std::env::temp_dir(), &depot));
    match result {
        Ok(image) => println!("installed {}", Digest::of(listing(&image).as_bytes())),
        Err(error) => println!("failed {}", support::chain(&error)),
    }
}

#[test]
fn a_namespace_without_network() {
    let Some(mut probe) = verifiers::require("unshare") else { return };
    if !probe.args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED a_namespace_without_network: no user namespaces for ordinary users here"
        );
        return;
    }
    let site = Site::new();
    let server = site.misbehaving();
    let run = |mode: &str, store: &str| {
        let mut unshare = verifiers::require("unshare").unwrap();
        let begin = Instant::now();
        let out = unshare
            .arg("-rn")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_namespace_without_network", "--ignored", "--nocapture"])
            .env("DEPOT_TEST_URL", server.url())
            .env("DEPOT_TEST_STORE", site.path(store))
            .env("DEPOT_TEST_MODE", mode)
            .env("TMPDIR", site.path(""))
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
        String::from_utf8(out.stdout).unwrap()
    };
    // Cold, and told so or not.
    let said = run("offline", "cold");
    assert!(said.contains("failed ") && said.contains("not in the store"), "{said}");
    let said = run("online", "cold");
    assert!(said.contains("failed ") && said.contains("cannot fetch versions/0"), "{said}");
    // Half warm: the list is complete.
    let depot = site.open(&server.url()).unwrap();
    let all: Vec<(&Fmri, Option<&Digest>)> = depot.packages().iter().map(|f| (f, None)).collect();
    depot.prefetch_manifests(&all).unwrap();
    let said = run("offline", "store");
    let payloads = site.payloads("example.com");
    assert!(said.contains(&format!("{} payloads are missing:", payloads.len())), "{said}");
    for payload in &payloads {
        assert!(said.contains(payload.as_str()), "{said}");
    }
    // Warm.
    let image = site.install(&depot).unwrap();
    let said = run("offline", "store");
    let expected = format!("installed {}", Digest::of(listing(&image).as_bytes()));
    assert!(said.contains(&expected), "{said}");
}
