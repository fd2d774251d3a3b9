//! Requests that nothing fits, and what is said of them.

use crate::chosen;
use crate::support::*;
use ips::{Fmri, Image, solve};

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
