//! Without network the store is enough, or the list of what is missing is complete.

use crate::support::{self, Site, listing};
use depot::{Depot, Options};
use ips::{Error, Fmri, Origin};
use proto::Digest;
use std::time::{Duration, Instant};

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
            .args([
                "--exact",
                "offline::in_a_namespace_without_network",
                "--ignored",
                "--nocapture",
            ])
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
