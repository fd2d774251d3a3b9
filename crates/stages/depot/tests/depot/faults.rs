//! Networks, depots and stores that fail: what passes is survived, what is bad is refused.

use crate::support::{self, Site, listing};
use depot::Server;
use ips::{Error, Fmri, Origin};
use misbehaving_depot::Fault;
use proto::Digest;
use std::fs;
use std::time::Duration;

fn busy() -> Fault {
    Fault::Status { status: 503, retry_after: None }
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
