//! What comes from elsewhere: broken off, wrong, or nothing that a zone is installed from.

use std::fs;

use misbehaving_depot::Fault;
use proto::Digest;
use zone_build::Request;

use crate::common::{Bench, MANIFEST, finish, gzipped, layer, published, unpacked, zone};

#[test]
fn what_breaks_off_is_fetched_from_there_on_and_once() {
    let bench = Bench::new();
    let path = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
    let size = published()[path].len();
    bench.depot.order(path, Fault::Truncate(100));
    bench.depot.order(path, Fault::Status { status: 503, retry_after: None });
    let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
    bench.build(request()).unwrap();
    assert_eq!(bench.depot.bytes(path), size as u64, "not one byte twice");
    // It is in the store now: no network is needed.
    let offline = Bench { offline: true, ..bench };
    fs::remove_file(offline.path("out/shipped.tar.gz")).unwrap();
    offline.build(Request { names: vec!["shipped".to_owned()], ..offline.request() }).unwrap();
    assert_eq!(offline.out(), ["shipped.tar.gz"]);
}

#[test]
fn wrong_bytes_never_become_an_image() {
    let bench = Bench::new();
    let path = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
    bench.depot.order_times(9, path, &Fault::FlippedBit);
    let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
    let error = bench.build(request()).unwrap_err();
    assert!(error.contains("not the pinned"), "{error}");
    assert!(bench.out().is_empty(), "{:?}", bench.out());

    // A developer's own build takes its place when its digest is given.
    let own = zone("shipped", &[("root/own", "mine")]);
    bench.write("given/shipped.tar.gz", &own, 0o644);
    let mut pinned = request();
    pinned.pins.insert("shipped".to_owned(), Digest::of(&own));
    bench.build(pinned).unwrap();
    assert!(unpacked(&bench.path("out/shipped.tar.gz")).contains_key("root/own"));
    fs::remove_file(bench.path("out/shipped.tar.gz")).unwrap();

    bench.write("given/shipped.tar.gz", b"something else", 0o644);
    let error = bench.build(request()).unwrap_err();
    assert!(error.contains("given/shipped.tar.gz has sha256"), "{error}");
    assert!(error.contains("remove it, or correct the pin"), "{error}");
    assert!(bench.out().is_empty(), "{:?}", bench.out());
}

#[test]
fn archives_that_no_zone_could_be_installed_from_are_refused() {
    let good = zone("shipped", &[("root/shipped", "text")]);
    let mut twice = layer("shipped");
    twice.directory("root", proto::Metadata::root(0o755)).unwrap();
    for text in ["1", "2"] {
        twice.file_bytes("root/a", proto::Metadata::root(0o644), text.as_bytes()).unwrap();
    }
    let mut outside = layer("shipped");
    outside.file_bytes("root/../x", proto::Metadata::root(0o644), b"x").unwrap();
    for (bytes, word) in [
        ([good.clone(), b"garbage".to_vec()].concat(), "shipped.tar.gz"),
        ([good.clone(), good.clone()].concat(), "second"),
        (good[..good.len() - 9].to_vec(), "shipped.tar.gz"),
        (finish(twice), "brought a file of that name before"),
        (finish(outside), "`..` component"),
        (gzipped(b"no tar at all"), "shipped.tar.gz"),
    ] {
        let mut all = published();
        let key = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
        all.insert(key.to_owned(), bytes);
        let bench = Bench::with(all, MANIFEST);
        let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
        let error = bench.build(request()).unwrap_err();
        assert!(error.contains(word), "{word}: {error}");
        assert!(bench.out().is_empty(), "{:?}", bench.out());
    }
}
