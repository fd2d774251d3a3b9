//! Choosing versions, through the public face.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ips::{
    Fmri, Image, Origin, Publisher, SolveOptions, StoredPayload, Variants, change_facets,
    set_publisher, solve, solve_with,
};
use proto::{Entry, Kind, Metadata, Proto};
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
                ["require-any" | "group-any", ..] => {
                    let mut words = line.split(' ');
                    let kind = words.next().unwrap();
                    let fmris: String = words.map(|fmri| format!(" fmri={fmri}")).collect();
                    format!("depend type={kind}{fmris}\n")
                }
                [.., last] if last.contains('=') => format!("depend {line}\n"),
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
    solution.map(|chosen| short(&chosen)).map_err(|error| error.to_string())
}

fn short(chosen: &[ips::Chosen]) -> Vec<String> {
    let name = |chosen: &ips::Chosen| {
        let version = chosen.fmri.version.as_ref().unwrap().release.to_string();
        format!("{}@{version}", chosen.fmri.stem)
    };
    chosen.iter().map(name).collect()
}

/// Puts a file of package metadata into an image.
fn put(proto: &mut Proto, file: &str, text: &str) {
    let content = proto.contents.store.add_bytes(text.as_bytes()).unwrap();
    let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
    proto.manifest.replace(path(file), entry);
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
        "no version of b fits:\n  incorporation c@1 holds b at 1.1\n  \
         a@2.0 needs b at 1.2 or newer\n  \
         leave out a or c, or ask for other versions\n  \
         known versions of b: 1.2, 1.1"
    );
    let error = chosen(&[("a@1", &["require nowhere"])], &["a"]).unwrap_err();
    assert!(error.contains("a@1 needs nowhere"), "{error}");
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
    assert!(chosen(exclude, &["a", "b"]).unwrap_err().contains("a@1 excludes b"));
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
        ("older@1", &["set name=pkg.renamed value=true", "require old"]),
        ("b@1", &["require older"]),
        ("c@1", &["incorporate old@2", "optional older", "require a"]),
    ];
    // The old name stays where a package uses it, and only there.
    assert_eq!(chosen(packages, &["old"]).unwrap(), ["new@1"]);
    assert_eq!(chosen(packages, &["older"]).unwrap(), ["new@1"]);
    assert_eq!(chosen(packages, &["a", "older"]).unwrap(), ["a@1", "new@1", "old@2"]);
    assert_eq!(chosen(packages, &["b"]).unwrap(), ["b@1", "new@1", "old@2", "older@1"]);
    assert_eq!(chosen(packages, &["c", "older"]).unwrap(), ["a@1", "c@1", "new@1", "old@2"]);
    assert_eq!(chosen(packages, &["gone"]).unwrap(), [""; 0]);
    assert_eq!(chosen(packages, &["gone", "a"]).unwrap(), ["a@1", "new@1", "old@2"]);
    assert_eq!(chosen(packages, &["gone@2"]).unwrap(), [""; 0]);
    assert_eq!(chosen(packages, &["gone@1"]).unwrap(), ["gone@1"]);
}

#[test]
fn what_is_obsolete_and_named_goes() {
    let mut depot = depot(&[("gone@1", &[]), ("user@1", &["require gone"])]);
    let mut proto = depot.image();
    depot.install(&mut proto, &["gone"]).unwrap();
    depot.add("gone@2", "set name=pkg.obsolete value=true\n");
    let ask = |proto: &Proto, request: &[&str]| {
        let image = Image::read(proto).unwrap();
        let options = SolveOptions::default();
        let solution = solve_with(&image, &depot.origins(), &names(request), options).unwrap();
        let obsolete: Vec<String> =
            solution.obsolete.iter().map(|fmri| fmri.stem.clone()).collect();
        (short(&solution.packages).join(" "), obsolete.join(" "))
    };
    assert_eq!(ask(&proto, &["gone"]), (String::new(), "gone".to_owned()));
    assert_eq!(ask(&proto, &["user"]), ("gone@1 user@1".to_owned(), String::new()));
    assert_eq!(ask(&proto, &["user", "gone"]), ("gone@1 user@1".to_owned(), String::new()));
    let report = depot.install(&mut proto, &["gone"]).unwrap();
    assert_eq!(report.removed.len(), 1);
}

#[test]
fn old_names_go_with_those_who_use_them() {
    let depot = depot(&[
        ("old@1", &["set name=pkg.renamed value=true", "require new"]),
        ("new@1", &[]),
        ("a@1", &["require old"]),
        ("b@1", &["optional old"]),
    ]);
    let mut proto = depot.image();
    depot.install(&mut proto, &["a", "b"]).unwrap();
    let image = Image::read(&proto).unwrap();
    let installed: Vec<&str> = image.packages.iter().map(|p| p.fmri.stem.as_str()).collect();
    assert_eq!(installed, ["a", "b", "new", "old"]);
    assert!(image.package("old").unwrap().states.contains(&ips::State::Renamed));
    let left = ips::solve_removal(&image, &names(&["a"])).unwrap();
    assert_eq!(short(&left), ["b@1", "new@1"]);
}

#[test]
fn packages_only_for_those_who_name_them() {
    let packages: &[(&str, &[&str])] = &[
        ("fix@1", &[]),
        ("fix@2", &["set name=pkg.depend.explicit-install value=true"]),
        ("a@1", &["require fix"]),
        ("b@1", &["require fix@2"]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1", "fix@1"]);
    assert_eq!(chosen(packages, &["a", "fix"]).unwrap(), ["a@1", "fix@2"]);
    let error = chosen(packages, &["b"]).unwrap_err();
    assert!(error.contains("fix@2 is only installed when it is asked for by name"), "{error}");
}

#[test]
fn what_is_needed_may_be_older_than_its_obsolete_version() {
    let packages: &[(&str, &[&str])] = &[
        ("gone@1", &[]),
        ("gone@2", &["set name=pkg.obsolete value=true"]),
        ("needs@1", &["require gone"]),
        ("either@1", &["require-any gone nowhere"]),
        ("newer@1", &["require gone@2"]),
        ("set@1", &["group gone"]),
        ("hold@1", &["incorporate gone@2"]),
    ];
    assert_eq!(chosen(packages, &["needs"]).unwrap(), ["gone@1", "needs@1"]);
    assert_eq!(chosen(packages, &["either"]).unwrap(), ["either@1", "gone@1"]);
    assert_eq!(chosen(packages, &["set"]).unwrap(), ["set@1"]);
    assert_eq!(chosen(packages, &["needs", "set"]).unwrap(), ["gone@1", "needs@1", "set@1"]);
    for request in [&["newer"][..], &["needs", "hold"]] {
        let error = chosen(packages, request).unwrap_err();
        assert!(error.contains("gone"), "{error}");
    }
    assert_eq!(chosen(packages, &["needs", "gone"]).unwrap(), ["gone@1", "needs@1"]);
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
fn of_a_group_what_is_avoided_or_gone_is_left_out() {
    let depot = depot(&[
        ("all@1", &["group a", "group b", "group nowhere", "group gone"]),
        ("some@1", &["group-any a b"]),
        ("none@1", &["group-any a nowhere"]),
        ("a@1", &[]),
        ("b@1", &[]),
        ("gone@1", &[]),
        ("gone@2", &["set name=pkg.obsolete value=true"]),
        ("needs@1", &["require a"]),
    ]);
    let mut proto = depot.image();
    let of = |proto: &Proto, request: &[&str]| {
        let image = Image::read(proto).unwrap();
        short(&solve(&image, &depot.origins(), &names(request)).unwrap())
    };
    assert_eq!(of(&proto, &["some"]), ["a@1", "some@1"]);
    put(&mut proto, "var/pkg/state/avoid_set", r#"[1,{"a":"avoid","b":"implicit-avoid"}]"#);
    assert_eq!(of(&proto, &["some"]), ["b@1", "some@1"], "what is avoided is no choice");
    assert_eq!(of(&proto, &["none"]), ["none@1"], "nothing is left");
    assert_eq!(of(&proto, &["needs", "some"]), ["a@1", "b@1", "needs@1", "some@1"]);
    assert_eq!(of(&proto, &["none", "a"]), ["a@1", "none@1"], "asked for is not avoided");

    put(&mut proto, "var/pkg/state/avoid_set", r#"[1,{"a":"avoided"}]"#);
    let error = Image::read(&proto).unwrap_err().to_string();
    assert!(error.contains("a: \"avoid\", \"implicit-avoid\" or"), "{error}");
    put(&mut proto, "var/pkg/state/avoid_set", "[1]");
    let error = Image::read(&proto).unwrap_err().to_string();
    assert_eq!(error, "var/pkg/state/avoid_set: `[1,{...}]` was expected");
}

#[test]
fn a_group_takes_every_package_that_is_there() {
    let packages: &[(&str, &[&str])] =
        &[("all@1", &["group a", "group b", "group gone"]), ("a@1", &[]), ("b@1", &[])];
    assert_eq!(chosen(packages, &["all"]).unwrap(), ["a@1", "all@1", "b@1"]);
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
fn an_origin_dependency_asks_for_steps_in_between() {
    let mut depot = depot(&[("entire@1", &[]), ("entire@2", &[])]);
    let mut proto = depot.image();
    depot.install(&mut proto, &["entire@1"]).unwrap();
    depot.add("entire@3", "depend type=origin fmri=entire@2\n");
    depot.add(
        "new@1",
        "depend type=origin fmri=absent@9\ndepend type=origin root-image=true \
        fmri=pkg:/feature/firmware/mpt_sas@1\n",
    );
    let report = depot.install(&mut proto, &["entire", "new"]).unwrap();
    let short = |fmri: &Fmri| fmri.version.as_ref().unwrap().release.to_string();
    assert_eq!(short(&report.updated[0].1), "2");
    let mut fresh = depot.image();
    depot.install(&mut fresh, &["entire@1"]).unwrap();
    let error = depot.install(&mut fresh, &["entire@3"]).unwrap_err().to_string();
    assert!(
        error.contains("entire@3 can be installed over entire 2 or newer, and the image has 1")
    );
    depot.install(&mut proto, &["entire"]).unwrap();
    assert_eq!(short(&Image::read(&proto).unwrap().package("entire").unwrap().fmri), "3");
}

#[test]
fn a_parent_dependency_looks_at_the_global_zone() {
    let own = "parent feature/package/dependency/self";
    let mut depot = depot(&[
        ("zone@1", &[own]),
        ("other@1", &["parent base@1.2"]),
        ("base@1.2.3", &[]),
        ("base@1.3", &[]),
    ]);
    let mut parent = depot.image();
    depot.install(&mut parent, &["zone", "base@1.2.3"]).unwrap();
    depot.add("zone@2", &format!("depend type=parent fmri={}\n", &own[7..]));
    let parent = Image::read(&parent).unwrap();
    let empty = Image::read(&depot.image_with(Variants::for_zone("nonglobal"))).unwrap();
    let solve = |parent: Option<&Image>, request: &[&str]| {
        let options = SolveOptions { parent, ..SolveOptions::default() };
        solve_with(&empty, &depot.origins(), &names(request), options)
            .map(|solution| short(&solution.packages))
            .map_err(|error| error.to_string())
    };
    assert_eq!(solve(None, &["zone", "other"]).unwrap(), ["other@1", "zone@2"]);
    assert_eq!(solve(Some(&parent), &["zone", "other"]).unwrap(), ["other@1", "zone@1"]);
    let error = solve(Some(&parent), &["zone@2"]).unwrap_err();
    assert!(error.contains("zone@2 needs zone at 2:20260102T030405Z in the image"), "{error}");
    let error = solve(Some(&empty), &["other"]).unwrap_err();
    assert!(error.contains("which does not have it"), "{error}");
}

#[test]
fn dependencies_have_variants_and_facets() {
    let depot = depot(&[
        (
            "a@1",
            &[
                "type=require fmri=z variant.opensolaris.zone=nonglobal",
                "type=require fmri=g variant.opensolaris.zone=global",
                "type=require fmri=doc facet.doc=true",
                "type=incorporate fmri=g@1 facet.version-lock.g=true",
            ],
        ),
        ("z@1", &[]),
        ("g@1", &[]),
        ("g@2", &[]),
        ("doc@1", &[]),
    ]);
    let mut proto = depot.image();
    let of = |proto: &Proto| {
        let image = Image::read(proto).unwrap();
        short(&solve(&image, &depot.origins(), &names(&["a"])).unwrap())
    };
    assert_eq!(of(&proto), ["a@1", "doc@1", "g@1"]);
    let zone = depot.image_with(Variants::for_zone("nonglobal"));
    assert_eq!(of(&zone), ["a@1", "doc@1", "z@1"]);
    let off = ["doc", "version-lock.*"].map(|name| (name.to_owned(), Some(false)));
    change_facets(&mut proto, &off, &depot.origins(), &options()).unwrap();
    assert_eq!(of(&proto), ["a@1", "g@2"]);
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

#[test]
fn versions_as_people_type_them() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1.2,5.11-2.0.1", &[]),
        ("a@1.2,5.11-2.1.1", &[]),
        ("a@1.3,5.11-2.0.1", &[]),
        ("hold@1", &["incorporate a@1.2"]),
    ];
    for (pattern, expected) in [
        ("a", "1.3"),
        ("a@latest", "1.3"),
        ("a@1", "1.3"),
        ("a@1.2", "1.2"),
        ("a@1.2-2.0", "1.2"),
        ("a@1.?-2.0", "1.3"),
        ("a@*-2.1", "1.2"),
        ("pkg://test/a@1.2,5.11-2.0.1:20260102T030405Z", "1.2"),
        ("a@*:2026*", "1.3"),
    ] {
        assert_eq!(chosen(packages, &[pattern]).unwrap(), [format!("a@{expected}")], "{pattern}");
    }
    assert_eq!(chosen(packages, &["a", "hold"]).unwrap(), ["a@1.2", "hold@1"]);
    let error = chosen(packages, &["a@latest", "hold"]).unwrap_err();
    assert!(error.contains("the request asks for a at 1.3-2.0.1"), "{error}");
    let error = chosen(packages, &["a@7.*"]).unwrap_err();
    assert!(error.contains("the request asks for a at 7.*"), "{error}");
    let error = chosen(packages, &["a@1.x*"]).unwrap_err();
    assert!(error.contains("the release: \"x*\" where a number"), "{error}");
}

#[test]
fn patterns_pass_over_what_was_replaced() {
    let packages: &[(&str, &[&str])] = &[
        ("system/zones@1", &[]),
        ("old/zones@1", &["set name=pkg.renamed value=true", "require system/zones"]),
        ("gone/zones@1", &[]),
        ("gone/zones@2", &["set name=pkg.obsolete value=true"]),
        ("system/disks@1", &[]),
        ("other/disks@1", &[]),
    ];
    assert_eq!(chosen(packages, &["zones"]).unwrap(), ["system/zones@1"]);
    let all = chosen(packages, &["*"]).unwrap();
    assert_eq!(all, ["other/disks@1", "system/disks@1", "system/zones@1"]);
    let error = chosen(packages, &["disks"]).unwrap_err();
    assert!(error.contains("matches several packages: other/disks, system/disks"), "{error}");
    assert_eq!(chosen(packages, &["gone/zones"]).unwrap(), [""; 0]);
    assert_eq!(chosen(packages, &["gone/*"]).unwrap(), [""; 0]);
}

#[test]
fn circles_end() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["require b@1"]),
        ("b@1", &["require c", "optional a@1"]),
        ("c@1", &["conditional a b", "require a", "incorporate c@1"]),
        ("self@1", &["require self@1", "group self"]),
    ];
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1", "b@1", "c@1"]);
    assert_eq!(chosen(packages, &["self"]).unwrap(), ["self@1"]);
    let renamed = "set name=pkg.renamed value=true";
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["require b"]),
        ("b@1", &[renamed, "require c"]),
        ("c@1", &[renamed, "require b"]),
    ];
    assert_eq!(
        chosen(packages, &["a"]).unwrap_err(),
        "no version of b fits:\n  b@1 was renamed to c\n  c@1 was renamed to b"
    );
}

#[test]
fn contradictions_are_explained() {
    for (packages, request, expected) in [
        (
            &[("a@1", &["require a@2"] as &[&str])] as &[(&str, &[&str])],
            &["a"] as &[&str],
            &["a@1 needs a at 2 or newer"] as &[&str],
        ),
        (&[("a@1", &["exclude a"])], &["a"], &["a@1 excludes a"]),
        (
            &[("a@1", &["require b", "exclude b"]), ("b@1", &[])],
            &["a"],
            &["a@1 excludes b", "a@1 needs b"],
        ),
        (
            &[
                ("a@1", &["incorporate b@1", "incorporate b@2", "require b"]),
                ("b@1", &[]),
                ("b@2", &[]),
            ],
            &["a"],
            &["a@1 holds b at 1", "a@1 holds b at 2"],
        ),
        (
            &[("a@1", &[]), ("a@2", &[])],
            &["a@1", "a@2"],
            &["the request asks for a at 1", "the request asks for a at 2"],
        ),
        (
            &[("a@1", &["require-any x@2 y@2"]), ("x@1", &[]), ("y@1", &[])],
            &["a"],
            &["a@1 needs x at 2 or newer or y at 2 or newer"],
        ),
    ] {
        let error = chosen(packages, request).unwrap_err();
        for sentence in expected {
            assert!(error.contains(sentence), "{sentence}: {error}");
        }
    }
}

#[test]
fn how_a_package_came_in_is_told() {
    let packages: &[(&str, &[&str])] = &[
        ("top@1", &["require middle"]),
        ("middle@1", &["require low@2"]),
        ("low@1", &[]),
        ("low@2", &[]),
        ("hold@1", &["incorporate low@1"]),
    ];
    assert_eq!(
        chosen(packages, &["top", "hold"]).unwrap_err(),
        "no version of low fits:\n  incorporation hold@1 holds low at 1\n  \
         middle@1 needs low at 2 or newer\n  top@1 needs middle\n  \
         leave out hold or top, or ask for other versions\n  known versions of low: 2, 1"
    );
}

#[test]
fn preferred_versions_stay_where_they_fit() {
    let depot = depot(&[
        ("a@1", &["require b@1"]),
        ("a@2", &["require b@2"]),
        ("b@1", &[]),
        ("b@2", &[]),
        ("b@3", &[]),
        ("c@1", &["require b@3"]),
        ("old@1", &["set name=pkg.renamed value=true", "require a"]),
    ]);
    let image = Image::read(&depot.image()).unwrap();
    let preferred: BTreeSet<Fmri> = ["a@1", "b@2"]
        .map(|name| Fmri::parse(&format!("pkg://test/{name}:{DATE}")).unwrap())
        .into();
    let of = |request: &[&str]| {
        let options = SolveOptions { preferred: Some(&preferred), ..SolveOptions::default() };
        solve_with(&image, &depot.origins(), &names(request), options).unwrap()
    };
    assert_eq!(short(&of(&["a"]).packages), ["a@1", "b@2"]);
    assert_eq!(short(&of(&["a", "c"]).packages), ["a@1", "b@3", "c@1"]);
    assert_eq!(short(&of(&["a@2"]).packages), ["a@2", "b@2"]);
    let solution = of(&["old"]);
    assert_eq!(short(&solution.packages), ["a@1", "b@2"]);
    assert_eq!(short(&solution.renamed), ["old@1"]);
}

#[test]
fn dependencies_that_cannot_be_read_are_refused() {
    for (line, problem) in [
        ("depend fmri=b", "dependency type `` is unknown"),
        ("depend fmri=b type=want", "dependency type `want` is unknown"),
        ("depend fmri=../b type=require", "no component"),
        ("depend fmri=b fmri=c type=require", "names several packages"),
        ("depend fmri=b type=conditional", "has no `predicate`"),
    ] {
        let mut depot = Depot::new();
        let fmri = Fmri::parse(&format!("pkg://test/a@1:{DATE}")).unwrap();
        depot.add_manifest(&fmri, &format!("set name=pkg.fmri value={}\n{line}\n", fmri.long()));
        let image = Image::read(&depot.image()).unwrap();
        let error = solve(&image, &depot.origins(), &names(&["a"])).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("a@1"), "{error}");
    }
}

/// An origin with many versions, which counts the manifests that are read.
struct Many {
    packages: Vec<Fmri>,
    read: AtomicUsize,
}

const STEMS: usize = 600;
const VERSIONS: usize = 50;

impl Many {
    fn new() -> Self {
        let mut packages = Vec::new();
        for stem in 0..STEMS {
            for version in 0..VERSIONS {
                let fmri = format!("pkg://test/p{stem:03}@{version},5.11:{DATE}");
                packages.push(Fmri::parse(&fmri).unwrap());
            }
        }
        packages.sort();
        Self { packages, read: AtomicUsize::new(0) }
    }
}

impl Origin for Many {
    fn location(&self) -> &Path {
        Path::new("many")
    }

    fn packages(&self) -> &[Fmri] {
        &self.packages
    }

    fn manifest_text(&self, fmri: &Fmri) -> Result<String, ips::Error> {
        self.read.fetch_add(1, Ordering::Relaxed);
        let mut text = format!("set name=pkg.fmri value={}\n", fmri.long());
        let stem: usize = fmri.stem[1..].parse().unwrap();
        for next in [stem * 2 + 1, stem * 2 + 2] {
            if next < STEMS {
                text += &format!("depend type=require fmri=p{next:03}@1\n");
            }
        }
        // The first holds all others one version back.
        for held in 1..if stem == 0 { STEMS } else { 0 } {
            text += &format!("depend type=incorporate fmri=p{held:03}@{}\n", VERSIONS - 2);
        }
        Ok(text)
    }

    fn stored_payload(&self, _: &str, sha1: &str) -> Result<StoredPayload, ips::Error> {
        let path = "many".into();
        Err(ips::Error::NoPayload { path, hash: sha1.to_owned() })
    }
}

#[test]
fn of_many_versions_only_those_in_question_are_read() {
    let many = Many::new();
    let image = Image::read(&Depot::new().image()).unwrap();
    let chosen = solve(&image, &[&many], &names(&["p000"])).unwrap();
    assert_eq!(chosen.len(), STEMS);
    assert!(
        chosen[1..].iter().all(
            |c| c.fmri.short() == format!("pkg://test/{}@{}:{DATE}", c.fmri.stem, VERSIONS - 2)
        )
    );
    let read = many.read.into_inner();
    assert!(read <= 2 * STEMS, "{read} manifests of {} were read", STEMS * VERSIONS);
}

#[test]
fn a_conditional_counts_wherever_its_predicate_comes_from() {
    let packages: &[(&str, &[&str])] = &[
        ("g@2", &["exclude e"]),
        ("h@1", &["conditional e g"]),
        ("h@1.1", &["conditional e g"]),
        ("e@1", &[]),
        ("c@1", &[]),
        ("old@1", &[]),
        ("old@2", &["conditional e g"]),
    ];
    for request in [&["g", "h"][..], &["g", "h", "c"], &["c", "h", "g"], &["h@1", "c", "g"]] {
        let error = chosen(packages, request).unwrap_err();
        assert!(error.contains("g@2 excludes e"), "{request:?}: {error}");
    }
    assert_eq!(chosen(packages, &["c", "g", "old"]).unwrap(), ["c@1", "g@2", "old@1"]);
}

#[test]
fn groups_and_latest_pass_over_what_cannot_be_had() {
    let packages: &[(&str, &[&str])] = &[
        ("a@1", &["group b@9", "group fix", "group-any c@9 d@9"]),
        ("b@1", &[]),
        ("b@2", &["set name=variant.arch value=sparc"]),
        ("c@1", &[]),
        ("c@2", &["set name=pkg.obsolete value=true"]),
        ("d@1", &[]),
        ("fix@1", &["set name=pkg.depend.explicit-install value=true"]),
        ("either@1", &["require-any c@1 d"]),
        ("hold@1", &["incorporate c@2", "exclude d"]),
        ("nowhere@1", &["require missing"]),
        ("further@1", &["require nowhere"]),
        ("sparc@1", &["set name=variant.arch value=sparc"]),
        ("all@1", &["group further", "group sparc", "group b", "group-any nowhere d"]),
    ];
    // Members that need what is not there are left out.
    assert_eq!(chosen(packages, &["all"]).unwrap(), ["all@1", "b@1", "d@1"]);
    assert!(chosen(packages, &["further"]).is_err());
    // Versions say nothing in groups, and what became obsolete comes last.
    assert_eq!(chosen(packages, &["a"]).unwrap(), ["a@1", "b@1", "d@1"]);
    assert_eq!(chosen(packages, &["either"]).unwrap(), ["d@1", "either@1"]);
    assert_eq!(chosen(packages, &["b@latest"]).unwrap(), ["b@1"]);
    assert_eq!(chosen(packages, &["c@latest"]).unwrap(), [""; 0]);
    assert_eq!(chosen(packages, &["hold", "c"]).unwrap(), ["hold@1"]);
}
