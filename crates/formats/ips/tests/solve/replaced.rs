//! Packages that are obsolete or were renamed.

use crate::support::*;
use crate::{chosen, depot, short};
use ips::{Image, SolveOptions, solve_with};
use proto::Proto;

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
