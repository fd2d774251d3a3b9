//! Choosing versions, through the public face.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use ips::{Image, Publisher, set_publisher, solve};
use support::*;

/// Publishes packages of which only dependencies matter: `NAME@VERSION`, then one dependency a
/// line as `TYPE FMRI [PREDICATE]`, or another action.
fn depot(packages: &[(&str, &[&str])]) -> Depot {
    let mut depot = Depot::new();
    for (fmri, lines) in packages {
        let text: String = lines
            .iter()
            .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
                ["set", ..] => format!("{line}\n"),
                ["require-any", a, b] => format!("depend type=require-any fmri={a} fmri={b}\n"),
                [kind, fmri] => format!("depend type={kind} fmri={fmri}\n"),
                [kind, fmri, predicate] => {
                    format!("depend type={kind} fmri={fmri} predicate={predicate}\n")
                }
                _ => unreachable!(),
            })
            .collect();
        depot.add(fmri, &text);
    }
    depot
}

fn chosen(packages: &[(&str, &[&str])], request: &[&str]) -> Result<Vec<String>, String> {
    let depot = depot(packages);
    let image = Image::read(&depot.image()).unwrap();
    let solution = solve(&image, &depot.origins(), &names(request));
    solution.map_err(|error| error.to_string()).map(|chosen| {
        chosen
            .iter()
            .map(|chosen| {
                let version = chosen.fmri.version.as_ref().unwrap().release.to_string();
                format!("{}@{version}", chosen.fmri.stem)
            })
            .collect()
    })
}

#[test]
fn the_newest_that_is_allowed() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["require b"]),
        ("a@2", &["require b@1.1"]),
        ("b@1", &[]),
        ("b@1.1", &[]),
        ("b@1.2", &[]),
        ("hold@1", &["incorporate b@1.1", "incorporate unused@7"]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@2", "b@1.2"]);
    assert_eq!(chosen(packages, &["a", "hold"]).unwrap(), ["a@2", "b@1.1", "hold@1"]);
    assert_eq!(chosen(packages, &["a@1", "b@1.1"]).unwrap(), ["a@1", "b@1.1"]);
}

#[test]
fn an_unsolvable_request_names_both_sides() {
    let packages: &[(&str, &[&str])] = &[
        ("a@2.0", &["require b@1.2"]),
        ("b@1.1", &[]),
        ("b@1.2", &[]),
        ("c@1", &["incorporate b@1.1"]),
    ];
    assert_eq!(
        chosen(packages, &["a", "c"]).unwrap_err(),
        "no version of b fits:\n  incorporation c@1:20260102T030405Z holds b at 1.1\n  \
         a@2.0:20260102T030405Z needs b at 1.2 or newer\n  \
         leave out a or c, or ask for other versions\n  \
         known versions of b: 1.2:20260102T030405Z, 1.1:20260102T030405Z"
    );
    let error = chosen(&[("a@1", &["require nowhere"])], &["a"]).unwrap_err();
    assert!(error.contains("a@1:20260102T030405Z needs nowhere"), "{error}");
    assert!(error.contains("no origin of the image has nowhere"), "{error}");
}

#[test]
fn an_older_version_is_taken_when_the_newest_does_not_fit() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["require lib@1"]),
        ("a@2", &["require lib@2"]),
        ("a@3", &["require lib@3"]),
        ("lib@1", &[]),
        ("lib@2", &[]),
        ("lib@3", &["require base@3"]),
        ("base@2", &[]),
        ("base@3", &[]),
        ("hold@1", &["incorporate base@2"]),
        ("z@1", &["require hold", "require a"]),
    ];
    assert_eq!(chosen(packages, &["z"]).unwrap(), ["a@2", "hold@1", "lib@2", "z@1"]);
}

#[test]
fn an_incorporation_may_be_older_than_the_newest() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["require hold", "require b@1"]),
        ("hold@1", &["incorporate b@1"]),
        ("hold@2", &["incorporate b@2"]),
        ("b@1", &[]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1", "b@1", "hold@1"]);
}

#[test]
fn every_kind_of_dependency() {
    let exclude: &[(&str, &[&str])] =
        &[("a@1", &["exclude b"]), ("b@1", &[]), ("c@1", &["exclude b@2"])];
    assert!(chosen(exclude, &["a", "b"]).unwrap_err().contains("a@1:20260102T030405Z excludes b"));
    assert_eq!(chosen(exclude, &["b", "c"]).unwrap(), ["b@1", "c@1"]);

    let optional: &[(&str, &[&str])] = &[("a@1", &["optional b@2"]), ("b@1", &[]), ("b@2", &[])];
    assert_eq!(chosen(optional, &["a"]).unwrap(), ["a@1"]);
    assert!(chosen(optional, &["a", "b@1"]).is_err());

    let any: &[(&str, &[&str])] = &[
        ("a@1", &["require-any none two"]),
        ("two@1", &[]),
        ("b@1", &["require-any x two"]),
        ("x@1", &[]),
    ];
    assert_eq!(chosen(any, &["a"]).unwrap(), ["a@1", "two@1"]);
    assert_eq!(chosen(any, &["a", "b"]).unwrap(), ["a@1", "b@1", "two@1"]);
    assert_eq!(chosen(any, &["b"]).unwrap(), ["b@1", "x@1"]);

    let conditional: &[(&str, &[&str])] =
        &[("a@1", &["conditional c b@2"]), ("b@1", &[]), ("b@2", &[]), ("c@1", &[])];
    assert_eq!(chosen(conditional, &["a", "b@1"]).unwrap(), ["a@1", "b@1"]);
    assert_eq!(chosen(conditional, &["a", "b"]).unwrap(), ["a@1", "b@2", "c@1"]);

    let group: &[(&str, &[&str])] = &[("a@1", &["group b", "group nowhere"]), ("b@1", &[])];
    assert_eq!(chosen(group, &["a"]).unwrap(), ["a@1", "b@1"]);
}

#[test]
fn a_conditional_that_cannot_be_met_sends_the_search_back() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &[]),
        ("a@2", &["conditional c@2 b"]),
        ("b@1", &[]),
        ("c@1", &[]),
        ("hold@1", &["incorporate c@1"]),
    ];
    assert_eq!(
        chosen(packages, &["a", "b", "c", "hold"]).unwrap(),
        ["a@1", "b@1", "c@1", "hold@1"]
    );
}

#[test]
fn obsolete_and_renamed_packages() {
    let packages: &[(&str, &[&str])] = &[
        ("old@1", &[]),
        ("old@2", &["set name=pkg.renamed value=true", "require new@1"]),
        ("new@1", &[]),
        ("gone@1", &[]),
        ("gone@2", &["set name=pkg.obsolete value=true"]),
        ("a@1", &["require old"]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1", "new@1"]);
    assert!(
        chosen(packages, &["gone"]).unwrap_err().contains("gone@2:20260102T030405Z is obsolete")
    );
    assert_eq!(chosen(packages, &["gone@1"]).unwrap(), ["gone@1"]);
}

#[test]
fn packages_for_another_kind_of_image() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &[]),
        ("a@2", &["set name=variant.opensolaris.zone value=nonglobal"]),
        ("b@1", &["set name=variant.arch value=sparc"]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1"]);
    let error = chosen(packages, &["b"]).unwrap_err();
    assert!(error.contains("is only for variant.arch=sparc, this image has i386"), "{error}");
}

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
