//! Plans, budgets, records, and the choice of the smaller form.

use std::fs;

use crate::common::{Place, noise};

#[test]
fn a_plan_is_exact_and_writes_nothing() {
    let place = Place::new();
    let from = ["build", "--tree", "root", "--compression", "gzip-6"];
    let before = place.names();
    let plan = place.image(&[&from[..], &["--plan", "--json"]].concat()).expect(0, "").json();
    assert_eq!(place.names(), before);
    let words = [&from[..], &["--out", "zfs.img", "--json"]].concat();
    let written = place.image(&words).expect(0, "").json();
    assert_eq!(plan["footprint"], written["footprint"]);
    assert_eq!(plan["guid"], written["guid"]);
    let size = fs::metadata(place.path("zfs.img")).unwrap().len();
    assert_eq!(plan["footprint"]["pool"]["size"], size);
    let table = place.image(&[&from[..], &["--plan"]].concat()).expect(0, "").out;
    for word in ["metadata", "headroom", "by directory", "by zone", "ntp", "(no package)"] {
        assert!(table.contains(word), "{word}: {table}");
    }
}

#[test]
fn a_budget_warns_then_keeps_the_image_from_appearing() {
    let place = Place::new();
    let from = ["build", "--tree", "root"];
    let out = |words: &[&str]| place.image(&[&from[..], &["--out", "zfs.img"], words].concat());
    out(&["--write-record", "last.json", "--budget", "1000"]).expect(0, "");
    let size = fs::metadata(place.path("zfs.img")).unwrap().len().div_ceil(1 << 20);
    fs::remove_file(place.path("zfs.img")).unwrap();

    // The zone image grows.
    fs::write(place.path("root/opt/oxide/ntp.tar.gz"), noise(60_000_000)).unwrap();
    let budget = size.to_string();
    let refused = out(&["--budget", &budget, "--record", "last.json"])
        .expect(1, "more than its budget of")
        .expect(1, "the largest parts:");
    assert!(refused.err.contains("zone ntp (was 2"), "{}", refused.err);
    assert_eq!(place.names(), ["last.json", "root"], "nothing is left of a refused image");
    let near = out(&["--budget", "200", "--record", "last.json", "--write-record", "last.json"])
        .expect(0, "% of the budget of 200 MiB are taken");
    assert!(near.err.contains("what grew since the earlier record"), "{}", near.err);
    let same = [&from[..], &["--plan", "--record", "last.json"]].concat();
    assert!(place.image(&same).expect(0, "").out.contains("nothing changed"));
}

#[test]
fn auto_takes_what_makes_the_smaller_ramdisk() {
    let place = Place::new();
    fs::write(place.path("root/zeros"), b"not zeros ".repeat(12_000_000)).unwrap();
    let build = ["build", "--tree", "root", "--compression", "auto", "--out", "zfs.img", "--json"];
    let chosen = place.image(&build).expect(0, "MiB of memory instead of").json();
    assert_eq!(chosen["compression"], "gzip-9");
    let (compressed, plain) = (&chosen["auto"]["compressed_bytes"], &chosen["auto"]["plain_bytes"]);
    assert!(compressed.as_u64().unwrap() < plain.as_u64().unwrap());
    assert_eq!(*compressed, fs::metadata(place.path("zfs.img")).unwrap().len());
    place.image(&["verify", "zfs.img"]).expect(0, "sound");

    fs::remove_file(place.path("root/zeros")).unwrap();
    let chosen = place.image(&[&build[..], &["--fast"]].concat()).expect(0, "a plain pool").json();
    assert_eq!(chosen["compression"], "off");
    place.image(&["verify", "zfs.img"]).expect(0, "sound");
}
