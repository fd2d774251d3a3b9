//! Which version of a package is taken.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::*;
use crate::{chosen, depot, short};
use ips::{Fmri, Image, Origin, SolveOptions, StoredPayload, solve, solve_with};

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
