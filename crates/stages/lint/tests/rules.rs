//! Every rule, broken and kept.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Arc;

use ips::Manifest;
use lint::{Options, RULES, Severity, lint};

const GOOD: &str = "set name=pkg.summary value=x\n";

/// The manifest of a package; `text` is what it has besides a name and a summary.
fn package(name: &str, text: &str) -> Arc<Manifest> {
    let said = ["pkg.summary", "pkg.obsolete", "pkg.renamed"];
    let summary = if said.iter().any(|name| text.contains(name)) { "" } else { GOOD };
    let named = if text.contains("pkg.fmri") || text == "nameless" {
        String::new()
    } else {
        format!("set name=pkg.fmri value=pkg:/{name}@1.0,5.11-2:20260102T030405Z\n")
    };
    let text = format!("{named}{}\n{summary}", text.trim_start_matches("nameless"));
    Arc::new(Manifest::parse(format!("{name}.p5m"), &text).unwrap())
}

/// The ids of the rules that the first of some packages breaks, others being `b`, `c` and so on.
fn broken(texts: &[&str], others: &[Arc<Manifest>]) -> BTreeSet<&'static str> {
    let names = ["a", "b", "c"];
    let packages: Vec<_> =
        texts.iter().zip(names).map(|(text, name)| package(name, text)).collect();
    let findings = lint(&packages, others, &Options::default()).unwrap();
    findings.iter().map(|finding| finding.rule).collect()
}

const DIR: &str = "dir path=usr owner=root group=sys mode=0755";
const FILE: &str = "file x path=usr/a owner=root group=bin mode=0644";
const ZONES: &str = "set name=variant.opensolaris.zone value=global value=nonglobal\n";
const SERVICE: &str = "file x path=lib/svc/manifest/x.xml owner=root group=sys mode=0444 \
    restart_fmri=svc:/system/manifest-import:default\n";

/// Rules and packages that break them and no other.
fn examples() -> Vec<(&'static str, Vec<String>)> {
    let one = |rule, text: &str| (rule, vec![text.to_owned()]);
    let two = |rule, a: &str, b: &str| (rule, vec![a.to_owned(), b.to_owned()]);
    vec![
        two("duplicate-path", FILE, FILE),
        one(
            "duplicate-path",
            "link path=a target=usr\nlink path=a target=/usr/b\nfile x path=usr/b owner=root group=bin mode=0644\n",
        ),
        two(
            "path-kind",
            DIR,
            "hardlink path=usr target=a\nfile x path=a owner=root group=bin mode=0644",
        ),
        two("directory-attributes", DIR, &DIR.replace("sys", "bin")),
        two("parent-directory", FILE, "link path=usr target=tmp"),
        one("dangling-link", "link path=usr/a target=../b/c"),
        one("dangling-hardlink", "hardlink path=usr/a target=b"),
        one("invalid-action", "file x path=usr/a owner=root mode=0644"),
        one("invalid-action", "depend fmri=pkg:/b@x type=require"),
        one("unresolved-dependency", "depend fmri=__TBD type=require"),
        one("unknown-owner", &FILE.replace("root", "nobody-knows")),
        one("unusual-mode", &FILE.replace("0644", "0666")),
        one("unusual-mode", &FILE.replace("0644", "4644")),
        one("unusual-mode", &FILE.replace("0644", "0455")),
        one("unusual-mode", &DIR.replace("0755", "0777")),
        one("unusual-mode", &DIR.replace("0755", "0754")),
        one("package-name", "nameless"),
        one("package-name", "set name=pkg.fmri value=pkg:/a"),
        one("description", "set name=pkg.summary value=x\nset name=pkg.description value=x"),
        one("description", "set name=pkg.summary value=\"\""),
        two(
            "obsolete-dependency",
            "depend fmri=pkg:/b type=require",
            "set name=pkg.obsolete value=true",
        ),
        two(
            "obsolete-dependency",
            "depend fmri=pkg:/b type=require",
            "set name=pkg.renamed value=true\ndepend fmri=pkg:/c type=require",
        ),
        one("undeclared-variant", &format!("{FILE} variant.opensolaris.zone=global")),
        one("undeclared-variant", &format!("{ZONES}{FILE} variant.opensolaris.zone=globl")),
        one("mediator", "link path=a target=tmp mediator=x"),
        one("mediator", "link path=a target=tmp mediator=x mediator-version=1.x"),
        one("mediator", &format!("{FILE} mediator=x mediator-version=1")),
        one("mediator", "link path=a target=tmp mediator-version=1"),
        two("duplicate-driver", "driver name=d alias=pci1", "driver name=d"),
        two("duplicate-driver", "driver name=d alias=pci1", "driver name=e alias=pci1"),
        two(
            "duplicate-account",
            "user username=u uid=70 group=other",
            "user username=v uid=70 group=other",
        ),
        two("duplicate-account", "group groupname=g", "group groupname=g"),
        one("account-name", "group groupname=Gr gid=70"),
        one(
            "duplicate-dependency",
            "depend fmri=b@1 type=require\ndepend fmri=pkg:/b type=require",
        ),
        one("duplicate-set", "set name=x value=1\nset name=x value=2"),
        one("service-manifest", SERVICE),
        one(
            "service-manifest",
            &format!(
                "set name=org.opensolaris.smf.fmri value=svc:/x\n{}",
                SERVICE.replace("x.xml", "x")
            ),
        ),
        one("dead-package", &format!("set name=pkg.obsolete value=true\n{DIR}")),
        one("dead-package", "set name=pkg.renamed value=true"),
        one("classification", "set name=info.classification value=System"),
        one("overlay", &format!("{FILE} overlay=true")),
        one("overlay", &format!("{FILE} overlay=allow")),
        one("license-path", "license x license=x path=a"),
        one("facet-value", &format!("{FILE} facet.doc=false")),
    ]
}

#[test]
fn each_rule_finds_what_it_is_for_and_nothing_else() {
    let mut seen = BTreeSet::new();
    for (rule, texts) in examples() {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = broken(&texts, &[]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [rule], "{texts:?}");
        seen.insert(rule);
    }
    let other = [package("other", DIR)];
    assert_eq!(
        broken(&["depend fmri=pkg:/b type=require"], &other),
        BTreeSet::from(["unknown-dependency"])
    );
    seen.insert("unknown-dependency");
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(seen, all, "every rule has an example");
    assert!(RULES.is_sorted_by_key(|rule| rule.id));
}

#[test]
fn what_is_good_is_not_found() {
    let overlay = FILE.replace("usr/a", "etc/x");
    for texts in [
        vec![DIR, DIR],
        vec![FILE],
        vec![
            "link path=a target=tmp/x\nlink path=b target=usr/./a\nfile x path=usr/a owner=root group=bin mode=0644\nlink path=usr/c target=../usr",
        ],
        vec![
            "link path=l mediator=m mediator-version=1 target=tmp",
            "link path=l mediator=m mediator-version=2 target=dev",
        ],
        vec!["hardlink path=usr/b target=a\nfile x path=usr/a owner=root group=bin mode=0555"],
        vec![&format!("{overlay} preserve=true overlay=allow"), &format!("{overlay} overlay=true")],
        vec![
            "user username=u uid=70 group=gr\ngroup groupname=gr gid=70\ndir path=x owner=u group=gr mode=0755",
        ],
        vec![&format!(
            "{ZONES}{FILE} variant.opensolaris.zone=global\n{FILE} variant.opensolaris.zone=nonglobal"
        )],
        vec![&format!("{FILE} variant.debug.illumos=true\n{FILE} variant.debug.illumos=false")],
        vec!["set name=pkg.obsolete value=true"],
        vec!["set name=pkg.renamed value=true\ndepend fmri=b type=require", "set name=x value=y"],
        vec!["depend fmri=b type=optional", "set name=pkg.obsolete value=true"],
        vec!["depend fmri=b@9 type=require", "set name=pkg.obsolete value=true"],
        vec![&format!("set name=org.opensolaris.smf.fmri value=svc:/x\n{SERVICE}")],
        vec!["set name=info.classification value=org.opensolaris.category.2008:System/Core"],
        vec![
            "dir path=tmp owner=root group=sys mode=1777\nfile x path=b owner=root group=bin mode=4555",
        ],
    ] {
        assert_eq!(broken(&texts, &[]), BTreeSet::new(), "{texts:?}");
    }
}

#[test]
fn what_is_meant_is_passed_over() {
    let mode = FILE.replace("0644", "0666");
    for (meant, found) in [
        ("", 1),
        ("pkg.linted=true", 0),
        ("pkg.linted=false", 1),
        ("pkg.linted.unusual-mode=true", 0),
        ("pkg.linted.overlay=true", 1),
        ("pkg.linted.pkglint.action002=True", 0),
        ("pkg.linted.pkglint.action002.1=true", 0),
        ("pkg.linted.pkglint=true", 0),
        ("pkg.linted.pkglint.action001=true", 1),
    ] {
        let on_action = broken(&[&format!("{mode} {meant}")], &[]);
        assert_eq!(on_action.len(), found, "{meant}");
        if let Some((name, value)) = meant.split_once('=') {
            let of_package = format!("set name={name} value={value}\n{mode}");
            assert_eq!(broken(&[&of_package], &[]).len(), found, "{meant}");
        }
    }
}

#[test]
fn only_what_is_linted_is_blamed() {
    let (old, new) = (package("a", FILE), package("b", FILE));
    let findings = lint(from_ref(&new), from_ref(&old), &Options::default()).unwrap();
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["b.p5m:2: error: usr/a is delivered by a as well [duplicate-path]"]
    );
    assert_eq!(findings[0].severity, Severity::Error);
    // An older version of what is linted does not count.
    assert!(lint(from_ref(&new), from_ref(&new), &Options::default()).unwrap().is_empty());
    let only = |only: &[&str], without: &[&str]| {
        let list = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
        let options = Options { only: list(only), without: list(without) };
        lint(from_ref(&new), from_ref(&old), &options).map(|findings| findings.len())
    };
    assert_eq!(only(&["unusual-mode"], &[]).unwrap(), 0);
    assert_eq!(only(&["duplicate-path"], &[]).unwrap(), 1);
    assert_eq!(only(&[], &["duplicate-path"]).unwrap(), 0);
    let error = only(&["nothing"], &[]).unwrap_err().to_string();
    assert!(error.starts_with("there is no rule nothing; the rules are account-name, "), "{error}");
}
