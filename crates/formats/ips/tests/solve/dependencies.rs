//! What each type of dependency asks for.

use crate::support::*;
use crate::{chosen, depot, short};
use ips::{Fmri, Image, SolveOptions, Variants, change_facets, solve, solve_with};
use proto::Proto;

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
