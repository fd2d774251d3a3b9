//! What the image says of itself: its publishers, what it has, what it freezes.

use crate::support::*;
use crate::{depot, short};
use ips::{Image, Publisher, set_publisher, solve};

#[test]
fn publishers_are_searched_in_order() {
    let mut depot = Depot::new();
    depot.add("a@1", "");
    depot.add("pkg://other/a@2", "");
    depot.add("pkg://other/only@1", "");
    depot.add("pkg://third/x@1", "");
    let mut proto = depot.image();
    set_publisher(&mut proto, Publisher::new("other", "file:///"), date()).unwrap();
    let image = Image::read(&proto).unwrap();
    let solve = |patterns: &[&str]| {
        solve(&image, &depot.origins(), &names(patterns)).map(|chosen| {
            chosen.iter().map(|chosen| chosen.fmri.without_publisher().short()).collect::<Vec<_>>()
        })
    };
    assert_eq!(
        solve(&["a", "only"]).unwrap(),
        ["pkg:/a@1:20260102T030405Z", "pkg:/only@1:20260102T030405Z"]
    );
    assert_eq!(solve(&["pkg://other/a"]).unwrap(), ["pkg:/a@2:20260102T030405Z"]);
    // The first that has the version which is asked for.
    assert_eq!(solve(&["a@2"]).unwrap(), ["pkg:/a@2:20260102T030405Z"]);
    assert_eq!(solve(&["a@1"]).unwrap(), ["pkg:/a@1:20260102T030405Z"]);
    assert!(solve(&["a@3"]).is_err());
    let error = solve(&["x"]).unwrap_err().to_string();
    assert!(error.contains("x is only published by third"), "{error}");
    assert!(solve(&["nothing"]).unwrap_err().to_string().contains("matches no package"));
}

#[test]
fn what_is_installed_stays_until_it_is_named_or_needed() {
    let mut depot = Depot::new();
    depot.add("a@1", "");
    depot.add("b@1", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["a", "b"]).unwrap();
    depot.add("a@2", "");
    depot.add("b@2", "");
    depot.add("c@1", "depend type=require fmri=b@2\n");
    let report = depot.install(&mut proto, &["c"]).unwrap();
    assert_eq!(report.installed.len(), 1);
    let updated: Vec<_> = report.updated.iter().map(|(_, new)| new.stem.as_str()).collect();
    assert_eq!(updated, ["b"]);
    let report = depot.install(&mut proto, &["a"]).unwrap();
    assert_eq!(report.updated.len(), 1);
    let report = depot.install(&mut proto, &["a@1"]).unwrap();
    assert_eq!(report.updated[0].1.version.as_ref().unwrap().release.to_string(), "1");
}

#[test]
fn a_freeze_holds_and_says_why() {
    let depot = depot(&[("a@1", &["require b"]), ("b@1.1", &[]), ("b@1.2", &[]), ("b@2", &[])]);
    for (text, expected) in [
        (r#"[1,{"b":["1.1","broken since",1]}]"#, "b@1.1"),
        (r#"[1,{"b":["pkg:/b@1",null,1]}]"#, "b@1.2"),
    ] {
        let mut proto = depot.image();
        put(&mut proto, "var/pkg/state/frozen_dict", text);
        let image = Image::read(&proto).unwrap();
        let chosen = solve(&image, &depot.origins(), &names(&["a"])).unwrap();
        assert_eq!(short(&chosen), ["a@1", expected]);
        let error = solve(&image, &depot.origins(), &names(&["b@2"])).unwrap_err().to_string();
        assert!(error.contains("the request asks for b at 2"), "{error}");
        assert!(error.contains("the image freezes b at 1"), "{error}");
    }
    for bad in ["{}", "[2,{}]", r#"[1,{"b":["x",""]}]"#, r#"[1,{"b":[]}]"#, r#"[1,{"b":["p@"]}]"#] {
        let mut proto = depot.image();
        put(&mut proto, "var/pkg/state/frozen_dict", bad);
        let error = Image::read(&proto).unwrap_err().to_string();
        assert!(error.contains("frozen_dict"), "{error}");
    }
}

#[test]
fn stickiness_decides_who_updates() {
    let mut depot = Depot::new();
    depot.add("a@1", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["a"]).unwrap();
    depot.add("pkg://other/a@2", "");
    for (first, not_sticky, expected) in
        [(false, false, "1"), (true, false, "1"), (true, true, "2")]
    {
        let mut image = Image::read(&proto).unwrap();
        image.config.publishers[0].not_sticky = not_sticky;
        let other = Publisher::new("other", "file:///");
        image.config.publishers.insert(if first { 0 } else { 1 }, other);
        let chosen = solve(&image, &depot.origins(), &names(&["a"])).unwrap();
        let version = chosen[0].fmri.version.as_ref().unwrap().release.to_string();
        assert_eq!(version, expected, "first {first}, not sticky {not_sticky}");
        let chosen = solve(&image, &depot.origins(), &names(&["pkg://other/a"])).unwrap();
        assert_eq!(chosen[0].fmri.publisher.as_deref(), Some("other"), "named");
        image.config.publishers.retain(|publisher| publisher.name != "other");
        let mut disabled = Publisher::new("other", "file:///");
        disabled.disabled = true;
        image.config.publishers.insert(0, disabled);
        assert!(solve(&image, &depot.origins(), &names(&["a@2"])).is_err(), "disabled");
    }
}
